package objects_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

func always(is bool) func(context.Context, string) (bool, error) {
	return func(context.Context, string) (bool, error) { return is, nil }
}

// order is that in which things are withdrawn.
var order = []objects.Kind{objects.KindSubscription, objects.KindRight, objects.KindMember, objects.KindGroup,
	objects.KindExternal, objects.KindShare, objects.KindUser, objects.KindDomain}

// withdraw takes back all that the ledger knows.
func (s *site) withdraw(m *objects.Maker, j *ledger, empty func(context.Context, string) (bool, error)) *made {
	s.t.Helper()
	r := &made{}
	for _, kind := range order {
		for _, x := range slices.Backward(j.all) {
			if x.Kind != kind {
				continue
			}
			o, err := m.Withdraw(s.t.Context(), x, empty)
			if err != nil {
				s.t.Fatal(err)
			}
			r.outcomes = append(r.outcomes, o)
		}
	}
	return r
}

func TestWithdrawAll(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s, j := start(t, version, town()...), &ledger{}
		was := s.sim.Snapshot()
		w := small()
		w.rights["support@one.test"] = append(w.rights["support@one.test"], objects.Right{Grantee: objects.Ref{Name: "ada.love@one.test"}, Verbs: []string{"All"}})
		s.must(s.maker(j), w)
		full, mark := s.sim.Snapshot(), s.mark()
		if odd := s.withdraw(s.dry(), j, always(true)).not(objects.Withdrawn); len(odd) > 0 || len(s.writes(mark)) > 0 {
			t.Errorf("dry: %v, %v", odd, s.writes(mark))
		}
		if odd := s.withdraw(s.dry(), j, always(false)).not(objects.Withdrawn); len(odd) != 4+2 {
			t.Errorf("with mail in 4 mailboxes, of 2 domains: %v", odd)
		}
		if s.sim.Snapshot() != full {
			t.Fatal("a dry run changed something")
		}
		for range 2 {
			if odd := s.withdraw(s.maker(nil), j, always(true)).not(objects.Withdrawn); len(odd) > 0 {
				t.Errorf("%v", odd)
			}
		}
		if got := s.sim.Snapshot(); got != was {
			t.Errorf("left:\n%s", diff(was, got))
		}
	})
}

// TestWithdrawKeeps what is in use, or was changed by others since.
func TestWithdrawKeeps(t *testing.T) {
	const d = "uno.test"
	bob, share, maths := bmapi.UserUID(d, "bob@one.test"), bmapi.ShareUID(d, "support"), bmapi.GroupUID(d, "maths")
	for _, tc := range []struct {
		name string
		kind objects.Kind
		who  string
		says string
		do   func(ctx context.Context, a *bmapi.Session) error
	}{
		{"user renamed", objects.KindUser, "bob@one.test", "renamed since: robert", func(ctx context.Context, a *bmapi.Session) error {
			u, err := a.User(ctx, d, bob)
			if err == nil {
				u.Login = "robert"
				err = a.UpdateUser(ctx, d, u)
			}
			return err
		}},
		{"user taken over by a directory", objects.KindUser, "bob@one.test", "belongs to LDAP now", func(ctx context.Context, a *bmapi.Session) error {
			return a.SetUserExtID(ctx, d, bob, "ldap://1234")
		}},
		{"share renamed", objects.KindShare, "support@one.test", "renamed since: desk", func(ctx context.Context, a *bmapi.Session) error {
			s, err := a.Mailshare(ctx, d, share)
			if err == nil {
				s.Name = "desk"
				err = a.UpdateMailshare(ctx, d, s)
			}
			return err
		}},
		{"share with rights of others", objects.KindShare, "support@one.test", "somebody has rights", func(ctx context.Context, a *bmapi.Session) error {
			return a.SetACL(ctx, share, []bmapi.AccessEntry{{Subject: bmapi.UserUID(d, "ada.love@one.test"), Verb: "Read"}})
		}},
		{"right raised", objects.KindRight, "bob@one.test → support@one.test", "changed since: it is All", func(ctx context.Context, a *bmapi.Session) error {
			return a.SetACL(ctx, share, []bmapi.AccessEntry{{Subject: bob, Verb: "All"}})
		}},
		{"group renamed", objects.KindGroup, "maths", "renamed since: sums", func(ctx context.Context, a *bmapi.Session) error {
			g, err := a.Group(ctx, d, maths)
			if err == nil {
				g.Name = "sums"
				err = a.UpdateGroup(ctx, d, g)
			}
			return err
		}},
		{"group with members of others", objects.KindGroup, "maths", "1 members that no run of ours put there", func(ctx context.Context, a *bmapi.Session) error {
			u := &bmapi.User{Login: "new", FamilyNames: "New", Emails: []bmapi.Email{{Address: "new@one.test", IsDefault: true}}}
			if err := a.CreateUser(ctx, d, "new", u); err != nil {
				return err
			}
			return a.AddMembers(ctx, d, maths, bmapi.Member{Type: "user", UID: "new"})
		}},
		{"external user in another group", objects.KindExternal, "emmy@else.where", "he is in a group: more", func(ctx context.Context, a *bmapi.Session) error {
			if err := a.CreateGroup(ctx, d, "more", &bmapi.Group{Name: "more"}); err != nil {
				return err
			}
			return a.AddMembers(ctx, d, "more", bmapi.Member{Type: "external_user", UID: bmapi.ExternalUID(d, "emmy@else.where")})
		}},
		{"domain with a user of others", objects.KindDomain, d, "there is something in it: user: 1", func(ctx context.Context, a *bmapi.Session) error {
			u := &bmapi.User{Login: "new", FamilyNames: "New", Emails: []bmapi.Email{{Address: "new@one.test", IsDefault: true}}}
			return a.CreateUser(ctx, d, "new", u)
		}},
		{"domain with a calendar of others", objects.KindDomain, d, "there is something in it: calendar: 1", nil},
		{"domain with an address book of others", objects.KindDomain, d, "there is something in it: addressbook: 1", nil},
		{"domain with a resource of others", objects.KindDomain, d, "there is something in it: resource: 1", nil},
		{"domain with a unit of others", objects.KindDomain, d, "there is something in it: org unit: 1", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, j := start(t, 5), &ledger{}
			w := small()
			s.must(s.maker(j), w)
			if tc.do == nil {
				_, kind, _ := strings.Cut(tc.says, ": ")
				kind = strings.ToUpper(strings.ReplaceAll(strings.TrimSuffix(kind, ": 1"), " ", "_"))
				tc.do = func(context.Context, *bmapi.Session) error { return s.sim.AddEntry(d, "hand-made", kind, "Hand-made") }
			}
			if err := tc.do(t.Context(), s.admin); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*objects.Maker{s.dry(), s.maker(nil)} {
				r := s.withdraw(m, j, always(true))
				o := r.outcomes[slices.IndexFunc(r.outcomes, func(o objects.Outcome) bool { return o.Kind == tc.kind && o.Name == tc.who })]
				if o.Action != objects.Kept || !strings.Contains(o.Reason, tc.says) {
					t.Errorf("dry %v: %+v", m.Dry, o)
				}
			}
		})
	}
}

