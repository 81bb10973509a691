package objects_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// town is a domain that people have filled, and one beside it.
func town() []bmsim.Domain {
	return []bmsim.Domain{
		{UID: "18f0a.internal", Name: "example.org", Aliases: []string{"example.org", "example.net"},
			Settings: map[string]string{"mailbox_max_user_quota": "10000", "mailbox_max_publicfolder_quota": "20000", "domain_max_users": "5", "mail_routing_relay": "old.example.org"},
			Users: []bmsim.User{
				{Login: "ada", Name: "Lovelace", Emails: []string{"ada@example.org", "countess@example.org"}, QuotaKiB: 5000},
				{Login: "bob", Name: "Babbage", Emails: []string{"bob@example.net"}, QuotaKiB: 5000},
				{Login: "gone", Name: "Gone", Emails: []string{"gone@example.org"}, QuotaKiB: 5000, Archived: true},
			},
			Shares: []bmsim.Share{{Name: "support", Emails: []string{"support@example.org"}}}},
		{Name: "other.org", Users: []bmsim.User{{Login: "eve", Name: "Eve", Emails: []string{"eve@other.org"}}}},
	}
}

// TestBadUsers is one finding each, the same in a dry run and in a run, and
// nothing is written.
func TestBadUsers(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	// somebody of another domain whose main address is one of ours
	err := s.admin.CreateUser(t.Context(), "other.org", "guest", &bmapi.User{Login: "guest", FamilyNames: "Guest", Emails: []bmapi.Email{{Address: "guest@example.org", IsDefault: true}}})
	if err == nil {
		err = s.admin.CreateGroup(t.Context(), d.UID, "staff", &bmapi.Group{Name: "staff", Emails: []bmapi.Email{{Address: "staff@example.org", IsDefault: true}}})
	}
	if err == nil {
		err = s.admin.CreateUser(t.Context(), d.UID, "outside", &bmapi.User{Login: "outside", FamilyNames: "O", Routing: bmapi.RoutingExternal, Quota: ptr(100),
			Emails: []bmapi.Email{{Address: "outside@example.org", IsDefault: true}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	secretOf := func(p string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return p, nil }
	}
	for _, tc := range []struct {
		name string
		want objects.User
		says string
		live bool // only a run that writes can tell
	}{
		{"login that BlueMind refuses", objects.User{Address: "o'neil@example.org"}, `"o'neil" as a login`, false},
		{"login with capitals", objects.User{Address: "x@example.org", Login: "Jean"}, `"Jean" as a login`, false},
		{"BlueMind's own login", objects.User{Address: "x@example.org", Login: "admin0"}, "BlueMind's own", false},
		{"address of an administrator", objects.User{Address: "admin0@example.org", Login: "x"}, "BlueMind itself", false},
		{"no address", objects.User{Address: "jean"}, "as an address", false},
		{"address that BlueMind refuses", objects.User{Address: "jéan@example.org"}, "as an address", false},
		{"address of a group", objects.User{Address: "staff@example.org"}, "address of a group", false},
		{"address of a shared mailbox", objects.User{Address: "support@example.org"}, "address of a shared mailbox", false},
		{"alias of a group", objects.User{Address: "x@example.org", Aliases: []string{"staff@example.org"}}, "staff@example.org is the address of the group staff", false},
		{"alias of somebody else", objects.User{Address: "x@example.org", Aliases: []string{"countess@example.org"}}, "address of the user", false},
		{"alias that somebody has under another name", objects.User{Address: "bob@example.org", Login: "bob2", AllAliases: true}, "bob@example.net is the address of the user", false},
		{"alias of another domain", objects.User{Address: "x@example.org", Aliases: []string{"x@other.org"}}, "another domain of BlueMind, other.org", false},
		{"alias of no domain", objects.User{Address: "x@example.org", Aliases: []string{"x@nowhere.org"}}, "has not the alias nowhere.org", false},
		{"address of another domain", objects.User{Address: "x@other.org"}, "another domain of BlueMind, other.org", false},
		{"alias of somebody who is there", objects.User{Address: "countess@example.org"}, "countess@example.org is only another address of ada@example.org, whose login is ada", false},
		{"main address of another domain's user", objects.User{Address: "guest@example.org"}, "main address of the user Guest in another domain of BlueMind, other.org", false},
		{"login that somebody has", objects.User{Address: "x@example.org", Login: "ada"}, `"ada" is the name of another user in BlueMind (ada@example.org)`, false},
		{"login that a share has", objects.User{Address: "x@example.org", Login: "support"}, `"support" is the name of another shared mailbox`, false},
		{"quota above the maximum", objects.User{Address: "x@example.org", Quota: ptr(10001)}, "allows 10000 KiB at most", false},
		{"no quota where there is a maximum", objects.User{Address: "x@example.org", Quota: ptr(0)}, "quota none", false},
		{"quota of a user above the maximum", objects.User{Address: "ada@example.org", Quota: ptr(10001)}, "allows 10000 KiB at most", false},
		{"quota below zero", objects.User{Address: "x@example.org", Quota: ptr(-1)}, "does not take a quota", false},
		{"unknown group", objects.User{Address: "x@example.org", Groups: []string{"nosuch"}}, `no group "nosuch"`, false},
		{"unknown group of a user", objects.User{Address: "ada@example.org", Groups: []string{"nosuch"}}, `no group "nosuch"`, false},
		{"administrators' group", objects.User{Address: "x@example.org", Groups: []string{"admin"}}, "administrators", false},
		{"alias of somebody else, wanted of a user", objects.User{Address: "ada@example.org", Aliases: []string{"bob@example.net"}}, "bob@example.net is the address of the user Babbage", false},
		{"back to SIMPLE", objects.User{Address: "ada@example.org", AccountType: "SIMPLE"}, "takes none back to SIMPLE", false},
		{"with VISIO, which has no limit", objects.User{Address: "ada@example.org", AccountType: "FULL_AND_VISIO"}, "no limit for accounts of type FULL_AND_VISIO", false},
		{"on another server", objects.User{Address: "ada@example.org", DataLocation: "elsewhere"}, "not by elsewhere", false},
		{"suspended", objects.User{Address: "gone@example.org"}, "suspended", false},
		{"unknown account type", objects.User{Address: "x@example.org", AccountType: "BIG"}, `no account type "BIG"`, false},
		{"SIMPLE without a limit", objects.User{Address: "x@example.org", AccountType: "simple"}, "no limit for accounts of type SIMPLE", false},
		{"server without mail of the domain", objects.User{Address: "x@example.org", DataLocation: "elsewhere"}, `the server "elsewhere" keeps no mail`, false},
		{"empty password", objects.User{Address: "x@example.org", Password: secretOf(" ")}, "password is empty", true},
		{"password with an accent", objects.User{Address: "x@example.org", Password: secretOf("Pässword")}, "character", true},
		{"password that looks like a hash", objects.User{Address: "x@example.org", Password: secretOf("0123456789abcdef0123456789abcdef")}, "hash", true},
		{"password that looks like a salted hash", objects.User{Address: "x@example.org", Password: secretOf("12:ab:cd")}, "hash", true},
		{"not to be made", objects.User{Address: "x@example.org", Hidden: true}, "has no mailbox", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Create = tc.name != "not to be made"
			was := s.sim.Snapshot()
			for _, m := range []*objects.Maker{s.dry(), s.maker(&ledger{})} {
				if tc.live && m.Dry {
					continue
				}
				e, o, err := m.User(t.Context(), d, tc.want)
				// what is wrong with a user who is there keeps no mail out
				there := tc.want.Address == "ada@example.org"
				if err != nil || (e != nil) != there || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || o.Mend == "" {
					t.Errorf("%v, %+v, %v", e, o, err)
				}
				if strings.Contains(o.Reason+o.Mend, "0123456789abcdef") {
					t.Errorf("a password is told: %+v", o)
				}
			}
			if s.sim.Snapshot() != was {
				t.Error("something was written")
			}
		})
	}
}

// TestLoginAddressTaken: BlueMind gives each user his login as an address under the
// domain's uid, and refuses him where somebody has it. He is not asked for in
// vain, and the reason names the other and the column.
func TestLoginAddressTaken(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s := start(t, version, bmsim.Domain{Name: "one.test"})
		d := s.domain("one.test")
		if err := s.admin.CreateUser(t.Context(), d.UID, "by-hand", &bmapi.User{Login: "bob", FamilyNames: "Bob", Emails: []bmapi.Email{
			{Address: "bob@one.test", IsDefault: true}, {Address: "ada@one.test"}}}); err != nil {
			t.Fatal(err)
		}
		mark := s.mark()
		for _, m := range []*objects.Maker{s.dry(), s.maker(&ledger{})} {
			e, o, err := m.User(t.Context(), d, objects.User{Address: "ada.love@one.test", Login: "ada", Create: true})
			if err != nil {
				t.Fatal(err)
			}
			if version == 4 && m.Dry {
				continue // whether it is a BlueMind that does so only its refusal tells
			}
			if e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "ada@one.test") || !strings.Contains(o.Reason, "Bob") || !strings.Contains(o.Mend, "column login") {
				t.Errorf("dry %v: %+v", m.Dry, o)
			}
		}
		if w := s.writes(mark); version == 5 && len(w) > 0 {
			t.Errorf("asked for in vain: %v", w)
		}
	})
}

