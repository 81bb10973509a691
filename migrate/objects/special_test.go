package objects_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// TestNewAliasOfOldUser: who was asked for under an alias before it was there is
// nobody to BlueMind, until the user is written once more.
func TestNewAliasOfOldUser(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "old.test", Users: []bmsim.User{{Login: "ada", Password: "hers", Emails: []string{"ada@old.test", "ada@new.test"}}}})
	ask := func() string {
		t.Helper()
		kind, err := s.admin.Client().Validate(t.Context(), "ada@new.test", "hers")
		if err != nil {
			t.Fatal(err)
		}
		return kind
	}
	if ask() != bmapi.NotValid {
		t.Fatal("known before there is such a domain")
	}
	m := s.maker(nil)
	d, o, err := m.Domain(t.Context(), objects.Domain{Name: "old.test", Aliases: []string{"NEW.test"}})
	if err != nil || o.Action != objects.Changed || !d.Has("new.test") {
		t.Fatalf("%+v, %v", o, err)
	}
	if ask() != bmapi.NotValid {
		t.Fatal("the simulator forgets by itself")
	}
	e, o, err := m.User(t.Context(), d, objects.User{Address: "ada@new.test"})
	if err != nil || e == nil || o.Action != objects.Changed || ask() != bmapi.ValidPassword {
		t.Errorf("%+v, %v: %s", o, err, ask())
	}
	if _, o, err = s.maker(nil).User(t.Context(), d, objects.User{Address: "ada@new.test"}); err != nil || o.Action != objects.AsWanted {
		t.Errorf("%+v, %v", o, err)
	}
	if err := s.dry().Refresh(t.Context(), e); err != nil || len(s.writes(s.mark()-1)) > 0 {
		t.Error("a dry run wrote:", err)
	}
	mark := s.mark()
	if err := m.Refresh(t.Context(), e); err != nil || len(s.writes(mark)) != 1 {
		t.Errorf("%v, %v", s.writes(mark), err)
	}
}

// TestRightsContainerMissing: BlueMind swallows a hook's fault, and a share is
// there without the container of its rights.
func TestRightsContainerMissing(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s := start(t, version)
		s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.HookACL, Method: "PUT", Path: "/mailshares", Times: 1})
		if odd := s.must(s.maker(nil), small()).not(objects.Created); len(odd) > 0 {
			t.Errorf("%v", odd)
		}
		if odd := s.must(s.maker(nil), small()).not(objects.AsWanted); len(odd) > 0 {
			t.Errorf("%v", odd)
		}
	})
}

