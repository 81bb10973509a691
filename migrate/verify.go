package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bmsync/imap"
	"bmsync/state"
)

// Reread says how many messages are read back byte for byte.
type Reread int

// The proof by SHA-1 needs no reading; bytes are read on demand.
const (
	RereadNone   Reread = iota
	RereadSample        // of each folder a few, spread evenly
	RereadAll
)

// sampleSize is how many messages of a folder RereadSample takes.
const sampleSize = 20

// VerifyOptions say what to prove. RunOptions' Plan is not needed: what was
// decided stands in the state.
type VerifyOptions struct {
	RunOptions
	Reread Reread
	// Patience is how long BlueMind 4's core may take to follow Cyrus; 60 s.
	Patience time.Duration
}

// Proof is what the servers say now of one account.
type Proof struct {
	Address  string   `json:"address"`
	OK       bool     `json:"ok"`
	Messages int64    `json:"messages"` // on the target, proven by SHA-1
	Bytes    int64    `json:"bytes"`
	Reread   int64    `json:"reread"`  // read back and equal by SHA-256
	Foreign  int64    `json:"foreign"` // on the target, not from us
	Gone     int64    `json:"gone"`    // copied, and deleted on the target since
	Findings []string `json:"findings,omitempty"`
	More     int      `json:"more_findings,omitempty"`
}

// VerifyResult is the proof of a target.
type VerifyResult struct {
	Target      string  `json:"target"`
	Accounts    int     `json:"accounts"`
	OK          int     `json:"ok"`
	Messages    int64   `json:"messages"`
	Bytes       int64   `json:"bytes"`
	Reread      int64   `json:"reread"`
	Failed      []Proof `json:"failed,omitempty"`
	Interrupted bool    `json:"interrupted,omitempty"`
}

// verifyRunning marks an account whose proof is under way, and holds a key.
const verifyRunning = "running"

// maxFindings is how many findings of an account are told in full.
const maxFindings = 20

func (p *Proof) find(format string, args ...any) {
	if len(p.Findings) == maxFindings {
		p.More++
		return
	}
	p.Findings = append(p.Findings, fmt.Sprintf(format, args...))
}

// Verify proves each account anew from what source and target say now: that
// every message the source lists is settled in the ledger, and that every
// message the ledger says is on the target is there, by its SHA-1 in BlueMind's
// core (what Outlook, phones and search see) and on the IMAP side. The result
// is kept in the state, where the gate looks for it.
func Verify(ctx context.Context, o VerifyOptions) (res VerifyResult, err error) {
	o.RunOptions = o.RunOptions.withDefaults()
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	r := &runner{opts: o.RunOptions, log: o.Logger, dead: map[string]bool{}}
	if err := o.known(ctx); err != nil {
		return res, err
	}
	if r.platform, err = openPlatform(ctx, o.Target, o.Logger); err != nil {
		return res, err
	}
	defer r.platform.close(ctx)
	if err := r.platform.certified(ctx); err != nil {
		return res, err
	}
	if err := r.openState(ctx, "", ""); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, r.store.Close()) }()
	if err := r.remember(ctx); err != nil {
		return res, err
	}
	r.seatsOf()
	res, err = r.proofs(ctx, o)
	res.Target = o.Target.Name
	return res, errors.Join(err, r.store.EndRun(context.WithoutCancel(ctx), r.id, 0, fmt.Sprintf("verified %d of %d", res.OK, res.Accounts)))
}

