package bmapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
)

// onBoth runs a test on simulators of both versions.
func onBoth(t *testing.T, cfg bmsim.Config, f func(t *testing.T, sim *bmsim.Sim, c *bmapi.Client, admin *bmapi.Session)) {
	t.Helper()
	for _, version := range []int{4, 5} {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			cfg := cfg
			cfg.Version = version
			sim := startSim(t, cfg)
			c, admin := dialSim(t, sim)
			f(t, sim, c, admin)
		})
	}
}

var people = bmsim.Config{Domains: []bmsim.Domain{{Name: "d.org", Users: []bmsim.User{{Login: "ada", Password: "p"}, {Login: "bob", Password: "p"}},
	Shares: []bmsim.Share{{Name: "support"}}}}}

func TestSimGroups(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		ada, bob := must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "ada")), must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "bob"))
		staff, board := bmapi.GroupUID("d.org", "staff"), bmapi.GroupUID("d.org", "board")
		err := errors.Join(
			admin.CreateGroup(ctx, "d.org", staff, &bmapi.Group{Name: "staff", Emails: []bmapi.Email{{Address: "Staff@d.org", IsDefault: true}}}),
			admin.CreateGroup(ctx, "d.org", board, &bmapi.Group{Name: "board", Description: "few"}))
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.CreateGroup(ctx, "d.org", bmapi.GroupUID("d.org", "x"), &bmapi.Group{Name: "staff"}); !errors.Is(err, bmapi.ErrAlreadyExists) {
			t.Errorf("a name twice: %v", err)
		}
		for range 2 {
			err = errors.Join(err, admin.AddMembers(ctx, "d.org", board, bmapi.Member{Type: bmapi.MemberUser, UID: ada.UID}),
				admin.AddMembers(ctx, "d.org", staff, bmapi.Member{Type: bmapi.MemberUser, UID: bob.UID}, bmapi.Member{Type: bmapi.MemberGroup, UID: board}))
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := admin.AddMembers(ctx, "d.org", staff, bmapi.Member{Type: bmapi.MemberUser, UID: "nobody"}); !errors.Is(err, bmapi.ErrInvalid) {
			t.Errorf("unknown member: %v", err)
		}
		if ms := must[[]bmapi.Member](t)(admin.Members(ctx, "d.org", staff)); len(ms) != 2 {
			t.Errorf("members %v", ms)
		}
		if got := must[[]string](t)(admin.GroupsOf(ctx, "d.org", ada.UID)); !slices.Contains(got, board) || !slices.Contains(got, staff) {
			t.Errorf("groups of ada: %v", got)
		}
		g := must[*bmapi.Group](t)(admin.GroupByEmail(ctx, "d.org", "staff@d.org"))
		if g.UID != staff || g.Name != "staff" || g.DefaultEmail() != "staff@d.org" || g.Profile() {
			t.Errorf("got %+v", g)
		}
		g.Description, g.Hidden = "all", true
		if err := admin.UpdateGroup(ctx, "d.org", g); err != nil {
			t.Error(err)
		}
		if g = must[*bmapi.Group](t)(admin.Group(ctx, "d.org", staff)); g.Description != "all" || !g.Hidden || len(g.Emails) != 1 {
			t.Errorf("got %+v", g)
		}
		if err := admin.RemoveMembers(ctx, "d.org", staff, bmapi.Member{Type: bmapi.MemberUser, UID: bob.UID}); err != nil {
			t.Error(err)
		}
		if uids := must[[]string](t)(admin.GroupUIDs(ctx, "d.org")); !slices.Contains(uids, staff) {
			t.Errorf("groups %v", uids)
		}
		// Their group is gone, and once more.
		if err := errors.Join(admin.DeleteGroup(ctx, "d.org", staff), admin.DeleteGroup(ctx, "d.org", staff)); err != nil {
			t.Error(err)
		}
		if _, err := admin.Group(ctx, "d.org", staff); !errors.Is(err, bmapi.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
}

func TestSimUsersApart(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, c *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		ada := must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "ada"))
		if uids := must[[]string](t)(admin.AllUIDs(ctx, "d.org")); !slices.Contains(uids, ada.UID) {
			t.Errorf("users %v", uids)
		}
		roles := must[[]string](t)(admin.Roles(ctx, "d.org", ada.UID))
		resolved := must[[]string](t)(admin.RolesResolved(ctx, "d.org", ada.UID))
		if len(resolved) < len(roles) {
			t.Errorf("roles %v, by groups %v", roles, resolved)
		}
		if err := admin.SetUserExtID(ctx, "d.org", ada.UID, "uuid+1/2"); err != nil {
			t.Fatal(err)
		}
		if u := must[*bmapi.User](t)(admin.UserByExtID(ctx, "d.org", "uuid+1/2")); u.UID != ada.UID || u.ExternalID != "uuid+1/2" {
			t.Errorf("got %+v", u)
		}
		settings := must[map[string]string](t)(admin.UserSettings(ctx, "d.org", ada.UID))
		settings["lang"] = "pl"
		if err := admin.PutUserSettings(ctx, "d.org", ada.UID, settings); err != nil {
			t.Error(err)
		}
		if again := must[map[string]string](t)(admin.UserSettings(ctx, "d.org", ada.UID)); again["lang"] != "pl" {
			t.Errorf("settings %v", again)
		}
		if err := admin.SetPassword(ctx, "d.org", ada.UID, "N3w pass!"); err != nil {
			t.Error(err)
		}
		if kind := must[string](t)(c.Validate(ctx, "ada@d.org", "N3w pass!")); kind != bmapi.ValidPassword {
			t.Errorf("validate: %s", kind)
		}
		if err := admin.UpdateAccountType(ctx, "d.org", ada.UID, bmapi.AccountSimple); !errors.Is(err, bmapi.ErrForbidden) {
			t.Errorf("a full account made simple: %v", err)
		}
		uid := bmapi.UserUID("d.org", "eve@d.org")
		if err := admin.CreateUserWithExtID(ctx, "d.org", uid, "ext", &bmapi.User{Login: "eve", FamilyNames: "E"}); err != nil {
			t.Fatal(err)
		}
		if e := must[[]bmapi.DirEntry](t)(admin.EntriesOf(ctx, "d.org", []string{uid, "gone"})); len(e) != 1 || e[0].ExternalID != "ext" || e[0].Kind != bmapi.KindUser {
			t.Errorf("entries %+v", e)
		}
		i := 0
		for e, err := range admin.Entries(ctx, "d.org", bmapi.DirQuery{Kinds: []string{bmapi.KindUser}, NameOrEmail: "eve"}) {
			if i++; err != nil || e.EntryUID != uid || e.ExternalID != "ext" {
				t.Errorf("got %+v, %v", e, err)
			}
		}
		if i != 1 {
			t.Errorf("%d entries", i)
		}
	})
}

