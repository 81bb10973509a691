package bmsim_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

// company is a domain whose users belong to an Active Directory.
func company() bmsim.Config {
	return bmsim.Config{AdminPassword: secret, RefusalDelay: -1, Domains: []bmsim.Domain{{
		UID: "18f0b.internal", Name: "example.com", Aliases: []string{"example.com", "example.net"},
		Directory: &bmsim.Directory{Kind: bmsim.ActiveDirectory, People: []bmsim.Person{
			{Login: "jdupont", Password: "his", Name: "Dupont", FirstName: "Jean", Emails: []string{"jean.dupont@example.com", "jd"}, Groups: []string{"sales"}, Member: true},
			{Login: "amartin", Password: "hers", Name: "Martin", Emails: []string{"anne.martin@example.com"}, Groups: []string{"sales"}, Waits: true},
			{Login: "nomail", Name: "Nomail", Member: true},
		}},
	}}}
}

const companyUID = "18f0b.internal"

type person struct {
	UID, ExternalID string
	Value           struct {
		Login  string
		Emails []struct {
			Address               string
			IsDefault, AllAliases bool
		}
	}
}

func (c *client) person(login string) (p person) {
	c.t.Helper()
	c.ok("GET", "/users/"+companyUID+"/byLogin/"+login, nil, &p)
	return p
}

