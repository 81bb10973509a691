package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// finish is the last part of a final run: of each account that is complete it
// takes the writer's rights back, sets those of the plan, subscribes who got
// them, and marks the account live. Of the others it sets none, and tells.
func (r *runner) finish(ctx context.Context) error {
	ctx, end := r.untilStopped(ctx)
	defer end()
	f := &finisher{r: r, look: r.newProvisioner(true)}
	f.look.layout = r.provision.layout
	if err := f.each(ctx, f.survey); err != nil || r.stopped() || ctx.Err() != nil {
		return err
	}
	f.warn()
	return f.each(ctx, f.set)
}

// surveyFinal says what a final run would set, for a dry one.
func (r *runner) surveyFinal(ctx context.Context) error {
	f := &finisher{r: r, look: r.provision}
	err := f.each(ctx, f.survey)
	f.warn()
	for _, o := range f.would {
		r.provision.log.add(o)
	}
	return err
}

// warn says, before anything is set, how many mails that means. BlueMind 4
// sends none.
func (f *finisher) warn() {
	n := len(f.told)
	if n == 0 || f.r.platform.version.Major < 5 {
		return
	}
	f.r.provision.log.mailed(n)
	if f.r.provision.maker.Dry {
		return
	}
	f.r.event(Event{Kind: EventRights, Messages: n,
		Text: fmt.Sprintf("BlueMind sends a mail to each who gets a first right on a mailbox: %d mails", n)})
}

// finisher sets rights account by account.
type finisher struct {
	r    *runner
	look *provisioner // dry

	mu    sync.Mutex
	told  map[string]bool   // mailbox and grantee, who gets his first right on it
	would []objects.Outcome // dry run
}

// each goes through the accounts that were asked for, side by side.
func (f *finisher) each(ctx context.Context, do func(context.Context, *PlanAccount, state.Account) error) error {
	b := f.r.batch()
	for a, err := range f.r.opts.Plan.Accounts() {
		if err != nil {
			return errors.Join(err, b.wait())
		}
		if !f.r.opts.asksFor(a) || f.r.isClosed(a) {
			continue
		}
		if b.over(ctx) {
			break
		}
		b.do(objects.KindRight, a.Address, func() error {
			row, err := f.r.provision.row(ctx, a)
			if err != nil {
				return err
			}
			return do(ctx, a, row)
		})
	}
	return b.wait()
}

// rightsOf are the rights of an account that can be set.
func (f *finisher) rightsOf(a *PlanAccount) []objects.Right {
	var out []objects.Right
	for _, right := range a.Rights {
		if !right.Unresolved && len(right.Verbs) > 0 {
			out = append(out, objects.Right{Grantee: f.look.want.ref(right.Grantee), Verbs: right.Verbs})
		}
	}
	return out
}

// box finds the mailbox that rights are about.
func (f *finisher) box(ctx context.Context, v *provisioner, a *PlanAccount) (*objects.Entry, error) {
	_, name, _ := strings.Cut(a.Address, "@")
	d, err := v.domain(ctx, name)
	if err != nil || d == nil {
		return nil, err
	}
	e, err := v.maker.Find(ctx, d, objects.Ref{Kind: a.Kind, Name: v.want.target.Address(a.Address)})
	if err != nil {
		return nil, fmt.Errorf("look for the mailbox of %s: %w", a.Address, err)
	}
	return e, nil
}

// early says why it is too early for the rights of an account; "" if it isn't.
func (f *finisher) early(a *PlanAccount, row state.Account) (reason, mend string) {
	switch {
	case row.State != AccountComplete:
		return "the account is not complete", "bring it to an end, then: bmsync run --final --only " + a.Address
	case row.Phase != PhaseLive && !f.r.asksFor(a): // complete as of an earlier run, and --failed left it out
		return "this run didn't look for new mail of the account", "bmsync run --final --only " + a.Address
	}
	return "", ""
}

// survey counts who gets a mail, and lists what isn't set.
func (f *finisher) survey(ctx context.Context, a *PlanAccount, row state.Account) error {
	reason, mend := f.early(a, row)
	for _, right := range a.Rights {
		left := RightNotSet{Mailbox: a.Address, Grantee: refText(right.Grantee), Verbs: right.Verbs, From: right.From, Reason: reason, Mend: mend}
		switch {
		case right.Unresolved:
			left.Reason, left.Mend, left.Decide = right.Reason, decideRight(right), true
		case reason == "":
			continue
		}
		f.r.provision.log.notSet(left)
	}
	rights := f.rightsOf(a)
	if reason != "" || len(rights) == 0 && a.Kind != KindShare {
		return nil
	}
	e, err := f.box(ctx, f.look, a)
	if err != nil || e == nil {
		return err
	}
	return f.surveyBox(ctx, e, a, row, rights)
}