// TestSplitDomain: BlueMind 5 takes in mail of who is routed elsewhere, and 4
// has no mailbox for him. What else differs is told with it.
func TestSplitDomain(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	if err := s.admin.CreateUser(t.Context(), d.UID, "outside", &bmapi.User{Login: "outside", FamilyNames: "O", Routing: bmapi.RoutingExternal,
		Emails: []bmapi.Email{{Address: "outside@example.org", IsDefault: true}}}); err != nil {
		t.Fatal(err)
	}
	for major, action := range map[int]objects.Action{4: objects.Conflict, 5: objects.AsWanted} {
		m := s.dry()
		m.Version.Major = major
		e, o, err := m.User(t.Context(), d, objects.User{Address: "outside@example.org"})
		if err != nil || (e != nil) != (major == 5) || o.Action != action || !strings.Contains(o.Reason, "still goes to old.example.org") || !strings.Contains(o.Mend, "routing") {
			t.Errorf("BlueMind %d: %+v, %+v, %v", major, e, o, err)
		}
	}
	e, o, err := s.dry().User(t.Context(), d, objects.User{Address: "outside@example.org", Groups: []string{"nosuch"}})
	if err != nil || e == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, `no group "nosuch"`) {
		t.Errorf("%+v, %+v, %v", e, o, err)
	}
}

