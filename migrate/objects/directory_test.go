package objects_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// company is a domain whose users belong to an Active Directory: the uid is a
// made-up one, the login is not the local part, one user is not imported yet,
// one has no mail attribute, one no role, one lacks an alias, and one still has
// his mail in the old system.
func company() bmsim.Domain {
	return bmsim.Domain{
		UID: "18f0b.internal", Name: "example.com", Aliases: []string{"example.com", "example.net"},
		Properties: map[string]string{"import_ad_relay_mailbox_group": "Not yet moved"},
		Settings:   map[string]string{"mail_routing_relay": "exchange.example.com"},
		Directory: &bmsim.Directory{Kind: bmsim.ActiveDirectory, People: []bmsim.Person{
			{Login: "jdupont", Password: "his", Name: "Dupont", FirstName: "Jean", Emails: []string{"jean.dupont@example.com", "jd"}, Groups: []string{"sales"}, Member: true},
			{Login: "amartin", Password: "hers", Name: "Martin", Emails: []string{"anne.martin@example.com"}, Waits: true},
			{Login: "nomail", Name: "Nomail", Member: true},
			{Login: "norole", Name: "Norole", Emails: []string{"no.role@example.com"}},
			{Login: "moved", Name: "Moved", Emails: []string{"moved.not@example.com"}, Member: true},
		}},
	}
}

func TestDirectoryUsers(t *testing.T) {
	for _, dry := range []bool{false, true} {
		s := start(t, 5, company())
		d := s.domain("example.net")
		if !objects.IsDirectoryDomain(d) {
			t.Fatal("not seen as a domain with an import")
		}
		moved, err := s.admin.UserByLogin(t.Context(), d.UID, "moved")
		if err == nil {
			moved.Routing = bmapi.RoutingExternal
			err = s.admin.UpdateUser(t.Context(), d.UID, moved)
		}
		if err != nil {
			t.Fatal(err)
		}
		was, mark := s.sim.Snapshot(), s.mark()
		m := s.maker(&ledger{})
		m.Dry = dry
		user := func(u objects.User) (*objects.Entry, objects.Outcome) {
			t.Helper()
			u.Create = true
			e, o, err := m.User(t.Context(), d, u)
			if err != nil || !o.Directory {
				t.Errorf("%s: %+v, %v", u.Address, o, err)
			}
			return e, o
		}
		e, o := user(objects.User{Address: "jean.dupont@example.com", LastName: "Other", Groups: []string{"sales"}})
		if e == nil || e.Name != "jdupont" || !e.Directory || !e.Existing || o.Action != objects.AsWanted || len(o.Fixes) > 0 {
			t.Errorf("%+v, %+v", e, o)
		}
		e, o = user(objects.User{Address: "jean.dupont@example.com", Aliases: []string{"jd@example.net", "j.dupont@example.com"}})
		if e == nil || o.Action != objects.AsWanted || len(o.Fixes) != 1 || o.Fixes[0].Login != "jdupont" || !strings.Contains(o.Fixes[0].Problem, "j.dupont@example.com") ||
			!strings.Contains(o.Fixes[0].Mend, "Active Directory") {
			t.Errorf("%+v, %+v", e, o)
		}
		_, o = user(objects.User{Address: "no.role@example.com", Quota: ptr(5), AccountType: "SIMPLE", DataLocation: "elsewhere", Groups: []string{"sales", "nosuch"}})
		if text := fmt.Sprint(o.Fixes); len(o.Fixes) != 6 || !strings.Contains(text, "quota none in BlueMind, 5 KiB wanted") || !strings.Contains(text, "FULL in BlueMind, SIMPLE wanted") ||
			!strings.Contains(text, "not by elsewhere") || !strings.Contains(text, `not in the group "sales"`) || !strings.Contains(text, `no group "nosuch"`) {
			t.Errorf("%s", text)
		}
		for address, says := range map[string]string{
			"anne.martin@example.com": "the import from Active Directory has not brought him",
			"nomail.not@example.com":  "has not brought him",
		} {
			e, o = user(objects.User{Address: address})
			if e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, says) || len(o.Fixes) != 1 || o.Fixes[0].Problem != o.Reason || o.Fixes[0].Mend == "" {
				t.Errorf("%+v, %+v", e, o)
			}
		}
		// BlueMind 5 has a mailbox for who is routed elsewhere
		if e, o = user(objects.User{Address: "moved.not@example.com"}); e == nil || o.Action != objects.AsWanted || !strings.Contains(o.Reason, "still goes to exchange.example.com") ||
			!strings.Contains(o.Mend, `"Not yet moved" in Active Directory`) {
			t.Errorf("the group that decides is not named: %+v", o)
		}
		e, o = user(objects.User{Address: "n.omail@example.com", Login: "nomail"})
		if e != nil || !strings.Contains(o.Reason, "the user nomail has no mail attribute in Active Directory") || o.Fixes[0].Login != "nomail" {
			t.Errorf("%+v, %+v", e, o)
		}
		e, o = user(objects.User{Address: "j.dupont@example.com", Login: "jdupont"})
		if e != nil || !strings.Contains(o.Reason, "comes from Active Directory without the address j.dupont@example.com") {
			t.Errorf("%+v, %+v", e, o)
		}
		e, o = user(objects.User{Address: "no.role@example.com"})
		if e == nil || o.Action != objects.AsWanted || len(o.Fixes) != 1 || !strings.Contains(o.Fixes[0].Problem, "no role") {
			t.Errorf("%+v, %+v", e, o)
		}
		out, _, err := m.Group(t.Context(), d, objects.Group{Name: "sales", Description: "ours", Create: true})
		if err != nil || out.Action != objects.AsWanted || !out.Directory {
			t.Errorf("%+v, %v", out, err)
		}
		members, err := m.Members(t.Context(), d, objects.Group{Name: "sales", Members: []objects.Ref{{Name: "jean.dupont@example.com"}, {Name: "no.role@example.com"}}})
		if err != nil || len(members) != 2 || members[0].Action != objects.AsWanted || members[1].Action != objects.Conflict || !members[1].Directory {
			t.Errorf("%+v, %v", members, err)
		}
		if writes := s.writes(mark); len(writes) > 0 || s.sim.Snapshot() != was {
			t.Errorf("dry %v: %v", dry, writes)
		}
	}
}