// decideRight says how a right is decided that no run can set.
func decideRight(r PlanRight) string {
	who, meant := refText(r.Grantee), ""
	if r.Grantee.Kind == "" {
		who, meant = "source:"+who, "who is meant and "
	}
	return fmt.Sprintf("decide it: say in rights.csv %swhat he may do, or write there %s;%s;none if nothing, then: bmsync plan", meant, r.Mailbox, who)
}

func refText(r PlanRef) string {
	if r.Kind == RefGroup {
		return "group:" + r.Name
	}
	return r.Name
}

// set brings the rights of one account to what the plan wants.
func (f *finisher) set(ctx context.Context, a *PlanAccount, row state.Account) error {
	if reason, _ := f.early(a, row); reason != "" {
		return nil
	}
	v := f.r.provision
	e, err := f.box(ctx, v, a)
	if err != nil {
		return err
	}
	rights := f.rightsOf(a)
	viewers, err := f.viewers(ctx, e, rights)
	if err != nil {
		return err
	}
	if a.Kind == KindShare {
		if err := f.takeBack(ctx, e, a, row, rights, viewers); err != nil {
			return err
		}
	}
	if len(rights) > 0 {
		outcomes, err := v.maker.Grant(ctx, e, rights)
		if err != nil {
			return fmt.Errorf("rights on %s: %w", a.Address, err)
		}
		if err := v.outcome(ctx, outcomes...); err != nil {
			return err
		}
		if err := f.subscribe(ctx, e, viewers); err != nil {
			return err
		}
	}
	if row.Phase == PhaseLive {
		return nil
	}
	row.Phase = PhaseLive
	return f.r.store.UpdateAccount(ctx, row)
}

// takeBack withdraws what a share's writers were given to fill it, as far as the
// plan doesn't give it to them.
func (f *finisher) takeBack(ctx context.Context, box *objects.Entry, a *PlanAccount, row state.Account, rights []objects.Right, viewers []*objects.Entry) error {
	list, err := f.surplus(ctx, box, a, row, rights, viewers)
	if err != nil {
		return err
	}
	return f.withdraw(ctx, list)
}

