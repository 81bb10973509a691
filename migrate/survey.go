package migrate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"bmsync/imap"
)

// sighting is what a look at an account has shown beside its folders.
type sighting struct {
	acl    *sourceACL // nil: the source has no access lists, or they weren't asked for
	root   string     // a subtree that belongs to others, by its name at the source
	public []string   // mailboxes of everybody that the login sees, by their first level
}

// surveyAccount looks at one account, read-only: its folders, each folder's
// messages by their sizes and flags, its quota and access lists.
func surveyAccount(ctx context.Context, s Source, a *PlanAccount, p Policy, now time.Time, log *slog.Logger) (sighting, error) {
	a.Survey.At = now.UTC().Truncate(time.Second)
	src, err := dialSource(ctx, s, a.SourceLogin, log)
	if err != nil {
		return sighting{}, err
	}
	defer src.Close()
	tree, mapped, err := mappedTree(ctx, src, a, p)
	if err != nil {
		return sighting{}, err
	}
	a.Survey.Server, a.Survey.ServerID = productOf(src)
	if err := surveyFolders(ctx, src, a, p, tree, mapped); err != nil {
		return sighting{}, err
	}
	seen := sighting{root: tree.othersRoot(), public: tree.publicRoots()}
	if p.Shares.Rights == RightsSource {
		if seen.acl, err = surveyACL(ctx, src, mapped); err != nil {
			return sighting{}, err
		}
	}
	if a.SourceFolder != "" {
		return seen, nil
	}
	// Last, for Dovecot's imap process dies of the question where a maildir
	// holds a folder with a name that it can't have.
	a.Survey.Quota, err = surveyQuota(ctx, src)
	if err != nil && p.Users.Quota != QuotaSource && ctx.Err() == nil {
		log.Warn("the source's quota could not be asked for", "account", a.Address, "error", err)
		err = nil
	}
	return seen, err
}

func surveyFolders(ctx context.Context, src *imap.Source, a *PlanAccount, p Policy, tree SourceTree, mapped []Mapped) error {
	kinds := map[string]string{}
	for _, f := range tree.Folders {
		kinds[f.Name] = f.NotMail
	}
	all := tally{deleted: p.Messages.Deleted == Copy}
	for _, m := range mapped {
		f := PlanFolder{Source: m.Source, Target: m.Target, Role: m.Role, Rule: m.Rule, Reason: m.Reason}
		var parts map[string]*FolderSurvey
		if m.Rule != RuleNoSelect && m.Rule != RuleNamespace {
			into := &all
			if m.Rule != "" {
				into = nil
			}
			// One that is left out need not open: views often don't.
			var err error
			if f.Survey, parts, err = surveyFolder(ctx, src, m, into); err != nil && (m.Rule == "" || !refused(err)) {
				return fmt.Errorf("folder %q: %w", m.Source, err)
			}
		}
		switch m.Rule {
		case "":
			a.Survey.Messages += f.Survey.Messages
			a.Survey.Bytes += f.Survey.Bytes
		case RuleNotMail:
			a.Survey.NotMail = append(a.Survey.NotMail, NotMail{m.Source, cmp.Or(kinds[m.Source], NotMailOther), f.Survey.Messages})
		}
		a.Folders = append(a.Folders, f)
		if parts != nil {
			a.Folders = append(a.Folders[:len(a.Folders)-1], splitPlan(f, parts, a, mapped)...)
		}
	}
	all.into(&a.Survey)
	return nil
}

// archivedKeyword marks the stubs that BlueMind 3.5 leaves of messages it has
// archived.
const archivedKeyword = "Bmarchived"

// surveyFolder counts a folder's messages, those of each part too where it is
// split.
func surveyFolder(ctx context.Context, src *imap.Source, folder Mapped, into *tally) (FolderSurvey, map[string]*FolderSurvey, error) {
	var parts map[string]*FolderSurvey
	st, err := src.Examine(ctx, folder.Source)
	if err != nil {
		return FolderSurvey{}, nil, err
	}
	f := FolderSurvey{UIDValidity: st.UIDValidity, UIDNext: st.UIDNext}
	if folder.Split && folder.Rule == "" {
		parts = map[string]*FolderSurvey{partUndated: {UIDValidity: st.UIDValidity, UIDNext: st.UIDNext}}
	}
	if st.Messages == 0 {
		return f, parts, nil
	}
	err = src.Messages(ctx, 1, 0, func(m imap.Message) error {
		size := max(m.Size, 0)
		deleted, archived := hasKeyword(m.Flags, `\Deleted`), hasKeyword(m.Flags, archivedKeyword)
		f.add(size, deleted, archived)
		if parts != nil {
			year := yearOf(m.InternalDate)
			if parts[year] == nil {
				parts[year] = &FolderSurvey{UIDValidity: st.UIDValidity, UIDNext: st.UIDNext}
			}
			parts[year].add(size, deleted, archived)
		}
		if into != nil {
			into.add(folder.Source, m.UID, size, deleted, archived)
		}
		return nil
	})
	return f, parts, err
}