// TestTechnicalUserBesideADirectory: a writer for shares is BlueMind's own, also
// in a domain that imports its users, and his creation is finished like any.
func TestTechnicalUserBesideADirectory(t *testing.T) {
	s := start(t, 5, company())
	d := s.domain("example.com")
	writer := objects.User{Address: "bmsync-writer@example.com", Hidden: true, Create: true}
	for _, want := range []objects.Action{objects.Created, objects.AsWanted} {
		e, o, err := s.maker(nil).User(t.Context(), d, writer)
		if err != nil || e == nil || o.Action != want || o.Directory {
			t.Errorf("%+v, %+v, %v", e, o, err)
		}
	}
	u, err := s.admin.UserByEmail(t.Context(), d.UID, writer.Address)
	if err != nil || !u.Hidden {
		t.Errorf("%+v, %v", u, err)
	}
	share, _, err := s.maker(nil).Share(t.Context(), d, objects.Share{Address: "box@example.com", Create: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.maker(nil).Grant(t.Context(), share, []objects.Right{{Grantee: objects.Ref{Name: "jean.dupont@example.com"}, Verbs: []string{"Read"}}})
	if err != nil || out[0].Action != objects.Created {
		t.Errorf("%v, %v", out, err)
	}
	if calls := s.sim.Journal().Writes(); slices.ContainsFunc(calls, func(c bmsim.Call) bool { return c.Owned }) {
		t.Errorf("what the directory owns was written to: %v", calls)
	}
}
