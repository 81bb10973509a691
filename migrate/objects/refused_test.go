package objects_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// before has something done by somebody else just before the first call of a
// kind: after the look, that is.
func (s *site) before(method, part string, do func() error) {
	var done atomic.Bool
	s.sim.Faults().Watch(func(c bmsim.Call) {
		if c.Method == method && strings.Contains(c.Path, part) && done.CompareAndSwap(false, true) {
			if err := do(); err != nil {
				s.t.Error(err)
			}
		}
	})
}

// TestTakenMeanwhile: what was free when it was looked for is somebody else's when
// it is asked for. The reason says whose.
func TestTakenMeanwhile(t *testing.T) {
	const uid = "18f0a.internal"
	ctx := t.Context()
	user := func(login, address string) func(*bmapi.Session) error {
		return func(a *bmapi.Session) error {
			return a.CreateUser(ctx, uid, "thief", &bmapi.User{Login: login, FamilyNames: "Thief", Quota: ptr(1), Emails: []bmapi.Email{{Address: address, IsDefault: true}}})
		}
	}
	for _, tc := range []struct {
		name, path, says string
		theft            func(*bmapi.Session) error
		do               func(*objects.Maker, *bmapi.Domain) (objects.Outcome, error)
	}{
		{"address of a user", "/users/", "new@example.org is the address of the user Thief", user("other", "new@example.org"), func(m *objects.Maker, d *bmapi.Domain) (objects.Outcome, error) {
			_, o, err := m.User(ctx, d, objects.User{Address: "new@example.org", Create: true})
			return o, err
		}},
		{"login of a user", "/users/", `"new" is the name of another user`, user("new", "other@example.org"), func(m *objects.Maker, d *bmapi.Domain) (objects.Outcome, error) {
			_, o, err := m.User(ctx, d, objects.User{Address: "x@example.org", Login: "new", Create: true})
			return o, err
		}},
		{"address of a share", "/mailshares/", "new@example.org is the address of the user Thief", user("other", "new@example.org"), func(m *objects.Maker, d *bmapi.Domain) (objects.Outcome, error) {
			_, o, err := m.Share(ctx, d, objects.Share{Address: "new@example.org", Create: true})
			return o, err
		}},
		{"name of a share", "/mailshares/", `"new" is the name of another user`, user("new", "other@example.org"), func(m *objects.Maker, d *bmapi.Domain) (objects.Outcome, error) {
			_, o, err := m.Share(ctx, d, objects.Share{Address: "x@example.org", Name: "new", Create: true})
			return o, err
		}},
		{"address of a group", "/groups/", "new@example.org is the address of the user Thief", user("other", "new@example.org"), func(m *objects.Maker, d *bmapi.Domain) (objects.Outcome, error) {
			o, _, err := m.Group(ctx, d, objects.Group{Name: "g", Address: "new@example.org", Create: true})
			return o, err
		}},
		{"name of a domain", "/domains/", "new.org conflicts with domain", func(a *bmapi.Session) error {
			return a.SetAliases(ctx, uid, []string{"example.org", "example.net", "new.org"})
		}, func(m *objects.Maker, _ *bmapi.Domain) (objects.Outcome, error) {
			_, o, err := m.Domain(ctx, objects.Domain{Name: "new.org", Create: true})
			return o, err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, 5, town()...), &ledger{}
			other, _ := s.login(bmapi.Retry{})
			s.before(http.MethodPut, tc.path, func() error { return tc.theft(other) })
			o, err := tc.do(s.maker(j), s.domain("example.org"))
			if err != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || j.text() != "" {
				t.Errorf("%+v, %v, %q", o, err, j.text())
			}
		})
	}
}

