package objects_test

import (
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// rowsOf is what a Maker is told of a plan: whose row wants an address.
func rowsOf(users []objects.User) func(string) string {
	owner := map[string]string{}
	for _, u := range users {
		for _, a := range append([]string{u.Address}, u.Aliases...) {
			owner[a] = u.Address
		}
	}
	return func(address string) string { return owner[address] }
}

// TestTwoRowsOfOneUser has rows for two addresses of somebody whom BlueMind knew
// before. It must not matter which comes first, or comes alone: he is the one
// whose row has his main address, and keeps his name.
func TestTwoRowsOfOneUser(t *testing.T) {
	desk := objects.User{Address: "desk@one.test", DisplayName: "Desk", AllAliases: true, Create: true}
	boss := objects.User{Address: "boss@one.test", DisplayName: "Boss", AllAliases: true, Create: true}
	for name, order := range map[string][]objects.User{"alias first": {desk, boss}, "main address first": {boss, desk}, "alias alone": {desk}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, 5, bmsim.Domain{Name: "one.test"})
			d := s.domain("one.test")
			if err := s.admin.CreateUser(t.Context(), d.UID, "by-hand", &bmapi.User{Login: "boss", FamilyNames: "Boss", Emails: []bmapi.Email{
				{Address: "boss@one.test", IsDefault: true}, {Address: "desk@one.test"}}}); err != nil {
				t.Fatal(err)
			}
			was := s.sim.Snapshot()
			for _, m := range []*objects.Maker{s.dry(), s.maker(nil)} {
				m.RowOf = rowsOf([]objects.User{desk, boss})
				for _, u := range order {
					e, o, err := m.User(t.Context(), d, u)
					switch {
					case err != nil:
						t.Fatal(err)
					case u.Address == boss.Address && (e == nil || o.Action != objects.AsWanted):
						t.Errorf("the owner: %+v", o)
					case u.Address == desk.Address && (e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "boss@one.test") || o.Mend == ""):
						t.Errorf("the other: %+v", o)
					}
				}
			}
			if got := s.sim.Snapshot(); got != was {
				t.Errorf("changed:\n%s", diff(was, got))
			}
		})
	}
}

// TestSameLeftPart has two people with the same left part in two names of one
// domain. None of them gets the other's address by all_aliases.
func TestSameLeftPart(t *testing.T) {
	for name, byHand := range map[string]bool{"one is there": true, "both are new": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, 5, bmsim.Domain{Name: "one.test", Aliases: []string{"uno.test"}})
			d := s.domain("one.test")
			if byHand {
				if err := s.admin.CreateUser(t.Context(), d.UID, "by-hand", &bmapi.User{Login: "desk1", FamilyNames: "Desk", Emails: []bmapi.Email{
					{Address: "desk@one.test", IsDefault: true}}}); err != nil {
					t.Fatal(err)
				}
			}
			rows := []objects.User{{Address: "desk@uno.test", Login: "desk2", AllAliases: true, Create: true}, {Address: "desk@one.test", Login: "desk1", AllAliases: true, Create: true}}
			was := s.sim.Snapshot()
			for _, m := range []*objects.Maker{s.dry(), s.maker(nil), s.maker(nil)} {
				m.RowOf = rowsOf(rows)
				for _, u := range rows {
					e, o, err := m.User(t.Context(), d, u)
					if err != nil {
						t.Fatal(err)
					}
					if o.Action != objects.Conflict || !strings.Contains(o.Mend, "all_aliases") {
						t.Errorf("%s: %+v", u.Address, o)
					}
					if there := byHand && u.Address == "desk@one.test"; (e != nil) != there {
						t.Errorf("%s: entry %+v", u.Address, e)
					}
				}
			}
			if got := s.sim.Snapshot(); got != was {
				t.Errorf("changed:\n%s", diff(was, got))
			}
		})
	}
}

// TestSharesOfOneName has two shares that would have the same name, and so the
// same folder. A dry run says so, too.
func TestSharesOfOneName(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test", Aliases: []string{"uno.test"}})
	d := s.domain("one.test")
	for _, m := range []*objects.Maker{s.dry(), s.maker(nil), s.maker(nil)} {
		for i, address := range []string{"compta@one.test", "compta@uno.test"} {
			e, o, err := m.Share(t.Context(), d, objects.Share{Address: address, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			if good := o.Action != objects.Conflict && e != nil; good != (i == 0) || i == 1 && !strings.Contains(o.Mend, "another address") {
				t.Errorf("dry %v: %+v", m.Dry, o)
			}
		}
	}
}

// TestOtherAddress: who is known by another address than his row's is its user
// only where the row says so, by his login or his main address.
func TestOtherAddress(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	for name, w := range map[string]objects.User{
		"by login":           {Address: "countess@example.org", Login: "ada"},
		"by main address":    {Address: "countess@example.org", Aliases: []string{"ada@example.org"}},
		"under another name": {Address: "bob@example.net", Login: "robert"},
	} {
		if e, o, err := s.maker(nil).User(t.Context(), d, w); err != nil || e == nil || o.Action == objects.Conflict {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}
