package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Withdraw takes back what a run made, as its record says: what is gone already
// counts as withdrawn. It keeps what is in use or was changed by others since,
// and says why. Of users and shares, empty tells whether anything is there; keys
// of a user have to be deleted before.
//
// To be called in the opposite order of making: subscriptions, rights, members,
// groups and external users, shares, users, domains.
func (m *Maker) Withdraw(ctx context.Context, made Made, empty func(ctx context.Context, uid string) (bool, error)) (Outcome, error) {
	o := Outcome{Kind: made.Kind, Name: made.Name, Domain: made.DomainUID, UID: made.UID, Action: Withdrawn}
	take := map[Kind]func(context.Context, Made) (*refusal, error){
		KindSubscription: m.takeSubscription, KindRight: m.takeRight, KindMember: m.takeMember,
		KindGroup: m.takeGroup, KindExternal: m.takeExternal, KindDomain: m.takeDomain,
		KindShare: func(ctx context.Context, made Made) (*refusal, error) { return m.takeShare(ctx, made, empty) },
		KindUser:  func(ctx context.Context, made Made) (*refusal, error) { return m.takeUser(ctx, made, empty) },
	}[made.Kind]
	if take == nil {
		return o, fmt.Errorf("a record of an unknown kind, %q", made.Kind)
	}
	defer m.memory.locks.lock(lockOf(made))()
	kept, err := take(ctx, made)
	switch {
	case err != nil:
		return o, fmt.Errorf("withdraw the %s %s: %w", made.Kind, made.Name, err)
	case kept != nil:
		o.Action, o.Reason, o.Mend = Kept, kept.reason, kept.mend
	case m.Dry:
		m.memory.gone.Store(made.place(), true)
	}
	return o, nil
}

// place is what a record is about: rights of one subject on one box are one.
func (made Made) place() [4]string {
	switch made.Kind {
	case KindMember, KindRight, KindSubscription:
		return [4]string{string(made.Kind), made.DomainUID, made.UID, made.Subject()}
	case KindDomain:
		return [4]string{string(made.Kind), made.UID}
	}
	return [4]string{"entry", made.DomainUID, made.UID}
}

// isGone tells whether a dry run would have withdrawn it by now.
func (m *Maker) isGone(made Made) bool {
	_, gone := m.memory.gone.Load(made.place())
	return gone
}

// lockOf is the lock under which the same thing is made.
func lockOf(made Made) string {
	switch made.Kind {
	case KindDomain:
		return "domains"
	case KindMember:
		return "members " + made.UID
	case KindRight:
		return "rights " + made.UID
	case KindSubscription:
		return "subscriptions " + made.Subject()
	}
	return "entry " + made.UID
}

// field is a part of a record's detail.
func (made Made) field(name string) string {
	for _, word := range strings.Split(made.Detail, " ") {
		if v, ok := strings.CutPrefix(word, name+"="); ok {
			return v
		}
	}
	return ""
}

// list is a part of a record's detail that has commas.
func (made Made) list(name string) []string {
	v := made.field(name)
	if v == "" {
		return nil
	}
	return strings.Split(v, ",")
}

// toFill marks the record of a right that was given to fill a mailbox.
const toFill = "fill"

// Fills says of the record of a right that it was given to fill a mailbox, and not
// because a plan wants it.
func (made Made) Fills() bool { return made.field("to") == toFill }

// Gave are the verbs that the record of a right says were given.
func (made Made) Gave() []string { return made.list("gave") }

func (m *Maker) takeSubscription(ctx context.Context, made Made) (*refusal, error) {
	is, err := m.subscribed(ctx, made.DomainUID, made.Subject(), made.UID)
	if err != nil || !is || m.Dry {
		return nil, err
	}
	return nil, m.Admin.Unsubscribe(ctx, made.DomainUID, made.Subject(), made.UID)
}