// TestChangesRefused: BlueMind validates all of an entry at each change, so a
// fault may lie in what the row does not touch. The entry can be filled.
func TestChangesRefused(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		fault      bmsim.Fault
		settings   map[string]string // of the domain, set when all is made
	}{
		{"no quota where there is a maximum now", "allows 10 KiB at most", bmsim.Fault{}, map[string]string{"mailbox_max_user_quota": "10", "mailbox_max_publicfolder_quota": "10"}},
		{"for a reason of its own", "failing on purpose (INVALID_PARAMETER)", bmsim.Fault{Kind: bmsim.Failing, Method: "POST", Code: "INVALID_PARAMETER"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, 5, bmsim.Domain{Name: "one.test"})
			d := s.domain("one.test")
			m := s.maker(nil)
			_, _, err := m.User(t.Context(), d, objects.User{Address: "ada@one.test", Create: true})
			if err == nil {
				_, _, err = m.Share(t.Context(), d, objects.Share{Address: "box@one.test", Quota: ptr(100), Create: true})
			}
			if err == nil && tc.settings != nil {
				err = s.admin.PutSettings(t.Context(), d.UID, tc.settings)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/users/", "/mailshares/"} {
				if f := tc.fault; f.Kind != "" {
					f.Path, f.Times = path, 1
					s.sim.Faults().Add(f)
				}
			}
			m = s.maker(nil)
			e, o, err := m.User(t.Context(), d, objects.User{Address: "ada@one.test", DisplayName: "Ada"})
			if err != nil || e == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || len(o.Changes) > 0 {
				t.Errorf("%+v, %+v, %v", e, o, err)
			}
			e, o, err = m.Share(t.Context(), d, objects.Share{Address: "box@one.test", Label: "Box"})
			if err != nil || e == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || len(o.Changes) > 0 {
				t.Errorf("%+v, %+v, %v", e, o, err)
			}
		})
	}
}

// TestQuotaInTheWay: BlueMind refuses every change of an entry whose quota is above
// the domain's maximum, or none. It is not asked for what it would refuse, a dry
// run says so, too, and a quota in the row is the mend.
func TestQuotaInTheWay(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	d := s.domain("one.test")
	user := objects.User{Address: "ada@one.test", Create: true}
	share := objects.Share{Address: "box@one.test", Create: true}
	rows := func(m *objects.Maker) (all []objects.Outcome) {
		t.Helper()
		_, u, err := m.User(t.Context(), d, user)
		if err != nil {
			t.Fatal(err)
		}
		_, b, err := m.Share(t.Context(), d, share)
		if err != nil {
			t.Fatal(err)
		}
		return []objects.Outcome{u, b}
	}
	rows(s.maker(nil))
	if err := s.admin.PutSettings(t.Context(), d.UID, map[string]string{"mailbox_max_user_quota": "1000", "mailbox_max_publicfolder_quota": "1000"}); err != nil {
		t.Fatal(err)
	}
	user.DisplayName, share.Label = "Ada", "Box"
	mark := s.mark()
	for _, m := range []*objects.Maker{s.dry(), s.maker(nil), s.maker(nil)} {
		for _, o := range rows(m) {
			if o.Action != objects.Conflict || len(o.Changes) > 0 || !strings.Contains(o.Reason, "1000 KiB at most") || !strings.Contains(o.Mend, "state a quota") {
				t.Errorf("dry %v: %+v", m.Dry, o)
			}
		}
	}
	if w := s.writes(mark); len(w) > 0 {
		t.Errorf("asked for what is refused: %v", w)
	}
	user.Quota, share.Quota = ptr(1000), ptr(1000)
	for _, m := range []*objects.Maker{s.dry(), s.maker(nil)} {
		for _, o := range rows(m) {
			if o.Action != objects.Changed || len(o.Changes) != 2 {
				t.Errorf("mended, dry %v: %+v", m.Dry, o)
			}
		}
	}
}