// TestUserLimits: the domain takes five users and has four.
func TestUserLimits(t *testing.T) {
	for _, dry := range []bool{true, false} {
		s := start(t, 5, town()...)
		d := s.domain("example.org")
		m := s.maker(nil)
		m.Dry = dry
		var actions []objects.Action
		var last objects.Outcome
		for _, who := range []string{"one", "two", "three"} {
			_, o, err := m.User(t.Context(), d, objects.User{Address: who + "@example.org", Create: true})
			if err != nil {
				t.Fatal(err)
			}
			actions, last = append(actions, o.Action), o
		}
		if !slices.Equal(actions, []objects.Action{objects.Created, objects.Created, objects.Conflict}) || !strings.Contains(last.Reason, "5 users of type FULL at most") {
			t.Errorf("dry %v: %v, %+v", dry, actions, last)
		}
	}
}

func TestBadShares(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	for _, tc := range []struct {
		name string
		want objects.Share
		says string
	}{
		{"name that BlueMind refuses", objects.Share{Address: "x@example.org", Name: "à b"}, "as the name of a shared mailbox"},
		{"name with a slash", objects.Share{Address: "x@example.org", Name: "a/b"}, "as the name of a shared mailbox"},
		{"name of a user", objects.Share{Address: "x@example.org", Name: "ada"}, `"ada" is the name of another user`},
		{"address of a user", objects.Share{Address: "ada@example.org", Name: "x"}, "address of a user"},
		{"quota above the maximum", objects.Share{Address: "x@example.org", Quota: ptr(20001)}, "allows 20000 KiB at most"},
		{"alias of a user", objects.Share{Address: "x@example.org", Aliases: []string{"countess@example.org"}}, "address of the user"},
		{"alias of another domain", objects.Share{Address: "x@example.org", Aliases: []string{"x@other.org"}}, "another domain"},
		{"server without mail of the domain", objects.Share{Address: "x@example.org", DataLocation: "elsewhere"}, "keeps no mail"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Create = true
			was := s.sim.Snapshot()
			for _, m := range []*objects.Maker{s.dry(), s.maker(&ledger{})} {
				e, o, err := m.Share(t.Context(), d, tc.want)
				if err != nil || e != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || o.Mend == "" {
					t.Errorf("%v, %+v, %v", e, o, err)
				}
			}
			if s.sim.Snapshot() != was {
				t.Error("something was written")
			}
		})
	}
}

func TestBadDomains(t *testing.T) {
	s := start(t, 5, town()...)
	for _, tc := range []struct {
		name   string
		want   objects.Domain
		says   string
		usable bool
	}{
		{"unknown", objects.Domain{Name: "new.org"}, "no domain new.org", false},
		{"BlueMind's own", objects.Domain{Name: "global.virt", Create: true}, "BlueMind's own", false},
		{"no domain", objects.Domain{Name: "a b", Create: true}, "as a domain", false},
		{"alias of another", objects.Domain{Name: "example.org", Aliases: []string{"other.org"}, Create: true}, "belongs to another domain of BlueMind, other.org", false},
		{"new name, known alias", objects.Domain{Name: "new.org", Aliases: []string{"example.net"}, Create: true}, "its alias example.net belongs to the domain 18f0a.internal", false},
		{"unknown language", objects.Domain{Name: "new.org", Language: "xx", Create: true}, `no language "xx"`, false},
		{"default above the maximum", objects.Domain{Name: "new.org", UserQuota: ptr(20), UserQuotaMax: ptr(10), Create: true}, "20 is above the maximum of 10", false},
		{"default above BlueMind's maximum", objects.Domain{Name: "example.org", UserQuota: ptr(20000)}, "20000 is above the maximum of 10000", true},
		{"unknown server", objects.Domain{Name: "new.org", MailServer: "nosuch", Create: true}, "it has bm-master", false},
		{"unknown server of a domain", objects.Domain{Name: "example.org", MailServer: "nosuch"}, "it has bm-master", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			was := s.sim.Snapshot()
			for _, m := range []*objects.Maker{s.dry(), s.maker(&ledger{})} {
				d, o, err := m.Domain(t.Context(), tc.want)
				if err != nil || (d != nil) != tc.usable || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || o.Mend == "" {
					t.Errorf("%v, %+v, %v", d, o, err)
				}
			}
			if s.sim.Snapshot() != was {
				t.Error("something was written")
			}
		})
	}
}