// TestWithdrawRight puts a right back to what it was before ours.
func TestWithdrawRight(t *testing.T) {
	s, j := start(t, 5, town()...), &ledger{}
	d := s.domain("example.org")
	m := s.maker(j)
	box, _, err := m.Share(t.Context(), d, objects.Share{Address: "support@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	ada, err := m.Find(t.Context(), d, objects.Ref{Name: "ada@example.org"})
	if err == nil {
		err = s.admin.SetACL(t.Context(), box.UID, []bmapi.AccessEntry{{Subject: ada.UID, Verb: "Read"}, {Subject: "somebody", Verb: "Manage"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = m.Grant(t.Context(), box, []objects.Right{{Grantee: objects.Ref{Name: "ada@example.org"}, Verbs: []string{"Write"}}}); err != nil {
		t.Fatal(err)
	}
	if len(j.all) != 1 || j.all[0].Subject() != ada.UID {
		t.Fatalf("%+v", j.all)
	}
	o, err := m.Withdraw(t.Context(), j.all[0], nil)
	acl, aclErr := s.admin.ACL(t.Context(), box.UID)
	if err = errors.Join(err, aclErr); err != nil || o.Action != objects.Withdrawn || slices.Contains(acl, bmapi.AccessEntry{Subject: ada.UID, Verb: "Write"}) ||
		!slices.Contains(acl, bmapi.AccessEntry{Subject: ada.UID, Verb: "Read"}) || !slices.Contains(acl, bmapi.AccessEntry{Subject: "somebody", Verb: "Manage"}) {
		t.Errorf("%+v, %v, %v", o, acl, err)
	}
	if _, err := m.Withdraw(t.Context(), objects.Made{Kind: "mystery"}, nil); err == nil {
		t.Error("a record of an unknown kind was withdrawn")
	}
}

// TestFind finds by address and name, of the kind that is asked for.
func TestFind(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	m := s.maker(nil)
	for _, tc := range []struct {
		ref  objects.Ref
		kind objects.Kind // "": not found
	}{
		{objects.Ref{Name: "Countess@Example.org"}, objects.KindUser},
		{objects.Ref{Kind: objects.RefUser, Name: "support@example.org"}, ""},
		{objects.Ref{Kind: objects.RefShare, Name: "support@example.org"}, objects.KindShare},
		{objects.Ref{Kind: objects.RefGroup, Name: "user"}, objects.KindGroup},
		{objects.Ref{Kind: objects.RefGroup, Name: "user@example.net"}, objects.KindGroup},
		{objects.Ref{Kind: objects.RefGroup, Name: "user@other.org"}, ""},
		{objects.Ref{Kind: objects.RefGroup, Name: "nosuch"}, ""},
		{objects.Ref{Name: "eve@other.org"}, ""},
		{objects.Ref{Name: "nobody"}, ""},
		{objects.Ref{Name: ""}, ""},
	} {
		e, err := m.Find(t.Context(), d, tc.ref)
		if tc.kind == "" && !errors.Is(err, bmapi.ErrNotFound) || tc.kind != "" && (err != nil || e.Kind != tc.kind || !e.Existing) {
			t.Errorf("%+v: %+v, %v", tc.ref, e, err)
		}
	}
}