// TestRightsStay: what others granted is there after ours, the owner's own line
// was put back, and the new one alone is written to.
func TestRightsStay(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	m := s.maker(nil)
	box, _, err := m.User(t.Context(), d, objects.User{Address: "ada@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	bob, err := m.Find(t.Context(), d, objects.Ref{Kind: objects.RefUser, Name: "BOB@example.net"})
	if err == nil {
		err = s.admin.SetACL(t.Context(), box.UID, []bmapi.AccessEntry{{Subject: bob.UID, Verb: "Read"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	told := len(s.sim.Journal().Notices())
	grant := []objects.Right{{Grantee: objects.Ref{Kind: objects.RefGroup, Name: "user"}, Verbs: []string{"Write"}}}
	for _, want := range []objects.Action{objects.Created, objects.AsWanted} {
		if out, err := m.Grant(t.Context(), box, grant); err != nil || out[0].Action != want {
			t.Errorf("%v, %v", out, err)
		}
	}
	acl, err := s.admin.ACL(t.Context(), box.UID)
	if err != nil || !slices.Contains(acl, bmapi.AccessEntry{Subject: bob.UID, Verb: "Read"}) || slices.Contains(acl, bmapi.AccessEntry{Subject: bob.UID, Verb: "Write"}) ||
		!slices.Contains(acl, bmapi.AccessEntry{Subject: box.UID, Verb: "All"}) || !slices.Contains(acl, bmapi.AccessEntry{Subject: d.UID + "_user_group", Verb: "Write"}) {
		t.Errorf("%v, %v", acl, err)
	}
	if n := len(s.sim.Journal().Notices()); n != told {
		t.Errorf("%d mails: a group without address gets none, and nobody else is new", n-told)
	}
	if out, err := m.Grant(t.Context(), box, []objects.Right{{Grantee: objects.Ref{Name: "bob@example.net"}, Verbs: []string{"Write"}}}); err != nil || out[0].Action != objects.Changed ||
		out[0].Changes[0] != (objects.Change{Field: "verbs", From: "Read", To: "Write"}) {
		t.Errorf("%v, %v", out, err)
	}
}

// TestAnswersLost: BlueMind did it, and its proxy says 504; the client asks once
// more by itself, or the run looks for the uid.
func TestAnswersLost(t *testing.T) {
	ref := start(t, 5)
	ref.must(ref.maker(nil), small())
	for _, tries := range []int{1, 4} {
		s, j := start(t, 5), &ledger{}
		m := s.maker(j)
		m.Admin, _ = s.login(bmapi.Retry{Tries: tries, Sleep: func(context.Context, time.Duration) error { return nil }})
		for _, path := range []string{"/domains/uno.test", "/users/", "/mailshares/", "/groups/"} {
			s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Late, Method: http.MethodPut, Path: path, Times: 1})
		}
		if odd := s.must(m, small()).not(objects.Created); len(odd) > 0 {
			t.Errorf("%d tries: %v", tries, odd)
		}
		if got := s.sim.Snapshot(); got != ref.sim.Snapshot() {
			t.Errorf("%d tries:\n%s", tries, diff(ref.sim.Snapshot(), got))
		}
		if strings.Contains(j.text(), "?") {
			t.Errorf("%d tries: not all is done:\n%s", tries, j.text())
		}
	}
}

// TestRefusedIsNotNoted: what BlueMind refuses leaves no note, and an error that
// says nothing about the thing leaves it.
func TestRefusedIsNotNoted(t *testing.T) {
	s, j := start(t, 5, bmsim.Domain{Name: "one.test"}), &ledger{}
	d := s.domain("one.test")
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/users/", Code: "INVALID_PARAMETER", Times: 1})
	e, o, err := s.maker(j).User(t.Context(), d, objects.User{Address: "x@one.test", Create: true})
	if err != nil || e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "failing on purpose (INVALID_PARAMETER)") || j.text() != "" {
		t.Errorf("%+v, %v, %q", o, err, j.text())
	}
	m := s.maker(j)
	m.Admin = s.once()
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, Method: "PUT", Path: "/users/", Times: 1})
	if _, _, err = m.User(t.Context(), d, objects.User{Address: "x@one.test", Create: true}); err == nil || !strings.HasSuffix(j.text(), "?") {
		t.Errorf("%v, %q", err, j.text())
	}
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/mailshares/", Code: "PERMISSION_DENIED", Times: 1})
	if _, _, err = s.maker(j).Share(t.Context(), d, objects.Share{Address: "s@one.test", Create: true}); bmapi.CodeOf(err) != bmapi.CodePermissionDenied || strings.Contains(j.text(), "share") {
		t.Errorf("%v, %q", err, j.text())
	}
}

// TestMembersOneByOne: one member that BlueMind refuses keeps nobody else out.
func TestMembersOneByOne(t *testing.T) {
	s, j := start(t, 5, town()...), &ledger{}
	d := s.domain("example.org")
	g := objects.Group{Name: "g", Create: true, Members: []objects.Ref{{Name: "ada@example.org"}, {Name: "bob@example.net"}}}
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/members", Code: "INVALID_PARAMETER", Times: 2})
	_, members, err := s.maker(j).Group(t.Context(), d, g)
	if err != nil || len(members) != 2 || members[0].Action != objects.Conflict || members[1].Action != objects.Created || strings.Contains(j.text(), "?") {
		t.Errorf("%+v, %v\n%s", members, err, j.text())
	}
}

// TestManyAtATime makes 300 users, 20 shares and 15 groups in 3 domains with 8
// calls in flight, twice.
func TestManyAtATime(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s := start(t, version)
		j := &ledger{}
		began := time.Now()
		crowd(t, s.maker(j), objects.Created)
		t.Logf("%d calls in %v", s.mark(), time.Since(began).Round(time.Millisecond))
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
		mark := s.mark()
		crowd(t, s.maker(j), objects.AsWanted)
		if writes := s.writes(mark); len(writes) > 0 || strings.Contains(j.text(), "?") {
			t.Errorf("second run: %v", writes)
		}
	})
}

