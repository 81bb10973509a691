package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// entry is what the API has shown of an account's place on the target.
type entry struct {
	Domain  *bmapi.Domain
	UID     string
	Login   string
	Address string // any address of the user: what IMAP is entered with
	Created bool   // in this run
	Ours    bool   // by this run or an earlier one
	Would   string // dry run: what would be done, "" for nothing
	Version int
	Limit   int64 // largest message, octets; 0: not known
	Quota   int64 // KiB; 0: none

	Share  bool   // a shared mailbox: nobody logs in as it
	Writer *entry // of a share: the user whose key fills it, with Write on it; nil in a dry run that would create him
	Label  string // of a share: what address books show
}

// provisioner makes sure of objects before mail, each once a run: the bulk
// pass asks for all of them, each account for its own. It is safe for
// concurrent use.
type provisioner struct {
	p     *platform
	want  wanted
	maker *objects.Maker
	store *state.Store    // nil: a dry run that knows of no earlier one
	anew  map[string]bool // accounts that are given up and begun anew, by address in the plan
	sleep func(context.Context, time.Duration) error
	now   func() time.Time
	tell  func(context.Context, objects.Outcome) (news bool, err error) // an error is the state's

	log     objectLog
	domains sync.Map // name → *domainOnce
	made    sync.Map // account's key → made
	writers sync.Map // address → *writerOnce
	barred  sync.Map // key of a group that stands against the plan → true
	let     sync.Map // uid of a share → true: its writer was told of
	layout  *layout
}

// newProvisioner serves a run, or a dry one.
func (r *runner) newProvisioner(dry bool) *provisioner {
	o := r.opts
	v := &provisioner{p: r.platform, store: r.store, anew: r.recopy, sleep: r.pause, now: o.Now, tell: r.tellObject,
		want: wanted{target: o.Target, plan: o.Plan, password: o.NewPassword}}
	v.maker = &objects.Maker{Admin: r.platform.admin, Version: r.platform.version, Dry: dry, Update: o.Plan.Header.Policy.Users.Update,
		Log: r.log, RowOf: v.rowOf, Refuse: refuseBox}
	if !dry {
		v.maker.Journal = journal{r.store, r.id}
	}
	return v
}

// rowOf gives the address of the plan's row that an address is wanted for.
func (v *provisioner) rowOf(address string) string {
	if v.layout == nil {
		return ""
	}
	return v.layout.rows[address]
}

// made is what became of an account's object in this run.
type made struct {
	created bool
	would   string // dry run
	halt    error  // a person must decide

	seen *objects.Entry // as the API showed it; nil in a dry run
	at   time.Time      // when
}

// seenFor is how long what the API has shown of an entry needs no second look
// before mail goes to it. The user's key is another one: BlueMind makes none for
// who is gone, and takes none of who may not log in.
const seenFor = 5 * time.Minute

type domainOnce struct {
	mu     sync.Mutex
	asked  bool
	domain *bmapi.Domain
	err    error
}

// domain finds the domain of an address, or makes it where the plan says so. A
// domain that the plan knows by several names is one. A dry run gives nil for
// one that it would make.
func (v *provisioner) domain(ctx context.Context, name string) (*bmapi.Domain, error) {
	want := v.want.planned(name)
	slot, _ := v.domains.LoadOrStore(want.Name, &domainOnce{})
	once := slot.(*domainOnce)
	once.mu.Lock()
	defer once.mu.Unlock()
	if once.asked {
		return once.domain, once.err
	}
	d, err := v.makeDomain(ctx, v.want.domain(want))
	if once.asked = err == nil || judge(err).scope == accountHalt; once.asked {
		once.domain, once.err = d, err
	}
	return d, err
}

func (v *provisioner) makeDomain(ctx context.Context, want objects.Domain) (*bmapi.Domain, error) {
	if err := refuseAdministrators("@" + want.Name); err != nil {
		return nil, err
	}
	d, outcome, err := v.maker.Domain(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("domain %s: %w", want.Name, err)
	}
	if d != nil {
		if err := refuseAdministrators("@" + d.UID); err != nil {
			return nil, err
		}
	}
	if err := v.outcome(ctx, outcome); err != nil {
		return nil, err
	}
	if outcome.Action == objects.Conflict && d == nil {
		return nil, &conflictError{outcome}
	}
	return d, nil
}