// surplus are the records of what is to be taken back from a share's writers. A
// user whom the row names as its writer goes on writing, unless the plan's
// rights have another word for him.
func (f *finisher) surplus(ctx context.Context, box *objects.Entry, a *PlanAccount, row state.Account, rights []objects.Right, viewers []*objects.Entry) ([]objects.Made, error) {
	fillers, err := f.fillers(ctx, box, a, row)
	if err != nil {
		return nil, err
	}
	writes := map[string]bool{}
	for _, r := range rights {
		if r.Grantee.Kind != objects.RefUser || !slices.Contains(r.Verbs, bmapi.VerbWrite) && !slices.Contains(r.Verbs, bmapi.VerbAll) {
			continue
		}
		e, err := f.r.provision.maker.Find(ctx, box.Domain, r.Grantee)
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
			return nil, fmt.Errorf("find out who %s is, for %s: %w", r.Grantee.Name, box.Address, err)
		}
		if err == nil {
			writes[e.UID] = true
		}
	}
	named, err := f.namedWriter(ctx, a)
	if err != nil {
		return nil, err
	}
	var out []objects.Made
	for _, uid := range fillers {
		reads := slices.ContainsFunc(viewers, func(u *objects.Entry) bool { return u.UID == uid })
		stays := uid == named && !reads
		for kind, keep := range map[objects.Kind]bool{objects.KindRight: writes[uid] || stays, objects.KindSubscription: reads || stays} {
			if keep {
				continue
			}
			list, err := f.recorded(ctx, kind, box, uid)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// fillers are the uids of those who were let write to a share to fill it: the
// plan's writer, and those of earlier plans.
func (f *finisher) fillers(ctx context.Context, box *objects.Entry, a *PlanAccount, row state.Account) ([]string, error) {
	var uids []string
	for _, address := range []string{f.r.provision.want.target.Address(a.Writer), row.Writer} {
		if address == "" {
			continue
		}
		uid, err := f.writerUID(ctx, address)
		if err != nil {
			return nil, err
		}
		if uid != "" {
			uids = append(uids, uid)
		}
	}
	for o, err := range f.r.store.ObjectsOf(ctx, string(objects.KindRight), box.Domain.UID, box.UID) {
		if err != nil {
			return nil, err
		}
		if m := madeOf(o); m.Fills() {
			uids = append(uids, m.Subject())
		}
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// writerUID finds a writer; "" if he is gone, and his rights with him.
func (f *finisher) writerUID(ctx context.Context, address string) (string, error) {
	v := f.r.provision
	_, name, _ := strings.Cut(address, "@")
	d, err := v.p.admin.LookupDomain(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look for domain %s: %w", name, err)
	}
	writer, err := v.maker.Find(ctx, d, objects.Ref{Kind: objects.RefUser, Name: address})
	if errors.Is(err, bmapi.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the writer %s: %w", address, err)
	}
	return writer.UID, nil
}

// namedWriter is the uid of the user whom a share's row names as its writer, ""
// where a technical one fills it.
func (f *finisher) namedWriter(ctx context.Context, a *PlanAccount) (string, error) {
	if a.Writer == "" || slices.Contains(f.r.opts.Plan.Header.Policy.Shares.Writers, a.Writer) {
		return "", nil
	}
	return f.writerUID(ctx, f.r.provision.want.target.Address(a.Writer))
}

// seesBox says whether verbs let somebody read a mailbox, so that it has to
// appear to him.
func seesBox(verbs []string) bool {
	return slices.ContainsFunc(verbs, func(v string) bool {
		return v == bmapi.VerbRead || v == bmapi.VerbWrite || v == bmapi.VerbManage || v == bmapi.VerbAll
	})
}

// recorded is what runs recorded for one subject on a mailbox: of rights, those
// by which he may write.
func (f *finisher) recorded(ctx context.Context, kind objects.Kind, box *objects.Entry, subject string) ([]objects.Made, error) {
	var list []objects.Made
	for o, err := range f.r.store.ObjectsOf(ctx, string(kind), box.Domain.UID, box.UID) {
		if err != nil {
			return nil, err
		}
		m := madeOf(o)
		if m.Subject() == subject && (kind != objects.KindRight || slices.Contains(m.Gave(), bmapi.VerbWrite)) {
			list = append(list, m)
		}
	}
	return list, nil
}

// withdraw takes back what runs recorded.
func (f *finisher) withdraw(ctx context.Context, list []objects.Made) error {
	for _, m := range list {
		outcome, err := f.r.provision.maker.Withdraw(ctx, m, nil)
		if err != nil {
			return fmt.Errorf("withdraw %s %s: %w", m.Kind, m.Name, err)
		}
		if err := f.r.provision.outcome(ctx, outcome); err != nil {
			return err
		}
		if outcome.Action != objects.Withdrawn {
			continue
		}
		if err := f.r.store.WithdrawObject(context.WithoutCancel(ctx), objectOf(m, f.r.id)); err != nil {
			return err
		}
	}
	return nil
}

// viewers are the users whom the plan lets read a mailbox, by themselves or by a
// group.
func (f *finisher) viewers(ctx context.Context, box *objects.Entry, rights []objects.Right) ([]*objects.Entry, error) {
	var out []*objects.Entry
	seen := map[string]bool{box.UID: true} // it is his own
	for _, r := range rights {
		if !seesBox(r.Verbs) {
			continue
		}
		users, err := f.grantees(ctx, box.Domain, r.Grantee)
		if err != nil {
			return nil, fmt.Errorf("find out who %s is, for %s: %w", r.Grantee.Name, box.Address, err)
		}
		for _, user := range users {
			if !seen[user.UID] {
				seen[user.UID] = true
				out = append(out, user)
			}
		}
	}
	return out, nil
}

// subscribe makes a mailbox appear to those who may read it; BlueMind does so
// for nobody, and for members of groups least of all.
func (f *finisher) subscribe(ctx context.Context, box *objects.Entry, viewers []*objects.Entry) error {
	v := f.r.provision
	if !v.want.plan.Header.Policy.Shares.Subscribe {
		return nil
	}
	for _, user := range viewers {
		outcome, err := v.maker.Subscribe(ctx, user, box)
		if err != nil {
			return fmt.Errorf("subscribe %s to %s: %w", user.Address, box.Address, err)
		}
		if err := v.outcome(ctx, outcome); err != nil {
			return err
		}
	}
	return nil
}

// grantees are the users behind a grantee; none where there is no such one,
// which was told with the right.
func (f *finisher) grantees(ctx context.Context, d *bmapi.Domain, ref objects.Ref) ([]*objects.Entry, error) {
	v := f.r.provision
	e, err := v.maker.Find(ctx, d, ref)
	if errors.Is(err, bmapi.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch e.Kind {
	case objects.KindUser:
		return []*objects.Entry{e}, nil
	case objects.KindGroup:
	default:
		return nil, nil // nobody logs in as it
	}
	members, err := v.p.admin.ExpandedMembers(ctx, d.UID, e.UID)
	if err != nil {
		return nil, err
	}
	var out []*objects.Entry
	for _, m := range members {
		if m.Type != "user" {
			continue
		}
		p, err := v.p.admin.Entry(ctx, d.UID, m.UID)
		if errors.Is(err, bmapi.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, &objects.Entry{Domain: d, Kind: objects.KindUser, UID: m.UID, Name: p.Email, Address: p.Email, Existing: true})
	}
	return out, nil
}
