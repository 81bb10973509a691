package objects_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// TestDeviations changes one thing by hand at a time. A dry run names it, and so
// does a run that may not change what is there; a run that may puts it right.
func TestDeviations(t *testing.T) {
	ada := func(change func(*bmapi.User)) func(context.Context, *bmapi.Session) error {
		return func(ctx context.Context, a *bmapi.Session) error {
			u, err := a.UserByLogin(ctx, "uno.test", "ada")
			if err != nil {
				return err
			}
			change(u)
			return a.UpdateUser(ctx, "uno.test", u)
		}
	}
	share := func(change func(*bmapi.Mailshare)) func(context.Context, *bmapi.Session) error {
		return func(ctx context.Context, a *bmapi.Session) error {
			s, err := a.Mailshare(ctx, "uno.test", bmapi.ShareUID("uno.test", "support"))
			if err != nil {
				return err
			}
			change(s)
			return a.UpdateMailshare(ctx, "uno.test", s)
		}
	}
	group := func(change func(*bmapi.Group)) func(context.Context, *bmapi.Session) error {
		return func(ctx context.Context, a *bmapi.Session) error {
			g, err := a.GroupByName(ctx, "uno.test", "maths")
			if err != nil {
				return err
			}
			change(g)
			return a.UpdateGroup(ctx, "uno.test", g)
		}
	}
	setting := func(key, value string) func(context.Context, *bmapi.Session) error {
		return func(ctx context.Context, a *bmapi.Session) error {
			all, err := a.Settings(ctx, "uno.test")
			if err != nil {
				return err
			}
			all[key] = value
			return a.PutSettings(ctx, "uno.test", all)
		}
	}
	bob := bmapi.UserUID("uno.test", "bob@one.test")
	maths := bmapi.GroupUID("uno.test", "maths")
	without := func(list []bmapi.Email, address string) []bmapi.Email {
		return slices.DeleteFunc(list, func(e bmapi.Email) bool { return e.Address == address })
	}
	for _, tc := range []struct {
		name  string
		who   string // whose outcome tells
		field string
		do    func(context.Context, *bmapi.Session) error
	}{
		{"alias of the domain gone", "one.test", "aliases", func(ctx context.Context, a *bmapi.Session) error {
			return a.SetAliases(ctx, "uno.test", []string{"one.test"})
		}},
		{"other default alias", "one.test", "default alias", func(ctx context.Context, a *bmapi.Session) error {
			return a.SetDefaultAlias(ctx, "uno.test", "eins.test")
		}},
		{"other user quota of the domain", "one.test", "settings", setting("mailbox_default_user_quota", "1024")},
		{"other maximum of the domain", "one.test", "settings", setting("mailbox_max_user_quota", "5000")},
		{"other language", "one.test", "settings", setting("lang", "de")},
		{"no server for the mail", "two.test", "mail server", func(ctx context.Context, a *bmapi.Session) error {
			if err := a.DeleteUser(ctx, "two.test", bmapi.UserUID("two.test", "carl@two.test")); err != nil {
				return err
			}
			return a.Unassign(ctx, "two.test", "bm-master", "mail/imap")
		}},
		{"other first name", "ada.love@one.test", "first name", ada(func(u *bmapi.User) { u.GivenNames = "Augusta" })},
		{"other last name", "ada.love@one.test", "last name", ada(func(u *bmapi.User) { u.FamilyNames = "King" })},
		{"other display name", "ada.love@one.test", "display name", ada(func(u *bmapi.User) { u.DisplayName = "A" })},
		{"other quota", "ada.love@one.test", "quota", ada(func(u *bmapi.User) { u.Quota = ptr(100) })},
		{"alias gone", "ada.love@one.test", "addresses", ada(func(u *bmapi.User) { u.Emails = without(u.Emails, "countess@one.test") })},
		{"address of one alias only", "ada.love@one.test", "addresses", ada(func(u *bmapi.User) { u.Emails[0].AllAliases, u.Emails[1].AllAliases = false, false })},
		{"other default address", "ada.love@one.test", "default address", ada(func(u *bmapi.User) {
			for i := range u.Emails {
				u.Emails[i].IsDefault = u.Emails[i].Address == "countess@one.test"
			}
		})},
		{"main address gone", "ada.love@one.test", "addresses", ada(func(u *bmapi.User) {
			u.Emails = without(u.Emails, "ada.love@one.test")
		})},
		{"not in the group user", "bob@one.test", "group", func(ctx context.Context, a *bmapi.Session) error {
			return a.RemoveMembers(ctx, "uno.test", "uno.test_user_group", bmapi.Member{Type: "user", UID: bob})
		}},
		{"not in his group", "ada.love@one.test", "group", func(ctx context.Context, a *bmapi.Session) error {
			return a.RemoveMembers(ctx, "uno.test", maths, bmapi.Member{Type: "user", UID: bmapi.UserUID("uno.test", "ada.love@one.test")})
		}},
		{"other label", "support@one.test", "label", share(func(s *bmapi.Mailshare) { s.Label = "Support" })},
		{"other quota of a share", "support@one.test", "quota", share(func(s *bmapi.Mailshare) { s.Quota = nil })},
		{"share without its address under all names", "support@one.test", "addresses", share(func(s *bmapi.Mailshare) { s.Emails[0].AllAliases = false })},
		{"other description", "maths", "description", group(func(g *bmapi.Group) { g.Description = "others" })},
		{"group without address", "maths", "addresses", group(func(g *bmapi.Group) { g.Emails = nil })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, 5)
			s.must(s.maker(nil), small())
			was := s.sim.Snapshot()
			if err := tc.do(t.Context(), s.admin); err != nil {
				t.Fatal(err)
			}
			bent := s.sim.Snapshot()
			if bent == was {
				t.Fatal("nothing was changed")
			}
			named := func(o objects.Outcome) bool {
				return slices.ContainsFunc(o.Changes, func(c objects.Change) bool { return c.Field == tc.field && c.To != "" && c.From != c.To })
			}
			if o := s.must(s.dry(), small()).of(tc.who); o.Action != objects.Changed || !named(o) {
				t.Errorf("dry: %+v", o)
			}
			bound := s.maker(nil)
			bound.Update = false
			if o := s.must(bound, small()).of(tc.who); tc.field != "mail server" && tc.name != "not in the group user" && (o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.field) || o.Mend == "") {
				t.Errorf("without update: %+v", o)
			}
			if tc.field != "mail server" && tc.name != "not in the group user" && s.sim.Snapshot() != bent {
				t.Errorf("changed without leave:\n%s", diff(bent, s.sim.Snapshot()))
			}
			if o := s.must(s.maker(nil), small()).of(tc.who); tc.field != "mail server" && tc.name != "not in the group user" && (o.Action != objects.Changed || !named(o)) {
				t.Errorf("run: %+v", o)
			}
			if got := s.sim.Snapshot(); got != was {
				t.Errorf("not as it was:\n%s", diff(was, got))
			}
		})
	}
}