func TestSimMailboxLists(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		support := must[*bmapi.Mailbox](t)(admin.MailboxByName(ctx, "d.org", "support"))
		ada := must[*bmapi.Mailbox](t)(admin.MailboxByName(ctx, "d.org", "ada"))
		if uids := must[[]string](t)(admin.MailboxUIDsByType(ctx, "d.org", bmapi.BoxMailshare)); !slices.Equal(uids, []string{support.UID}) {
			t.Errorf("mailshares %v", uids)
		}
		if uids := must[[]string](t)(admin.MailboxUIDs(ctx, "d.org")); !slices.Contains(uids, ada.UID) || !slices.Contains(uids, support.UID) {
			t.Errorf("mailboxes %v", uids)
		}
		if uids := must[[]string](t)(admin.MailboxUIDsByRouting(ctx, "d.org", bmapi.RoutingExternal)); len(uids) != 0 {
			t.Errorf("of external routing: %v", uids)
		}
		of := must[[]*bmapi.Mailbox](t)(admin.MailboxesOf(ctx, "d.org", []string{support.UID, "gone", ada.UID}))
		if len(of) != 2 || !slices.ContainsFunc(of, func(m *bmapi.Mailbox) bool { return m.UID == support.UID && m.Type == bmapi.BoxMailshare }) {
			t.Errorf("got %v", of)
		}
		if all := must[[]*bmapi.Mailbox](t)(admin.Mailboxes(ctx, "d.org")); len(all) < 3 {
			t.Errorf("got %v", all)
		}
		if all := must[[]*bmapi.Mailshare](t)(admin.Mailshares(ctx, "d.org")); len(all) != 1 || all[0].UID != support.UID || all[0].Name != "support" {
			t.Errorf("got %v", all)
		}
		for range 2 {
			if err := admin.DeleteMailshare(ctx, "d.org", support.UID); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSimSubscriptions(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		support := must[*bmapi.Mailbox](t)(admin.MailboxByName(ctx, "d.org", "support"))
		ada := must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "ada"))
		had := must[[]bmapi.AccessEntry](t)(admin.ACL(ctx, support.UID))
		acl := bmapi.JoinACL(had, []bmapi.AccessEntry{{Subject: ada.UID, Verb: bmapi.VerbWrite}})
		if err := errors.Join(admin.SetACL(ctx, support.UID, acl), admin.Subscribe(ctx, "d.org", ada.UID, support.UID), admin.Subscribe(ctx, "d.org", ada.UID, support.UID)); err != nil {
			t.Fatal(err)
		}
		if uids := must[[]string](t)(admin.Subscribers(ctx, "d.org", support.UID)); !slices.Equal(uids, []string{ada.UID}) {
			t.Errorf("subscribers %v", uids)
		}
		for range 2 {
			if err := admin.Unsubscribe(ctx, "d.org", ada.UID, support.UID); err != nil {
				t.Error(err)
			}
		}
		if uids := must[[]string](t)(admin.Subscribers(ctx, "d.org", support.UID)); len(uids) != 0 {
			t.Errorf("subscribers %v", uids)
		}
		if err := admin.Subscribe(ctx, "d.org", ada.UID, "no-such-box"); !errors.Is(err, bmapi.ErrNotFound) {
			t.Errorf("unknown box: %v", err)
		}
	})
}

