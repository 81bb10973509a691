package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Members makes sure that a group holds its members, users and groups of its own
// domain and external users. Nobody is taken out. All who lack go in one call;
// who can't be a member is a conflict of his own.
//
// PUT /groups/{domainUid}/{uid}/members
func (m *Maker) Members(ctx context.Context, d *bmapi.Domain, want Group) ([]Outcome, error) {
	w := want.tidy()
	r := m.groupRealm(d, w)
	group, bad, err := m.memberGroup(ctx, r, w)
	if err != nil {
		return nil, err
	}
	j := &joining{m: m, r: r, group: group, name: w.Name, uid: bmapi.GroupUID(r.uid, w.Name)}
	if group != nil {
		j.uid = group.UID
	}
	if bad != nil {
		for _, ref := range w.Members {
			j.conflict(ref, bad)
		}
		return j.outcomes, nil
	}
	defer m.memory.locks.lock("members " + j.uid)()
	if err := j.read(ctx); err != nil {
		return nil, err
	}
	for _, ref := range w.Members {
		if err := j.look(ctx, ref); err != nil {
			return j.outcomes, err
		}
	}
	return j.outcomes, j.add(ctx)
}

// memberGroup finds the group; nil without a refusal: a dry run would make it.
func (m *Maker) memberGroup(ctx context.Context, r *realm, w Group) (*bmapi.Group, *refusal, error) {
	g, bad, err := m.lookGroup(ctx, r, w, bmapi.GroupUID(r.uid, w.Name))
	switch {
	case err != nil || bad != nil || g != nil:
		return g, bad, err
	case m.Dry && r.would.named(groupBox(w.Name)) != nil:
		return nil, nil, nil
	}
	return nil, because("see what is told of the group itself", "the domain %s has no group %q", r.uid, w.Name), nil
}

// joining is the work on one group's members.
type joining struct {
	m        *Maker
	r        *realm
	group    *bmapi.Group // nil: a dry run would make it
	name     string
	uid      string
	have     []bmapi.Member
	todo     []Made // to be added
	at       []int  // of each of them, its outcome
	outcomes []Outcome
}

func (j *joining) read(ctx context.Context) error {
	if j.group == nil {
		return nil
	}
	have, err := j.m.Admin.Members(ctx, j.r.uid, j.uid)
	if err != nil {
		return fmt.Errorf("members of group %s: %w", j.name, err)
	}
	j.have = have
	return nil
}

func (j *joining) outcome(who string) Outcome {
	return Outcome{Kind: KindMember, Name: who + " → " + j.name, Domain: j.r.uid, UID: j.uid, Directory: j.group != nil && owned(j.group.ExternalID)}
}

func (j *joining) conflict(ref Ref, bad *refusal) {
	j.outcomes = append(j.outcomes, j.outcome(ref.Name).conflict(bad))
}

// look finds who is meant, and says what is to be done.
func (j *joining) look(ctx context.Context, ref Ref) error {
	e, bad, err := j.m.memberEntry(ctx, j.r, ref)
	if err != nil {
		return err
	}
	if e.external != nil {
		j.outcomes = append(j.outcomes, *e.external)
	}
	if bad != nil {
		j.conflict(ref, bad)
		return nil
	}
	member := bmapi.Member{Type: memberType(e.Kind), UID: e.UID}
	made := memberMade(j.r.uid, j.uid, j.name, member, ref.Name)
	o := j.outcome(ref.Name)
	switch {
	case slices.ContainsFunc(j.todo, func(t Made) bool { return t.Detail == made.Detail }):
		return nil // named twice
	case slices.Contains(j.have, member):
		o.Action = AsWanted
		j.outcomes = append(j.outcomes, o)
		return j.m.confirm(ctx, made)
	case o.Directory:
		from := directoryName(j.group.ExternalID)
		j.outcomes = append(j.outcomes, o.conflict(because("add him to the group in "+from+", then let the import run", "the group %q comes from %s, which decides who is in it", j.name, from)))
		return nil
	}
	if e.Kind == KindGroup {
		if round, err := j.m.loop(ctx, j.r, j.uid, e.UID); err != nil || round {
			if round {
				j.conflict(ref, because("take one of the two out of the other in groups.csv", "the group %q holds %q already, itself or by another group: BlueMind allows no loop", e.Name, j.name))
			}
			return err
		}
		if j.m.Dry {
			j.r.would.hold(j.uid, e.UID)
		}
	}
	o.Action = Created
	j.todo, j.at = append(j.todo, made), append(j.at, len(j.outcomes))
	j.outcomes = append(j.outcomes, o)
	return nil
}