// takeRight puts a subject's rights back to what they were, unless others have
// changed them since. BlueMind gives SendAs with Write on a share by itself.
func (m *Maker) takeRight(ctx context.Context, made Made) (*refusal, error) {
	acl, ok, err := found(m.Admin.ACL(ctx, made.UID))
	if err != nil || !ok {
		return nil, err
	}
	known, subject := m.verbs(), made.Subject()
	had, gave := expand(known, made.list("had")...), made.list("gave")
	have := expand(known, verbsOf(acl, subject)...)
	if len(have) == 0 || slices.Equal(have, had) {
		return nil, nil
	}
	left := slices.DeleteFunc(slices.Clone(have), func(v string) bool { return v == bmapi.VerbSendAs || v == bmapi.VerbSendOnBehalf })
	ours := slices.DeleteFunc(expand(known, slices.Concat(had, gave)...), func(v string) bool { return v == bmapi.VerbSendAs || v == bmapi.VerbSendOnBehalf })
	if !slices.Equal(left, ours) {
		return because("take the right away in BlueMind, if it shall go", "the right was changed since: it is %s", strings.Join(compact(known, have), ", ")), nil
	}
	if m.Dry {
		return nil, nil
	}
	rest := func(acl []bmapi.AccessEntry) []bmapi.AccessEntry {
		left := slices.DeleteFunc(slices.Clone(acl), func(a bmapi.AccessEntry) bool { return a.Subject == subject })
		for _, v := range had {
			left = append(left, bmapi.AccessEntry{Subject: subject, Verb: v})
		}
		return bmapi.JoinACL(nil, left)
	}
	return nil, m.writeACL(ctx, made.UID, rest(acl), func(acl []bmapi.AccessEntry) ([]bmapi.AccessEntry, bool) {
		return rest(acl), !slices.Equal(expand(known, verbsOf(acl, subject)...), had)
	})
}

func (m *Maker) takeMember(ctx context.Context, made Made) (*refusal, error) {
	have, ok, err := found(m.Admin.Members(ctx, made.DomainUID, made.UID))
	if err != nil || !ok || !slices.Contains(have, made.member()) || m.Dry {
		return nil, err
	}
	return nil, m.Admin.RemoveMembers(ctx, made.DomainUID, made.UID, made.member())
}

func (m *Maker) takeGroup(ctx context.Context, made Made) (*refusal, error) {
	g, ok, err := found(m.Admin.Group(ctx, made.DomainUID, made.UID))
	if err != nil || !ok {
		return nil, err
	}
	if owned(g.ExternalID) {
		return because("", "it belongs to %s now", directoryName(g.ExternalID)), nil
	}
	if g.Name != made.Name {
		return because("delete it in BlueMind, if it shall go", "it was renamed since: %s", g.Name), nil
	}
	have, err := m.Admin.Members(ctx, made.DomainUID, made.UID)
	if err != nil {
		return nil, err
	}
	have = slices.DeleteFunc(have, func(x bmapi.Member) bool { return m.isGone(memberMade(made.DomainUID, made.UID, "", x, "")) })
	if len(have) > 0 {
		return because("take them out in BlueMind, then run it again", "it has %d members that no run of ours put there", len(have)), nil
	}
	if m.Dry {
		return nil, nil
	}
	return nil, m.Admin.DeleteGroup(ctx, made.DomainUID, made.UID)
}

func (m *Maker) takeExternal(ctx context.Context, made Made) (*refusal, error) {
	x, ok, err := found(m.Admin.ExternalUser(ctx, made.DomainUID, made.UID))
	if err != nil || !ok {
		return nil, err
	}
	if owned(x.ExternalID) {
		return because("", "he belongs to %s now", directoryName(x.ExternalID)), nil
	}
	groups, err := m.groupsWith(ctx, made.DomainUID, bmapi.Member{Type: bmapi.MemberExternal, UID: made.UID})
	if err != nil {
		return nil, err
	}
	if len(groups) > 0 {
		return because("take him out in BlueMind, then run it again", "he is in a group: %s", strings.Join(groups, ", ")), nil
	}
	if m.Dry {
		return nil, nil
	}
	return nil, m.Admin.DeleteExternalUser(ctx, made.DomainUID, made.UID)
}