func TestSimExternalUser(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		uid := bmapi.ExternalUID("d.org", "x@other.org")
		if err := admin.CreateExternalUser(ctx, "d.org", uid, &bmapi.ExternalUser{Address: "X@other.org", DisplayName: "Mr X"}); err != nil {
			t.Fatal(err)
		}
		e := must[*bmapi.ExternalUser](t)(admin.ExternalUser(ctx, "d.org", uid))
		if e.Address != "x@other.org" || e.DisplayName != "Mr X" || e.FamilyNames == "" {
			t.Errorf("got %+v", e)
		}
		e.DisplayName = "Mrs X"
		if err := admin.UpdateExternalUser(ctx, "d.org", e); err != nil {
			t.Error(err)
		}
		if e = must[*bmapi.ExternalUser](t)(admin.ExternalUser(ctx, "d.org", uid)); e.DisplayName != "Mrs X" {
			t.Errorf("got %+v", e)
		}
		for range 2 {
			if err := admin.DeleteExternalUser(ctx, "d.org", uid); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSimDeleteDomain(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		d := must[*bmapi.Domain](t)(admin.LookupDomain(ctx, "d.org"))
		d.Label = "a new label"
		if err := admin.UpdateDomain(ctx, d); err != nil {
			t.Error(err)
		}
		if d = must[*bmapi.Domain](t)(admin.Domain(ctx, d.UID)); d.Label != "a new label" {
			t.Errorf("got %+v", d)
		}
		for range 2 {
			if err := admin.DeleteDomain(ctx, d.UID); err != nil {
				t.Error(err)
			}
		}
		if _, err := admin.LookupDomain(ctx, "d.org"); !errors.Is(err, bmapi.ErrNotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
}

// TestSimRestart: the tasks are forgotten in the middle of one.
func TestSimRestart(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		ctx := t.Context()
		admin.WithRenew(func(context.Context) (string, error) { return adminPassword, nil })
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.SlowTask, Path: "/users/", Delay: 300 * time.Millisecond, Times: 1})
		ada := must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "ada"))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := admin.DeleteUser(ctx, "d.org", ada.UID); err != nil {
				t.Errorf("delete: %v", err)
			}
		})
		for !slices.ContainsFunc(sim.Journal().Calls(), func(c bmsim.Call) bool { return c.Method == "DELETE" }) {
			time.Sleep(time.Millisecond)
		}
		sim.Restart()
		wg.Wait()
		if _, err := admin.User(ctx, "d.org", ada.UID); !errors.Is(err, bmapi.ErrNotFound) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestSimOutage goes through a minute without a core, with many at work. The clock moves
// as they wait.
func TestSimOutage(t *testing.T) {
	for _, version := range []int{4, 5} {
		var ahead atomic.Int64
		cfg := people
		cfg.Version, cfg.Now = version, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		sim := startSim(t, cfg)
		_, admin := dialSleeping(t, sim, func(ctx context.Context, d time.Duration) error { ahead.Add(int64(d)); return ctx.Err() })
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable, For: time.Minute})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				login := fmt.Sprint("user", i)
				if err := admin.CreateUser(t.Context(), "d.org", bmapi.UserUID("d.org", login), &bmapi.User{Login: login, FamilyNames: "X"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if uids := must[[]string](t)(admin.AllUIDs(t.Context(), "d.org")); len(uids) < 10 || ahead.Load() < int64(time.Minute) {
			t.Errorf("version %d: users %v after %s", version, uids, time.Duration(ahead.Load()))
		}
	}
}

// TestSimSessionsEnd: all sessions end in the middle of many calls, twice, and each time
// one login makes up for it.
func TestSimSessionsEnd(t *testing.T) {
	onBoth(t, people, func(t *testing.T, sim *bmsim.Sim, _ *bmapi.Client, admin *bmapi.Session) {
		admin.WithRenew(func(context.Context) (string, error) { return adminPassword, nil })
		user := must[*bmapi.Session](t)(admin.Su(t.Context(), "ada", "d.org"))
		for range 2 {
			sim.ExpireSessions()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					_, err := user.Keys(t.Context())
					if err := errors.Join(err, admin.Ping(t.Context())); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		logins, sus := 0, 0
		for _, c := range sim.Journal().Calls() {
			switch c.Path {
			case "/auth/login":
				logins++
			case "/auth/_su":
				sus++
			}
		}
		// _su is refused with 401 once for each time, before the new login.
		if logins != 3 || sus > 5 || sus < 3 {
			t.Errorf("%d logins, %d su", logins, sus)
		}
	})
}