// add puts all who lack into the group. If BlueMind refuses them together, each
// is tried alone, so that one does not keep the others out.
func (j *joining) add(ctx context.Context) error {
	if j.m.Dry || len(j.todo) == 0 {
		return nil
	}
	var members []bmapi.Member
	for _, made := range j.todo {
		if err := j.m.begin(ctx, made); err != nil {
			return err
		}
		members = append(members, made.member())
	}
	err := j.m.Admin.AddMembers(ctx, j.r.uid, j.uid, members...)
	switch {
	case err == nil:
		for _, made := range j.todo {
			if err := j.m.done(ctx, made); err != nil {
				return err
			}
		}
		return nil
	case !answered(err):
		return fmt.Errorf("add members to group %s: %w", j.name, err)
	}
	for i, made := range j.todo {
		bad, err := j.m.addMember(ctx, j.r, j.uid, made)
		if err != nil {
			return fmt.Errorf("group %s: %w", j.name, err)
		}
		if bad != nil {
			j.outcomes[j.at[i]] = j.outcomes[j.at[i]].conflict(bad)
		}
	}
	return nil
}

// addMember adds one member to a group, noted before and after.
func (m *Maker) addMember(ctx context.Context, r *realm, groupUID string, made Made) (*refusal, error) {
	member := made.member()
	refused, err := m.create(ctx, made, func() error { return m.Admin.AddMembers(ctx, r.uid, groupUID, member) }, func() (bool, error) {
		have, err := m.Admin.Members(ctx, r.uid, groupUID)
		return slices.Contains(have, member), err
	})
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", made.Name, err)
	}
	if refused != nil {
		return said(refused), nil
	}
	return nil, nil
}

func memberMade(domainUID, groupUID, groupName string, member bmapi.Member, who string) Made {
	return Made{Kind: KindMember, DomainUID: domainUID, UID: groupUID, Name: who + " → " + groupName, Detail: member.Type + " " + member.UID}
}

// member is what a record of one stands for.
func (made Made) member() bmapi.Member {
	kind, uid, _ := strings.Cut(made.Detail, " ")
	return bmapi.Member{Type: kind, UID: uid}
}

func memberType(k Kind) string {
	switch k {
	case KindGroup:
		return bmapi.MemberGroup
	case KindExternal:
		return bmapi.MemberExternal
	}
	return bmapi.MemberUser
}

// memberFound is who is to be a member. external tells of an external user, whom
// only memberships call for.
type memberFound struct {
	Entry
	external *Outcome
}

// memberEntry finds a member, or makes an external user where the row says that
// he is one.
func (m *Maker) memberEntry(ctx context.Context, r *realm, ref Ref) (memberFound, *refusal, error) {
	if ref.Kind == RefExternal {
		return m.externalUser(ctx, r, tidy(ref.Name))
	}
	e, err := m.find(ctx, r, ref)
	switch {
	case err != nil:
		return memberFound{}, nil, err
	case e == nil:
		bad, err := m.unknown(ctx, r, ref)
		return memberFound{}, bad, err
	case e.Kind == KindShare:
		return memberFound{}, because("grant the shared mailbox to the group in rights.csv, or leave it out of groups.csv",
			"%s is a shared mailbox, which BlueMind takes into no group", ref.Name), nil
	case e.Kind != KindUser && e.Kind != KindGroup && e.Kind != KindExternal:
		return memberFound{}, because("leave it out of groups.csv", "%s is a %s, which BlueMind takes into no group", ref.Name, e.Kind), nil
	case ref.Kind != RefAny && ref.Kind != string(e.Kind) && e.Kind != KindExternal:
		return memberFound{}, because("correct the row", "%s is a %s in BlueMind, not a %s", ref.words(), e.Kind, ref.Kind), nil
	}
	return memberFound{Entry: *e}, nil, nil
}

// unknown says why a reference leads to nobody.
func (m *Maker) unknown(ctx context.Context, r *realm, ref Ref) (*refusal, error) {
	if ref.Kind == RefGroup {
		return because("give the group rows in groups.csv, or correct the row; if it is there, see what keeps it out of BlueMind", "the domain %s has no group %q", r.uid, groupName(ref.Name)), nil
	}
	if !strings.Contains(ref.Name, "@") {
		return because("write an address, or group:NAME", "%q is no address", ref.Name), nil
	}
	name := domainOf(ref.Name)
	if r.has(name) {
		mend := "add the address to accounts.csv, or correct the row"
		if m.rowOf(tidy(ref.Name)) != "" {
			mend = "see to his own row first: something keeps him out of BlueMind"
		}
		return because(mend, "the domain %s has nobody with the address %s", r.uid, tidy(ref.Name)), nil
	}
	d, ok, err := found(m.Admin.LookupDomain(ctx, name))
	if err != nil {
		return nil, fmt.Errorf("look for domain %s: %w", name, err)
	}
	if ok {
		return because("leave him out, or keep both in one domain", "%s is in another domain of BlueMind, %s, and BlueMind knows no rights or members beyond a domain", tidy(ref.Name), d.UID), nil
	}
	return because("correct the address", "%s is in no domain of BlueMind", tidy(ref.Name)), nil
}