func (f *FolderSurvey) add(size int64, deleted, archived bool) {
	f.Messages++
	f.Bytes += size
	f.Largest = max(f.Largest, size)
	if deleted {
		f.Deleted++
	}
	if archived {
		f.Archived++
	}
}

// splitPlan puts a line for each part in the place of a folder that is split.
func splitPlan(f PlanFolder, parts map[string]*FolderSurvey, a *PlanAccount, mapped []Mapped) []PlanFolder {
	taken := map[string]bool{}
	for _, m := range mapped {
		if m.Rule == "" {
			taken[foldName(m.Target)] = true
		}
	}
	h := homeOf(shareName(a.Kind, a.Address))
	base := f
	base.Part, base.Reason, base.Survey = partUndated, undatedReason, *parts[partUndated]
	lines := []PlanFolder{base}
	for _, year := range partsOf(slices.Collect(maps.Keys(parts))) {
		line := f
		line.Part, line.Reason, line.Survey = year, splitReason, *parts[year]
		line.Target = yearTarget(h, f.Target, year, func(target string) bool { return taken[foldName(target)] })
		taken[foldName(line.Target)] = true
		lines = append(lines, line)
	}
	return lines
}

func hasKeyword(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

// tally counts the messages of an account that are to be copied.
type tally struct {
	deleted  bool // those flagged \Deleted, too
	largest  int64
	above    SizesAbove
	large    []LargeMessage
	archived int64
}

// mostLarge is how many of the largest messages a survey names.
const mostLarge = 10

func (t *tally) add(folder string, uid uint32, size int64, deleted, archived bool) {
	if deleted && !t.deleted {
		return
	}
	t.largest = max(t.largest, size)
	if archived {
		t.archived++
	}
	if size <= SizeLimitDefault {
		return
	}
	for _, step := range t.above.steps() {
		if size > step.limit {
			*step.count++
		}
	}
	at, _ := slices.BinarySearchFunc(t.large, size, func(m LargeMessage, size int64) int { return cmp.Compare(size, m.Size) })
	for at < len(t.large) && t.large[at].Size == size { // of equal ones the first stays first
		at++
	}
	if at < mostLarge {
		t.large = slices.Insert(t.large, at, LargeMessage{folder, uid, size})
		t.large = t.large[:min(len(t.large), mostLarge)]
	}
}

type sizeStep struct {
	limit int64
	count *int64
}

func (s *SizesAbove) steps() []sizeStep {
	return []sizeStep{{SizeLimitDefault, &s.Over10M}, {20_000_000, &s.Over20M}, {50_000_000, &s.Over50M}, {100_000_000, &s.Over100M}}
}

func (t *tally) into(s *Survey) {
	s.Largest, s.Large, s.Archived = t.largest, t.large, t.archived
	if t.above.Over10M > 0 {
		s.Above = &t.above
	}
}

// AboveSize says how many messages are larger than a limit in octets. Between
// two steps of SizesAbove, and with more than ten such messages, the number is
// the most that there can be, and exact is false.
func (s *Survey) AboveSize(limit int64) (n int64, exact bool) {
	if s.Largest <= limit {
		return 0, true
	}
	if s.Above == nil || limit < SizeLimitDefault {
		return s.Messages, false // nothing was counted below
	}
	for i, m := range s.Large {
		if m.Size <= limit {
			return int64(i), true
		}
	}
	if int64(len(s.Large)) == s.Above.Over10M {
		return s.Above.Over10M, true
	}
	for _, step := range s.Above.steps() {
		if step.limit <= limit {
			n, exact = *step.count, step.limit == limit
		}
	}
	return n, exact
}

// surveyQuota asks for the quota of the login's own mailbox.
func surveyQuota(ctx context.Context, src *imap.Source) (*SourceQuota, error) {
	if !src.Can("QUOTA") {
		return nil, nil
	}
	q, ok, err := src.Quota(ctx, "INBOX")
	if err != nil && !refused(err) {
		return nil, fmt.Errorf("quota: %w", err)
	}
	if err != nil || !ok || q.Limit == 0 {
		return nil, nil
	}
	return &SourceQuota{LimitKiB: q.Limit, UsedKiB: q.Used}, nil
}

// quotaFrom is the quota in KiB for a mailbox whose source has one: the
// source's, and where what is to be copied fills it, so much that it is copied
// and a tenth stays free, in steps of 256 MiB, so that it isn't another one
// with each plan. most is what the domain allows; 0: anything.
func quotaFrom(s *Survey, most int64) int64 {
	if s.Quota == nil {
		return 0
	}
	const step = 256 << 10
	kib := s.Quota.LimitKiB
	if need := (s.Bytes + s.Bytes/10) >> 10; need > kib {
		kib = (need/step + 1) * step
	}
	if most > 0 {
		kib = min(kib, most)
	}
	return kib
}