// outcome counts and tells what became of objects.
func (v *provisioner) outcome(ctx context.Context, outcomes ...objects.Outcome) error {
	for _, o := range outcomes {
		v.log.add(o)
		if _, err := v.tell(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// outcomeOf counts and tells what became of an account's entry. Where there
// is one, what stands against the plan keeps no mail out: it counts until it
// was told, and not at all if the policy leaves entries as they are.
func (v *provisioner) outcomeOf(ctx context.Context, e *objects.Entry, o objects.Outcome) error {
	v.log.add(o)
	news, err := v.tell(ctx, o)
	if e != nil && o.Action == objects.Conflict {
		v.log.differs(news && v.maker.Update)
	}
	return err
}

// conflictError blocks what can't do without an object. Its outcome has been
// told.
type conflictError struct {
	outcome objects.Outcome
}

func (e *conflictError) Error() string { return e.outcome.Reason }

// Unwrap is what the account is blocked by.
func (e *conflictError) Unwrap() error {
	return &BlockedError{Reason: e.outcome.Reason, Mend: e.outcome.Mend}
}

// account makes sure of an account's entry, once a run.
func (v *provisioner) account(ctx context.Context, a *PlanAccount) (made, error) {
	if m, ok := v.made.Load(a.Key()); ok {
		return m.(made), m.(made).halt
	}
	m, err := v.makeAccount(ctx, a)
	if err != nil && judge(err).scope != accountHalt {
		return m, err // to be asked again
	}
	m.halt = err
	v.made.Store(a.Key(), m)
	return m, err
}

func (v *provisioner) makeAccount(ctx context.Context, a *PlanAccount) (made, error) {
	address := v.want.target.Address(a.Address)
	if err := refuseAdministrators(a.Address, address, a.Login); err != nil {
		return made{}, err
	}
	_, name, _ := strings.Cut(a.Address, "@")
	d, err := v.domain(ctx, name)
	if err != nil {
		return made{}, err
	}
	row, err := v.row(ctx, a)
	if err != nil {
		return made{}, err
	}
	if a.Kind == KindShare {
		return v.makeShare(ctx, d, a, row)
	}
	return v.makeUser(ctx, d, v.want.user(d, a), row)
}

// refuseBox refuses the mailbox of one of BlueMind's administrators.
func refuseBox(d *bmapi.Domain, box *bmapi.Mailbox) error {
	return refuseAdministrators(box.Name, box.Name+"@"+d.UID)
}

// administrator refuses an address behind which BlueMind has one of its own
// administrators.
func (v *provisioner) administrator(ctx context.Context, d *bmapi.Domain, address string) error {
	if d == nil {
		return nil
	}
	box, err := v.p.admin.MailboxByEmail(ctx, d.UID, address)
	if errors.Is(err, bmapi.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the mailbox of %s: %w", address, err)
	}
	return refuseBox(d, box)
}

// row is what earlier runs know of an account; a zero one is nothing.
func (v *provisioner) row(ctx context.Context, a *PlanAccount) (state.Account, error) {
	if v.store == nil || v.anew[a.Address] {
		return state.Account{}, nil
	}
	row, err := v.store.FindAccount(ctx, v.want.account(a))
	if errors.Is(err, state.ErrNotFound) {
		err = nil
	}
	return row, err
}

// makeUser makes sure of a user. One whose mailbox an earlier run filled isn't
// made again: his mail went with him.
func (v *provisioner) makeUser(ctx context.Context, d *bmapi.Domain, want objects.User, row state.Account) (made, error) {
	filled := row.EntryUID != ""
	want.Create = want.Create && !filled
	e, outcome, err := v.maker.User(ctx, d, want)
	if err != nil {
		return made{}, fmt.Errorf("user %s: %w", want.Address, err)
	}
	if err := v.outcomeOf(ctx, e, outcome); err != nil {
		return made{}, err
	}
	if outcome.Action == objects.Conflict && e == nil {
		if filled {
			err = v.missing(ctx, d, objects.Ref{Kind: objects.RefUser, Name: want.Address}, "the user")
		}
		if err == nil {
			err = &conflictError{outcome}
		}
		return made{}, err
	}
	return v.became(e, outcome, "user "+want.Address), nil
}

// missing says that an entry which an earlier run filled is not there.
func (v *provisioner) missing(ctx context.Context, d *bmapi.Domain, ref objects.Ref, what string) error {
	if _, err := v.maker.Find(ctx, d, ref); !errors.Is(err, bmapi.ErrNotFound) {
		return err
	}
	return &imap.WentBackError{Side: "target", Mailbox: "INBOX", What: what + " was missing, though an earlier run had filled the mailbox"}
}

func (v *provisioner) became(e *objects.Entry, o objects.Outcome, what string) made {
	m := made{created: o.Action == objects.Created}
	if !v.maker.Dry {
		m.seen, m.at = e, v.now()
		return m
	}
	switch o.Action {
	case objects.Created:
		m.would = "create " + what
	case objects.Changed:
		m.would = "change " + changesText(o.Changes) + " of " + what
	}
	return m
}

// changesText names the fields that change.
func changesText(changes []objects.Change) string {
	var fields []string
	for _, c := range changes {
		fields = append(fields, c.Field)
	}
	return strings.Join(fields, ", ")
}

// ensure makes sure of an account's entry, unless the bulk pass did, and then
// looks: at the entry, its mailbox, routing and default folders, as the laws
// want it before any mail. A dry run says what it would do.
func (v *provisioner) ensure(ctx context.Context, a *PlanAccount, dry bool) (*entry, error) {
	e, found, err := v.lookAt(ctx, a)
	if err != nil || dry && e.Created {
		return e, err
	}
	if e.Share {
		if e.Writer, err = v.writerOf(ctx, e, found, a.Writer); err != nil {
			return nil, err
		}
	}
	if !dry {
		if e.Ours, err = v.ours(ctx, objectKind(a), e.Domain.UID, e.UID); err != nil {
			return nil, err
		}
	}
	var limits error
	var asking sync.WaitGroup
	asking.Go(func() { limits = v.limits(ctx, e) })
	if !dry {
		err = v.folders(ctx, e)
	}
	asking.Wait()
	if err == nil {
		err = limits
	}
	return e, err
}

// look makes sure of an account's entry, and looks at it, without giving
// anybody the right to fill it.
func (v *provisioner) look(ctx context.Context, a *PlanAccount) (*entry, error) {
	e, _, err := v.lookAt(ctx, a)
	return e, err
}

func (v *provisioner) lookAt(ctx context.Context, a *PlanAccount) (*entry, *objects.Entry, error) {
	m, err := v.account(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	v.log.mended(objectKind(a), a.Address)
	address := v.want.target.Address(a.Address)
	e := &entry{Address: address, Login: a.Login, Version: v.p.version.Major, Created: m.created, Would: m.would,
		Share: a.Kind == KindShare, Label: a.Label}
	_, name, _ := strings.Cut(a.Address, "@")
	if e.Domain, err = v.domain(ctx, name); err != nil || v.maker.Dry && m.created {
		if e.Domain == nil {
			e.Would = "create domain " + v.want.target.domain(v.want.planned(name).Name) + ", " + e.Would
		}
		return e, nil, err
	}
	found := m.seen
	if found == nil || v.now().Sub(m.at) > seenFor {
		if found, err = v.maker.Find(ctx, e.Domain, objects.Ref{Kind: a.Kind, Name: address}); err != nil {
			return nil, nil, fmt.Errorf("look for the mailbox of %s: %w", address, err)
		}
	}
	return e, found, v.prove(ctx, e, found)
}

func objectKind(a *PlanAccount) objects.Kind {
	if a.Kind == KindShare {
		return objects.KindShare
	}
	return objects.KindUser
}