func TestBadGroupsAndMembers(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	for _, tc := range []struct {
		name string
		want objects.Group
		who  string // "": the group itself
		says string
	}{
		{"roles of BlueMind's", objects.Group{Name: "admin"}, "admin", "gives its members roles"},
		{"without a name", objects.Group{Name: "@example.org"}, "", "without a name"},
		{"address of a user", objects.Group{Name: "g", Address: "ada@example.org"}, "g", "address of the user"},
		{"unknown member", objects.Group{Name: "g", Members: []objects.Ref{{Name: "nobody@example.org"}}}, "nobody@example.org → g", "nobody with the address"},
		{"member of another domain", objects.Group{Name: "g", Members: []objects.Ref{{Kind: objects.RefUser, Name: "eve@other.org"}}}, "eve@other.org → g", "another domain of BlueMind, other.org"},
		{"external member of this installation", objects.Group{Name: "g", Members: []objects.Ref{{Kind: objects.RefExternal, Name: "eve@other.org"}}}, "eve@other.org → g", "no external user is made of it"},
		{"member outside, not marked", objects.Group{Name: "g", Members: []objects.Ref{{Name: "x@far.away"}}}, "x@far.away → g", "in no domain of BlueMind"},
		{"shared mailbox as member", objects.Group{Name: "g", Members: []objects.Ref{{Name: "support@example.org"}}}, "support@example.org → g", "takes into no group"},
		{"itself as member", objects.Group{Name: "g", Members: []objects.Ref{{Kind: objects.RefGroup, Name: "g"}}}, "g → g", "no loop"},
		{"unknown group as member", objects.Group{Name: "g", Members: []objects.Ref{{Kind: objects.RefGroup, Name: "h"}}}, "h → g", `no group "h"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.want.Create = true
			for _, m := range []*objects.Maker{s.dry(), s.maker(&ledger{})} {
				o, members, err := m.Group(t.Context(), d, tc.want)
				if i := slices.IndexFunc(members, func(o objects.Outcome) bool { return o.Name == tc.who }); i >= 0 {
					o = members[i]
				}
				if err != nil || o.Name != tc.who || o.Action != objects.Conflict || !strings.Contains(o.Reason, tc.says) || o.Mend == "" {
					t.Errorf("%+v, %v, %v", o, members, err)
				}
			}
		})
	}
}

func TestBadRights(t *testing.T) {
	s := start(t, 5, town()...)
	d := s.domain("example.org")
	e, _, err := s.maker(nil).Share(t.Context(), d, objects.Share{Address: "support@example.org"})
	if err != nil || e == nil {
		t.Fatal(err)
	}
	mark := s.mark()
	ada := objects.Ref{Kind: objects.RefUser, Name: "ada@example.org"}
	out, err := s.maker(&ledger{}).Grant(t.Context(), e, []objects.Right{
		{Grantee: objects.Ref{Name: "nobody@example.org"}, Verbs: []string{"Read"}},
		{Grantee: objects.Ref{Kind: objects.RefGroup, Name: "nosuch"}, Verbs: []string{"Read"}},
		{Grantee: objects.Ref{Name: "support@example.org"}, Verbs: []string{"Read"}},
		{Grantee: ada, Verbs: []string{"Frobnicate"}},
		{Grantee: ada},
		{Grantee: ada, Verbs: []string{"READ"}},
		{Grantee: ada, Verbs: []string{"Write"}},
	})
	if err != nil || len(out) != 6 {
		t.Fatalf("%v, %v", out, err)
	}
	for i, o := range out[:5] {
		if o.Action != objects.Conflict || o.Reason == "" || o.Mend == "" {
			t.Errorf("%d: %+v", i, o)
		}
	}
	if o := out[5]; o.Action != objects.Created || len(o.Changes) != 1 || o.Changes[0].To != "Write" {
		t.Errorf("%+v", o)
	}
	if writes := s.writes(mark); len(writes) != 1 {
		t.Errorf("%v", writes)
	}
}