// TestShareStaysUnlimited: BlueMind puts the domain's default in the place of a
// share's quota that is none, with any change of it.
func TestShareStaysUnlimited(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	d := s.domain("one.test")
	row := objects.Share{Address: "box@one.test", Create: true}
	if _, _, err := s.maker(nil).Share(t.Context(), d, row); err != nil {
		t.Fatal(err)
	}
	if err := s.admin.PutSettings(t.Context(), d.UID, map[string]string{"mailbox_default_publicfolder_quota": "1000"}); err != nil {
		t.Fatal(err)
	}
	row.Label = "Box"
	if _, o, err := s.maker(nil).Share(t.Context(), d, row); err != nil || o.Action != objects.Changed {
		t.Errorf("%+v, %v", o, err)
	}
	if sh, err := s.admin.Mailshare(t.Context(), d.UID, bmapi.ShareUID(d.UID, "box")); err != nil || sh.Label != "Box" || sh.Quota != nil {
		t.Errorf("%+v, %v", sh, err)
	}
}

// TestPartsRefused: a part of a user that BlueMind refuses keeps no other out, and
// is no change.
func TestPartsRefused(t *testing.T) {
	s, j := start(t, 5, town()...), &ledger{}
	d := s.domain("example.org")
	settings, err := s.admin.Settings(t.Context(), d.UID)
	if err == nil {
		settings["domain_max_fullvisio_accounts"] = "3"
		err = s.admin.PutSettings(t.Context(), d.UID, settings)
	}
	for _, g := range []string{"g1", "g2"} {
		if err == nil {
			err = s.admin.CreateGroup(t.Context(), d.UID, g, &bmapi.Group{Name: g})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Path: "/_updateAccountType", Code: "FORBIDDEN", Times: 1},
		bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/g1/members", Code: "FORBIDDEN", Times: 1})
	want := objects.User{Address: "ada@example.org", DisplayName: "Ada", AccountType: "FULL_AND_VISIO", Groups: []string{"g1", "g2"}}
	e, o, err := s.maker(j).User(t.Context(), d, want)
	if err != nil || e == nil || o.Action != objects.Conflict || len(o.Changes) != 2 || o.Changes[0].Field != "display name" || o.Changes[1].To != "g2" ||
		!strings.Contains(o.Reason, "group g1") || strings.Contains(j.text(), "g1") {
		t.Errorf("%+v, %v\n%s", o, err, j.text())
	}
	_, o, err = s.maker(j).User(t.Context(), d, want)
	if err != nil || o.Action != objects.Changed || len(o.Changes) != 2 || o.Changes[0] != (objects.Change{Field: "account type", From: "FULL", To: "FULL_AND_VISIO"}) {
		t.Errorf("%+v, %v", o, err)
	}
	share, _, err := s.maker(j).Share(t.Context(), d, objects.Share{Address: "support@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	notes := j.text()
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/_acl", Code: "FORBIDDEN", Times: 1},
		bmsim.Fault{Kind: bmsim.Failing, Method: "POST", Path: "/_subscribe", Code: "NOT_FOUND", Times: 1})
	out, err := s.maker(j).Grant(t.Context(), share, []objects.Right{{Grantee: objects.Ref{Name: "ada@example.org"}, Verbs: []string{"Read"}}})
	if err != nil || out[0].Action != objects.Conflict || len(out[0].Changes) > 0 || j.text() != notes {
		t.Errorf("%+v, %v", out, err)
	}
	if o, err = s.maker(j).Subscribe(t.Context(), e, share); err != nil || o.Action != objects.Conflict || j.text() != notes {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestWhoIsShutOut: nobody of these gets mail, and nothing is written to them.
func TestWhoIsShutOut(t *testing.T) {
	s := start(t, 4, company(), bmsim.Domain{Name: "one.test", Shares: []bmsim.Share{{Name: "asleep", Emails: []string{"asleep@one.test"}}, {Name: "away", Emails: []string{"away@one.test"}}},
		Settings: map[string]string{"mail_routing_relay": "old.one.test"}})
	ctx := t.Context()
	d, firm := s.domain("one.test"), s.domain("example.com")
	update := func(change func(context.Context) error) {
		t.Helper()
		if err := change(ctx); err != nil {
			t.Fatal(err)
		}
	}
	update(func(ctx context.Context) error {
		u, err := s.admin.UserByLogin(ctx, firm.UID, "jdupont")
		if err == nil {
			u.Archived = true
			err = s.admin.UpdateUser(ctx, firm.UID, u)
		}
		return err
	})
	for name, change := range map[string]func(*bmapi.Mailshare){
		"asleep": func(m *bmapi.Mailshare) { m.Archived = true }, "away": func(m *bmapi.Mailshare) { m.Routing = bmapi.RoutingExternal }} {
		update(func(ctx context.Context) error {
			box, err := s.admin.MailboxByName(ctx, d.UID, name)
			if err != nil {
				return err
			}
			m, err := s.admin.Mailshare(ctx, d.UID, box.UID)
			if err == nil {
				change(m)
				err = s.admin.UpdateMailshare(ctx, d.UID, m)
			}
			return err
		})
	}
	mark := s.mark()
	e, o, err := s.maker(nil).User(ctx, firm, objects.User{Address: "jean.dupont@example.com", Create: true})
	if err != nil || e != nil || !strings.Contains(o.Mend, "activate the account in Active Directory") || len(o.Fixes) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	for address, says := range map[string]string{"asleep@one.test": "suspended", "away@one.test": "routing external", "none@one.test": "no shared mailbox"} {
		e, o, err = s.maker(nil).Share(ctx, d, objects.Share{Address: address, Label: "New"})
		if err != nil || e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, says) || o.Mend == "" {
			t.Errorf("%+v, %v", o, err)
		}
	}
	for _, bad := range []objects.User{{Address: "bmhiddensysadmin@one.test", Create: true}, {Address: "x@one.test", Login: "bmhiddensysadmin", Create: true}} {
		if e, o, err = s.maker(nil).User(ctx, d, bad); err != nil || e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "BlueMind") {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if writes := s.writes(mark); len(writes) > 0 {
		t.Errorf("%v", writes)
	}
}

// TestForgottenTask: bm-core restarts while it changes a domain's aliases; whether
// it did is seen by looking.
func TestForgottenTask(t *testing.T) {
	s := start(t, 5, town()...)
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Restarting, Path: "/tasks/", Times: 1})
	d, o, err := s.maker(nil).Domain(t.Context(), objects.Domain{Name: "example.org", Aliases: []string{"example.info"}})
	if err == nil && (o.Action != objects.Changed || !d.Has("example.info")) {
		t.Errorf("%+v, %v", o, err)
	}
	d, o, err = s.maker(nil).Domain(t.Context(), objects.Domain{Name: "example.org", Aliases: []string{"example.info"}})
	if err != nil || !d.Has("example.info") || o.Action == objects.Conflict {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestSubscriptionsThatCannotBe are told, without a call that writes.
func TestSubscriptionsThatCannotBe(t *testing.T) {
	s := start(t, 5, town()...)
	m := s.maker(nil)
	d, other := s.domain("example.org"), s.domain("other.org")
	find := func(d *bmapi.Domain, name string) *objects.Entry {
		t.Helper()
		e, err := m.Find(t.Context(), d, objects.Ref{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	ada, eve, box := find(d, "ada@example.org"), find(other, "eve@other.org"), find(d, "support@example.org")
	mark := s.mark()
	for _, tc := range []struct {
		user, box *objects.Entry
		want      objects.Action
	}{{ada, ada, objects.AsWanted}, {box, ada, objects.Conflict}, {eve, box, objects.Conflict}} {
		if o, err := m.Subscribe(t.Context(), tc.user, tc.box); err != nil || o.Action != tc.want {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if _, err := m.Subscribe(t.Context(), nil, box); err == nil {
		t.Error("nobody was subscribed")
	}
	if _, err := m.Grant(t.Context(), nil, nil); err == nil {
		t.Error("rights on nothing")
	}
	if len(s.writes(mark)) > 0 {
		t.Errorf("%v", s.writes(mark))
	}
}