// known makes sure, before a server is called, that there is a state and that it
// has the accounts that are asked for.
func (o *VerifyOptions) known(ctx context.Context) (err error) {
	s, err := openForReading(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	lacking := map[string]bool{}
	for _, address := range o.Only {
		lacking[address] = true
	}
	if len(lacking) == 0 {
		return nil
	}
	for a, err := range s.Accounts(ctx) {
		if err != nil {
			return err
		}
		maps.DeleteFunc(lacking, func(address string, _ bool) bool { return o.Target.goesBy(a.Address, address) })
	}
	for _, address := range slices.Sorted(maps.Keys(lacking)) {
		return &UnknownError{s.Path(), "account " + address}
	}
	return nil
}

func (r *runner) proofs(ctx context.Context, o VerifyOptions) (res VerifyResult, err error) {
	var rows []state.Account
	for a, err := range r.store.Accounts(ctx) {
		if err != nil {
			return res, err
		}
		if len(o.Only) == 0 || slices.ContainsFunc(o.Only, func(address string) bool { return o.Target.goesBy(a.Address, address) }) {
			rows = append(rows, a)
		}
	}
	res.Accounts = len(rows)
	var mu sync.Mutex
	var fatal error
	var g errgroup.Group
	g.SetLimit(o.Limits.Accounts)
	for _, row := range rows {
		if r.stopped() || ctx.Err() != nil {
			res.Interrupted = true
			break
		}
		g.Go(func() error {
			p, err := r.prove(ctx, row, o)
			mu.Lock()
			defer mu.Unlock()
			fatal = errors.Join(fatal, err)
			res.add(p)
			return nil
		})
	}
	g.Wait()
	res.Interrupted = res.Interrupted || ctx.Err() != nil
	return res, fatal
}

func (r *VerifyResult) add(p Proof) {
	r.Messages += p.Messages
	r.Bytes += p.Bytes
	r.Reread += p.Reread
	if p.OK {
		r.OK++
	} else {
		r.Failed = append(r.Failed, p)
	}
}

// prove proves one account and keeps the result.
func (r *runner) prove(ctx context.Context, row state.Account, o VerifyOptions) (Proof, error) {
	v := &prover{run: r, row: row, opts: o, proof: Proof{Address: row.Address}}
	if row.State != AccountComplete {
		v.proof.find("the account is %s: %s", row.State, cmp.Or(row.Reason, "not run to its end"))
	}
	if err := v.sides(ctx); err != nil {
		verdict := judge(err)
		if verdict.scope == interrupted {
			return v.proof, r.store.UpdateAccount(context.WithoutCancel(ctx), row) // as it was
		}
		told := verdict.reason
		if b, ok := errors.AsType[*BlockedError](err); ok && b.Mend != "" {
			told += " (" + b.Mend + ")"
		}
		v.proof.find("%s", told)
	}
	p := &v.proof
	p.OK = len(p.Findings) == 0
	r.event(Event{Kind: EventVerified, Account: row.Address, Text: map[bool]string{true: "ok", false: "findings"}[p.OK], Messages: int(p.Messages), Bytes: p.Bytes})
	row.VerifiedAt, row.VerifiedPolicy, row.VerifiedResult = o.Now(), row.PolicyDigest, map[bool]string{true: "ok", false: "findings"}[p.OK]
	kept := context.WithoutCancel(ctx)
	return *p, errors.Join(
		r.store.RecordVerification(kept, state.Verification{Account: row.ID, PolicyDigest: row.PolicyDigest, AccountDigest: row.AccountDigest,
			At: o.Now(), OK: p.OK, Messages: p.Messages, Bytes: p.Bytes, Findings: p.Findings}),
		r.store.UpdateAccount(kept, row))
}

// prover looks at both sides of one account.
type prover struct {
	run   *runner
	row   state.Account
	opts  VerifyOptions
	proof Proof
	box   box

	rows    []state.Folder
	targets map[string]targetCount // by target folder
}

// targetCount is how many messages BlueMind's core knows in a folder, and how
// many of them the ledger accounts for.
type targetCount struct {
	held, ours int
	claimed    map[uint32]bool // UIDs, where several source folders go there
}

func (v *prover) sides(ctx context.Context) error {
	if v.row.EntryUID == "" {
		return blocked("run first", "%s was never provisioned", v.row.Address)
	}
	folders, err := v.run.store.Folders(ctx, v.row.ID)
	if err != nil {
		return err
	}
	release, err := v.run.seats(ctx, v.row.Source)
	if err != nil {
		return err
	}
	defer release()
	if err := v.source(ctx, folders); err != nil {
		return err
	}
	return v.target(ctx, folders)
}

// source compares what the source lists now with the ledger.
func (v *prover) source(ctx context.Context, folders []state.Folder) error {
	src, err := dialSource(ctx, v.opts.Sources[v.row.Source], v.row.SourceLogin, v.run.log)
	if err != nil {
		return err
	}
	defer src.Close()
	tree, err := listTree(ctx, src, v.row.SourceFolder)
	if err != nil {
		return err
	}
	list, known := tree.Folders, map[string]bool{}
	for _, f := range folders {
		known[f.Source] = true
		i := slices.IndexFunc(list, func(m SourceFolder) bool { return m.Name == f.Source })
		if i < 0 {
			continue // gone from the source; its messages are on the target, or not, as the ledger says
		}
		if f.Rule == RuleNoSelect && !noSelect(list[i].Attrs) {
			v.proof.find("source folder %q held no messages when it was left out, and may now: run again", f.Source)
		}
		if f.Rule != "" {
			continue
		}
		if f.Part != "" && f.Part != partUndated {
			continue // its source folder is looked at once, with all its parts
		}
		parts := []state.Folder{f}
		for _, other := range folders {
			if f.Part != "" && other.Source == f.Source && other.Part != f.Part && other.Part != "" && other.Rule == "" {
				parts = append(parts, other)
			}
		}
		if err := v.sourceFolder(ctx, src, parts); err != nil {
			return fmt.Errorf("source folder %q: %w", f.Source, err)
		}
	}
	for _, m := range list {
		if !known[m.Name] && !noSelect(m.Attrs) && !tree.foreign(m) {
			v.proof.find("folder %q is new at the source: run again", m.Name)
		}
	}
	return nil
}

// sourceFolder compares what a source folder lists with the ledger's rows: of the
// whole folder, or of all its parts.
func (v *prover) sourceFolder(ctx context.Context, src *imap.Source, parts []state.Folder) error {
	f := parts[0]
	st, err := src.Examine(ctx, f.Source)
	if err != nil {
		return err
	}
	for _, f := range parts {
		if st.UIDValidity != f.SrcUIDValidity {
			v.proof.find("source folder %q: UIDVALIDITY was %d and is %d: run again", f.Source, f.SrcUIDValidity, st.UIDValidity)
			return nil
		}
	}
	seen := sourceSeen{}
	err = src.Pages(ctx, f.Source, st, func(first, last uint32, listed []imap.Message) error {
		fates, err := v.fates(ctx, parts, first, last, listed)
		if err == nil {
			seen.add(listed, fates)
		}
		return err
	})
	if err != nil {
		return err
	}
	if seen.twice > 0 {
		v.proof.find("source folder %q: %d messages are in the folders of two years", f.Source, seen.twice)
	}
	if seen.listed < st.Messages {
		v.proof.find("source folder %q says that it holds %d messages, and lists %d", f.Source, st.Messages, seen.listed)
	}
	if seen.others > 0 {
		v.proof.find("source folder %q: under %d UIDs that were copied stand other messages: the source went back in time", f.Source, seen.others)
	}
	if seen.unknown+seen.pending > 0 {
		v.proof.find("source folder %q: %d messages are new or not settled: run again", f.Source, seen.unknown+seen.pending)
	}
	return nil
}

// fateBySource is what the ledger says of a source message.
type fateBySource struct {
	known imap.Known
	fate  imap.Fate
	row   bool // the ledger has it
	twice bool // parts of a split folder both have it
}

// fates are the ledger's rows for what a source folder lists from UID first to
// last, of all its parts. Where there are several, what it doesn't list is among
// them: parts may have the same message.
func (v *prover) fates(ctx context.Context, parts []state.Folder, first, last uint32, listed []imap.Message) (map[uint32]fateBySource, error) {
	fates := make(map[uint32]fateBySource, len(listed))
	for _, m := range listed {
		fates[m.UID] = fateBySource{}
	}
	for _, part := range parts {
		for m, err := range v.run.store.MessagesBetween(ctx, part.ID, part.SrcUIDValidity, first, last) {
			if err != nil {
				return nil, err
			}
			had, listed := fates[m.SrcUID]
			if !listed && len(parts) == 1 {
				continue
			}
			f := fateBySource{known: imap.Known{Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText}, fate: fateOf[m.State], row: true}
			f.twice = had.twice || had.fate.OnTarget() && f.fate.OnTarget()
			if !had.row || f.fate != imap.Vanished {
				fates[m.SrcUID] = f
			}
		}
	}
	return fates, nil
}

// sourceSeen counts what a source lists against the ledger.
type sourceSeen struct {
	listed                          uint32
	unknown, pending, others, twice int
}

func (s *sourceSeen) add(listed []imap.Message, fates map[uint32]fateBySource) {
	for _, f := range fates {
		if f.twice {
			s.twice++
		}
	}
	for _, m := range listed {
		s.listed++
		f := fates[m.UID]
		switch {
		case !f.row:
			s.unknown++
		case f.fate == imap.Pending, f.fate == imap.Vanished:
			s.pending++
		case f.fate.OnTarget() && f.known.Differs(m):
			s.others++
		}
	}
}