// crowd builds many objects at a time, and wants one outcome of all.
func crowd(t *testing.T, m *objects.Maker, want objects.Action) {
	t.Helper()
	var domains []*bmapi.Domain
	var mu sync.Mutex
	told := func(o objects.Outcome, err error) error {
		mu.Lock()
		defer mu.Unlock()
		if err == nil && o.Action != want {
			t.Errorf("%+v", o)
		}
		return err
	}
	for i := range 3 {
		name := fmt.Sprintf("d%d.test", i)
		d, o, err := m.Domain(t.Context(), objects.Domain{Name: name, Aliases: []string{"a-" + name}, UserQuota: ptr(1000), Create: true})
		if told(o, err) != nil || d == nil {
			t.Fatal(o, err)
		}
		domains = append(domains, d)
	}
	each := func(n int, do func(ctx context.Context, d *bmapi.Domain, i int) error) {
		t.Helper()
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(8)
		for i := range n {
			g.Go(func() error { return do(ctx, domains[i%3], i) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	group := func(i int) objects.Group {
		g := objects.Group{Name: fmt.Sprintf("g%d", i), Address: fmt.Sprintf("g%d@d%d.test", i, i%3), Create: true}
		for k := range 20 {
			g.Members = append(g.Members, objects.Ref{Kind: objects.RefUser, Name: fmt.Sprintf("u%d@d%d.test", i%3+3*k, i%3)})
		}
		return g
	}
	each(15, func(ctx context.Context, d *bmapi.Domain, i int) error {
		g := group(i)
		g.Members = nil
		o, _, err := m.Group(ctx, d, g)
		return told(o, err)
	})
	each(300, func(ctx context.Context, d *bmapi.Domain, i int) error {
		_, o, err := m.User(ctx, d, objects.User{Address: fmt.Sprintf("u%d@%s", i, d.Name), AllAliases: true, Quota: ptr(5000), Groups: []string{fmt.Sprintf("g%d", i%3)}, Create: true})
		return told(o, err)
	})
	shares := make([]*objects.Entry, 20)
	each(20, func(ctx context.Context, d *bmapi.Domain, i int) error {
		e, o, err := m.Share(ctx, d, objects.Share{Address: fmt.Sprintf("s%d@%s", i, d.Name), Label: "Share", Create: true})
		shares[i] = e
		return told(o, err)
	})
	each(30, func(ctx context.Context, d *bmapi.Domain, i int) error { // each group twice at a time
		_, err := m.Members(ctx, d, group(i%15))
		return err
	})
	each(20, func(ctx context.Context, d *bmapi.Domain, i int) error {
		who := objects.Ref{Kind: objects.RefUser, Name: fmt.Sprintf("u%d@%s", i, d.Name)}
		if _, err := m.Grant(ctx, shares[i], []objects.Right{{Grantee: who, Verbs: []string{"Write"}}}); err != nil {
			return err
		}
		u, err := m.Find(ctx, d, who)
		if err != nil {
			return err
		}
		return told(m.Subscribe(ctx, u, shares[i]))
	})
}

// TestGroupInAnotherCase: BlueMind finds it by its exact name only, and refuses
// another one that differs in case.
func TestGroupInAnotherCase(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	if err := s.admin.CreateGroup(t.Context(), d.UID, "g1", &bmapi.Group{Name: "Sales"}); err != nil {
		t.Fatal(err)
	}
	mark := s.mark()
	group, _, err := s.maker(nil).Group(t.Context(), d, objects.Group{Name: "SALES", Create: true})
	if err != nil || group.Action != objects.AsWanted || group.UID != "g1" || len(s.writes(mark)) > 0 {
		t.Errorf("%+v, %v", group, err)
	}
	// one group that can't be keeps him out of no other
	e, o, err := s.maker(nil).User(t.Context(), d, objects.User{Address: "ada@example.org", Groups: []string{"sales", "User", "Admin"}})
	if err != nil || e == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "administrators") || len(o.Changes) != 1 || o.Changes[0].To != "Sales" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, o, err = s.maker(nil).User(t.Context(), d, objects.User{Address: "ada@example.org", Groups: []string{"SALES"}}); err != nil || o.Action != objects.AsWanted {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestDryRunKnowsNewAliases: what a domain would get counts for those who follow.
func TestDryRunKnowsNewAliases(t *testing.T) {
	s := start(t, 5, town()...)
	was, mark := s.sim.Snapshot(), s.mark()
	m := s.dry()
	d, o, err := m.Domain(t.Context(), objects.Domain{Name: "example.org", Aliases: []string{"example.info"}, UserQuotaMax: ptr(50_000)})
	if err != nil || d == nil || o.Action != objects.Changed || len(o.Changes) != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	e, o, err := m.User(t.Context(), d, objects.User{Address: "new@example.info", Quota: ptr(20_000), Create: true})
	if err != nil || e == nil || o.Action != objects.Created {
		t.Errorf("%+v, %v", o, err)
	}
	if found, err := m.Find(t.Context(), d, objects.Ref{Name: "new@example.info"}); err != nil || found.UID != e.UID || found.Existing {
		t.Errorf("%+v, %v", found, err)
	}
	if o, _, err := m.Group(t.Context(), nil, objects.Group{Name: "g", Domain: "none.test", Create: true}); err != nil || o.Action != objects.Created || o.Domain != "none.test" {
		t.Errorf("%+v, %v", o, err)
	}
	if len(s.writes(mark)) > 0 || s.sim.Snapshot() != was {
		t.Errorf("%v", s.writes(mark))
	}
}

// TestDryRunKnowsWhoIsUnderNewAliases: whose address counts under all names of the
// domain has it under one that a run would add. A dry run says what the run does.
func TestDryRunKnowsWhoIsUnderNewAliases(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	d := s.domain("one.test")
	err := s.admin.CreateUser(t.Context(), d.UID, "by-hand", &bmapi.User{Login: "ada", FamilyNames: "A", Emails: []bmapi.Email{
		{Address: "ada@one.test", AllAliases: true, IsDefault: true}, {Address: "countess@one.test"}}})
	if err == nil {
		err = s.admin.CreateGroup(t.Context(), d.UID, "group", &bmapi.Group{Name: "staff", Emails: []bmapi.Email{{Address: "staff@one.test", AllAliases: true, IsDefault: true}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	var dry []objects.Outcome
	for _, m := range []*objects.Maker{s.dry(), s.maker(nil)} {
		d, o, err := m.Domain(t.Context(), objects.Domain{Name: "one.test", Aliases: []string{"new.test"}})
		if err != nil || d == nil {
			t.Fatalf("%+v, %v", o, err)
		}
		var all []objects.Outcome
		for _, address := range []string{"ada@new.test", "countess@new.test", "staff@new.test"} {
			_, o, err := m.User(t.Context(), d, objects.User{Address: address, Login: "login-" + address[:3], Create: true})
			if err != nil {
				t.Fatal(err)
			}
			o.Changes = nil // that the alias is new is told by the run alone
			all = append(all, o)
		}
		_, members, err := m.Group(t.Context(), d, objects.Group{Name: "list", Domain: "new.test", Create: true, Address: "staff@new.test", Members: []objects.Ref{{Name: "ada@new.test"}}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, members...)
		if members, err = m.Members(t.Context(), d, objects.Group{Name: "staff", Members: []objects.Ref{{Name: "ada@new.test"}, {Name: "countess@new.test"}}}); err != nil {
			t.Fatal(err)
		}
		if all = append(all, members...); m.Dry {
			dry = all
			continue
		}
		for i, o := range all {
			if was := dry[i]; was.Action != o.Action && !(was.Action == objects.AsWanted && o.Action == objects.Changed) || was.Reason != o.Reason || was.UID != o.UID {
				t.Errorf("dry: %+v\nrun: %+v", was, o)
			}
		}
	}
}

// TestAliasTaskFails is told as a conflict: the domain can be used as it is.
func TestAliasTaskFails(t *testing.T) {
	s := start(t, 5, town()...)
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.FailedTask, Path: "/_aliases", Times: 1})
	d, o, err := s.maker(nil).Domain(t.Context(), objects.Domain{Name: "example.org", Aliases: []string{"example.info"}})
	if err != nil || d == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "task failed on purpose") || len(o.Changes) > 0 {
		t.Errorf("%+v, %v", o, err)
	}
	d, o, err = s.maker(nil).Domain(t.Context(), objects.Domain{Name: "example.org", Aliases: []string{"example.info"}})
	if err != nil || !d.Has("example.info") || o.Action != objects.Changed {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestUidKnownByOtherNames: BlueMind drops what users have under a uid that is
// neither the default alias nor an alias, so it is made one before another name
// becomes the default; where nobody may, the row is told.
func TestUidKnownByOtherNames(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "old.test", Users: []bmsim.User{{Login: "ada", Emails: []string{"ada@old.test", "countess@old.test"}}}})
	m := s.maker(nil)
	want := objects.Domain{Name: "old.test", Aliases: []string{"new.test"}, DefaultAlias: "new.test"}
	d, o, err := m.Domain(t.Context(), want)
	if err != nil || o.Action != objects.Changed || d.DefaultAlias != "new.test" || !slices.Contains(d.Aliases, "old.test") {
		t.Fatalf("%+v, %+v, %v", d, o, err)
	}
	e, o, err := m.User(t.Context(), d, objects.User{Address: "ada@old.test", Aliases: []string{"a.l@old.test"}})
	if err != nil || e == nil || o.Action != objects.Changed || len(e.Box.Emails) != 3 {
		t.Errorf("%+v, %+v, %v", e, o, err)
	}
	if _, o, err := s.maker(nil).Domain(t.Context(), want); err != nil || o.Action != objects.AsWanted {
		t.Errorf("%+v, %v", o, err)
	}
	if err := errors.Join(s.admin.DeleteUser(t.Context(), "old.test", e.UID), s.admin.SetAliases(t.Context(), "old.test", []string{"new.test"})); err != nil {
		t.Fatal(err)
	}
	d = s.domain("new.test")
	if _, o, err = s.maker(nil).User(t.Context(), d, objects.User{Address: "x@new.test", Aliases: []string{"y@old.test"}, Create: true}); err != nil || !strings.Contains(o.Reason, "BlueMind keeps no address y@old.test") {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestNames: whichever of the names a row states, a second run finds nothing to
// do, and BlueMind has the family name that it wants.
func TestNames(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	d := s.domain("one.test")
	for i, tc := range []struct {
		first, last, shown    string // of the row
		given, family, public string // in BlueMind
	}{
		{"", "", "", "", "u0", "u0"},
		{"Ada", "", "", "Ada", "Ada", "Ada"},
		{"", "Lovelace", "", "", "Lovelace", "Lovelace"},
		{"Ada", "Lovelace", "", "Ada", "Lovelace", "Ada Lovelace"},
		{"", "", "Ada Lovelace", "", "Ada Lovelace", "Ada Lovelace"},
		{"Ada", "", "Ada Lovelace", "Ada", "Lovelace", "Ada Lovelace"},
		{"Ada", "Lovelace", "A. L.", "Ada", "Lovelace", "A. L."},
		{"  Ada\tB ", "Love  lace", " ", "Ada B", "Love lace", "Ada B Love lace"},
	} {
		u := objects.User{Address: fmt.Sprintf("u%d@one.test", i), FirstName: tc.first, LastName: tc.last, DisplayName: tc.shown, Create: true}
		for _, want := range []objects.Action{objects.Created, objects.AsWanted} {
			if _, o, err := s.maker(nil).User(t.Context(), d, u); err != nil || o.Action != want {
				t.Errorf("%+v: %+v, %v", tc, o, err)
			}
		}
		got, err := s.admin.UserByEmail(t.Context(), d.UID, u.Address)
		if err != nil || got.GivenNames != tc.given || got.FamilyNames != tc.family || got.DisplayName != tc.public {
			t.Errorf("%+v: %q, %q, %q, %v", tc, got.GivenNames, got.FamilyNames, got.DisplayName, err)
		}
	}
}