// groupsWith are the names of a domain's groups that hold a member.
func (m *Maker) groupsWith(ctx context.Context, domainUID string, who bmapi.Member) ([]string, error) {
	uids, err := m.Admin.GroupUIDs(ctx, domainUID)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, uid := range uids {
		have, ok, err := found(m.Admin.Members(ctx, domainUID, uid))
		if err != nil {
			return nil, err
		}
		if !ok || !slices.Contains(have, who) || m.isGone(memberMade(domainUID, uid, "", who, "")) {
			continue
		}
		g, err := m.Admin.Group(ctx, domainUID, uid)
		if err != nil {
			return nil, err
		}
		names = append(names, g.Name)
	}
	return names, nil
}

// inUse says why a mailbox stays: there is something in it.
func inUse(ctx context.Context, uid string, empty func(context.Context, string) (bool, error)) (*refusal, error) {
	is, err := empty(ctx, uid)
	if err != nil || is {
		return nil, err
	}
	return because("it stays; delete it in BlueMind if it is to go with all it holds", "it isn't empty"), nil
}

func (m *Maker) takeShare(ctx context.Context, made Made, empty func(context.Context, string) (bool, error)) (*refusal, error) {
	s, ok, err := found(m.Admin.Mailshare(ctx, made.DomainUID, made.UID))
	if err != nil || !ok {
		return nil, err
	}
	if name := made.field("name"); s.Name != name {
		return because("delete it in BlueMind, if it shall go", "it was renamed since: %s", s.Name), nil
	}
	acl, ok, err := found(m.Admin.ACL(ctx, made.UID))
	if err != nil {
		return nil, err
	}
	acl = slices.DeleteFunc(acl, func(a bmapi.AccessEntry) bool {
		return m.isGone(Made{Kind: KindRight, DomainUID: made.DomainUID, UID: made.UID, Detail: a.Subject})
	})
	if ok && len(acl) > 0 {
		return because("take the rights away in BlueMind, then run it again", "somebody has rights on it that no run of ours gave"), nil
	}
	if kept, err := inUse(ctx, made.UID, empty); err != nil || kept != nil {
		return kept, err
	}
	if m.Dry {
		return nil, nil
	}
	return nil, m.Admin.DeleteMailshare(ctx, made.DomainUID, made.UID)
}

func (m *Maker) takeUser(ctx context.Context, made Made, empty func(context.Context, string) (bool, error)) (*refusal, error) {
	u, ok, err := found(m.Admin.User(ctx, made.DomainUID, made.UID))
	if err != nil || !ok {
		return nil, err
	}
	if owned(u.ExternalID) {
		return because("", "he belongs to %s now", directoryName(u.ExternalID)), nil
	}
	if login := made.field("login"); u.Login != login {
		return because("delete him in BlueMind, if he shall go", "he was renamed since: %s", u.Login), nil
	}
	if kept, err := inUse(ctx, made.UID, empty); err != nil || kept != nil {
		return kept, err
	}
	if m.Dry {
		return nil, nil
	}
	return nil, m.Admin.DeleteUser(ctx, made.DomainUID, made.UID)
}

// takeDomain deletes a domain in whose directory nothing is left but what BlueMind
// put there itself: the domain, its two groups, its address book, technical users.
func (m *Maker) takeDomain(ctx context.Context, made Made) (*refusal, error) {
	if _, ok, err := found(m.Admin.Domain(ctx, made.UID)); err != nil || !ok {
		return nil, err
	}
	counts := map[string]int{}
	for e, err := range m.Admin.Entries(ctx, made.UID, bmapi.DirQuery{}) {
		if err != nil {
			return nil, err
		}
		if e.Kind == bmapi.KindDomain || e.EntryUID == bmapi.DomainBook(made.UID) ||
			e.Kind == bmapi.KindGroup && (e.DisplayName == bmapi.UsersGroup || e.DisplayName == adminGroup) ||
			m.isGone(Made{Kind: KindUser, DomainUID: made.UID, UID: e.EntryUID}) {
			continue
		}
		counts[kindOfEntry(e.Kind)]++
	}
	if len(counts) > 0 {
		var words []string
		for kind, n := range counts {
			words = append(words, fmt.Sprintf("%s: %d", kind, n))
		}
		slices.Sort(words)
		return because("withdraw or delete them first", "there is something in it: %s", strings.Join(words, ", ")), nil
	}
	if m.Dry {
		return nil, nil
	}
	return nil, m.Admin.DeleteDomain(ctx, made.UID)
}