func (p person) addresses() string {
	var all []string
	for _, e := range p.Value.Emails {
		a := e.Address
		if e.AllAliases {
			a += "*"
		}
		if e.IsDefault {
			a += "!"
		}
		all = append(all, a)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestImportedUsers(t *testing.T) {
	sim := start(t, company())
	adm := admin(t, sim)
	var d struct {
		Value struct{ Properties map[string]string }
	}
	adm.ok("GET", "/domains/"+companyUID, nil, &d)
	if d.Value.Properties["import_ad_enabled"] != "true" {
		t.Errorf("%v", d.Value.Properties)
	}
	jean := adm.person("jdupont")
	if !strings.HasPrefix(jean.ExternalID, "ad://") || jean.addresses() != "jd@18f0b.internal* jdupont@18f0b.internal jean.dupont@example.com!" {
		t.Errorf("%s %s", jean.ExternalID, jean.addresses())
	}
	var again person
	adm.ok("GET", "/users/example.com/byExtId/"+url.PathEscape(jean.ExternalID), nil, &again)
	if again.UID != jean.UID {
		t.Errorf("by external id: %+v", again)
	}
	if got := adm.person("nomail").addresses(); got != "nomail@18f0b.internal nomail@example.com!" {
		t.Errorf("without a mail attribute: %s", got)
	}
	if n := len(sim.Journal().Writes()); n != 0 {
		t.Errorf("%d writes by reading", n)
	}
}

// TestSudoImports is the trap: looking creates nobody, becoming somebody does.
func TestSudoImports(t *testing.T) {
	sim := start(t, company())
	adm := admin(t, sim)
	if a := adm.do("GET", "/users/"+companyUID+"/byLogin/amartin", nil); a.status != 204 {
		t.Fatalf("somebody who waits: %d %s", a.status, a.body)
	}
	if a := adm.do("GET", "/directory/"+companyUID+"/_byEmail/anne.martin@example.com", nil); a.status != 204 {
		t.Errorf("her address: %d", a.status)
	}
	for _, name := range []string{"anne.martin@example.com", "nobody@example.com"} {
		var l login
		adm.ok("POST", "/auth/_su?login="+name, nil, &l)
		if l.Status != "Bad" {
			t.Errorf("_su %s: %s", name, l.Status)
		}
	}
	if calls := sim.Journal().Writes(); len(calls) != 0 {
		t.Errorf("writes: %+v", calls)
	}
	anne := adm.su("amartin@example.com")
	var me struct{ UID string }
	anne.ok("GET", "/auth", nil, &me)
	p := adm.person("amartin")
	if p.UID != me.UID || !strings.HasPrefix(p.ExternalID, "ad://") || p.addresses() != "amartin@18f0b.internal anne.martin@example.com!" {
		t.Errorf("%+v", p)
	}
	var roles, groups []string
	adm.ok("GET", "/users/"+companyUID+"/"+p.UID+"/roles_resolved", nil, &roles)
	adm.ok("GET", "/users/"+companyUID+"/"+p.UID+"/groupUids", nil, &groups)
	if len(roles) != 0 || len(groups) != 1 {
		t.Errorf("roles %v, groups %v", roles, groups)
	}
	if got := folderNames(adm, "subtree_18f0b_internal!user."+p.UID); !strings.Contains(got, "INBOX") {
		t.Errorf("folders: %s", got)
	}
	calls := sim.Journal().Writes()
	if len(calls) != 1 || calls[0].Imported != "amartin@"+companyUID || calls[0].Write {
		t.Errorf("journal: %+v", calls)
	}
}

// TestLoginImports: only the directory's password does, and only by login.
func TestLoginImports(t *testing.T) {
	sim := start(t, company())
	c := anonymous(t, sim)
	var kind string
	c.ok("POST", "/auth/validate?login=amartin@"+companyUID, quoted("hers"), &kind)
	if kind != "NONE" {
		t.Errorf("validate: %s", kind)
	}
	for _, tc := range []struct{ name, secret, status string }{
		{"amartin@example.com", "wrong", "Bad"},
		{"anne.martin@example.com", "hers", "Bad"},
		{"amartin", "hers", "Bad"},
		{"amartin@" + companyUID, "hers", "Ok"},
		{"anne.martin@example.com", "hers", "Ok"},
		{"jean.dupont@example.com", "his", "Ok"},
		{"jdupont@" + companyUID, "other", "Bad"},
	} {
		if l := c.login(tc.name, tc.secret); l.Status != tc.status {
			t.Errorf("%s with %s: %s", tc.name, tc.secret, l.Status)
		}
	}
}

// TestWritingToImportedUsers is taken by the server and stands in the journal.
func TestWritingToImportedUsers(t *testing.T) {
	sim := start(t, company())
	adm := admin(t, sim)
	jean := adm.person("jdupont")
	path := "/users/example.com/" + jean.UID
	var full struct{ Value map[string]any }
	adm.ok("GET", path+"/complete", nil, &full)
	adm.ok("POST", path, full.Value, nil)
	if again := adm.person("jdupont"); again.ExternalID != jean.ExternalID || again.UID != jean.UID {
		t.Errorf("after POST: %+v", again)
	}
	adm.refused("POST", path+"/password_", `{"newPassword":"x"}`, 500, "FORBIDDEN")
	member := `[{"type":"user","uid":"` + jean.UID + `"}]`
	adm.ok("PUT", "/groups/example.com/"+companyUID+"_user_group/members", member, nil)
	adm.ok("PUT", "/users/example.com/u1", `{"login":"new","routing":"internal","contactInfos":{"identification":{"name":{"familyNames":"N"}}}}`, nil)
	var owned, wrote int
	for _, c := range sim.Journal().Writes() {
		if c.Owned {
			owned++
		}
		if c.Owned && c.Wrote {
			wrote++
		}
	}
	if owned != 3 || wrote != 2 || len(sim.Journal().Writes()) != 4 {
		t.Errorf("%d owned, %d granted: %+v", owned, wrote, sim.Journal().Writes())
	}
}

// TestImportSwitchedOff imports nobody any more.
func TestImportSwitchedOff(t *testing.T) {
	cfg := company()
	cfg.Domains[0].Properties = map[string]string{"import_ad_enabled": "false"}
	cfg.Domains[0].Directory.People = cfg.Domains[0].Directory.People[1:2]
	adm := admin(t, start(t, cfg))
	var l login
	adm.ok("POST", "/auth/_su?login=amartin@example.com", nil, &l)
	if l.Status != "Bad" {
		t.Errorf("%+v", l)
	}
}
