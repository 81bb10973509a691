package bmsim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// user is the JSON of a user; more is added to its object.
func user(login, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`{"login":%q,"routing":"internal","contactInfos":{"identification":{"name":{"familyNames":"Family"}}}%s}`, login, more)
}

func emails(list ...string) string {
	var parts []string
	for i, e := range list {
		parts = append(parts, fmt.Sprintf(`{"address":%q,"allAliases":%t,"isDefault":%t}`, strings.TrimPrefix(e, "*"), strings.HasPrefix(e, "*"), i == 0))
	}
	return `"emails":[` + strings.Join(parts, ",") + `]`
}

func TestCreateUserRefusals(t *testing.T) {
	cfg := config()
	cfg.Domains[0].Shares[0].Emails = []string{"support@example.org"}
	sim := start(t, cfg)
	adm := admin(t, sim)
	adm.ok("PUT", "/domains/other.org", `{"label":"other.org","name":"other.org"}`, nil)
	adm.ok("POST", "/servers/default/other.org/assignments/bm-master/_assign?tag=mail/imap", nil, nil)
	adm.ok("PUT", "/users/other.org/o", user("o", emails("shared@elsewhere.org")), nil)
	adm.ok("PUT", "/users/"+exampleUID+"/all", user("all", emails("*everywhere@example.org")), nil)

	for _, tc := range []struct {
		name, uid, body string
		status          int
		code            string
	}{
		{"capital in the login", "n1", user("Ada2", ""), 500, "INVALID_PARAMETER"},
		{"login too long", "n1", user(strings.Repeat("a", 65), ""), 500, "INVALID_PARAMETER"},
		{"no login", "n1", user("", ""), 500, "INVALID_PARAMETER"},
		{"no family name", "n1", `{"login":"n1","routing":"internal"}`, 500, "EMPTY_LASTNAME"},
		{"capital in an address", "n1", user("n1", emails("N1@example.org")), 500, "INVALID_PARAMETER"},
		{"digits in the top level", "n1", user("n1", emails("n1@example.xn--p1ai")), 500, "INVALID_PARAMETER"},
		{"address without @", "n1", user("n1", emails("n1")), 500, ""},
		{"two defaults", "n1", user("n1", `"emails":[{"address":"n1@example.org","isDefault":true},{"address":"n2@example.org","isDefault":true}]`), 500, "ALREADY_EXISTS"},
		{"address twice", "n1", user("n1", emails("n1@example.org", "n1@example.org")), 500, "ALREADY_EXISTS"},
		{"left part twice with all aliases", "n1", user("n1", emails("*n1@example.org", "n1@example.net")), 500, "ALREADY_EXISTS"},
		{"address of another user", "n1", user("n1", emails("countess@example.org")), 500, "ALREADY_EXISTS"},
		{"address of a mailshare", "n1", user("n1", emails("support@example.org")), 500, "ALREADY_EXISTS"},
		{"all aliases against one address", "n1", user("n1", emails("*countess@example.net")), 500, "ALREADY_EXISTS"},
		{"one address against all aliases", "n1", user("n1", emails("everywhere@example.net")), 500, "ALREADY_EXISTS"},
		{"default address in another domain", "n1", user("n1", emails("n1@example.org", "shared@elsewhere.org")), 500, "ALREADY_EXISTS"},
		{"login taken", "n1", user("ada", ""), 500, "ALREADY_EXISTS"},
		{"login is a mailshare's name", "n1", user("support", ""), 500, "ALREADY_EXISTS"},
		{"uid taken", "all", user("n1", ""), 500, "ALREADY_EXISTS"},
		{"unknown server", "n1", user("n1", `"dataLocation":"elsewhere"`), 500, "INVALID_PARAMETER"},
		{"external without a relay", "n1", user("n1", `"routing":"external"`), 500, "INVALID_HOST_NAME"},
		{"simple without a limit", "n1", user("n1", `"accountType":"SIMPLE"`), 500, "UNKNOWN"},
		{"accent in the password", "n1", user("n1", `"password":"élan"`), 500, "INVALID_PARAMETER"},
		{"blank password", "n1", user("n1", `"password":"  "`), 500, "INVALID_PARAMETER"},
		{"no such routing", "n1", user("n1", `"routing":"intern"`), 500, "UNKNOWN"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			adm.refused("PUT", "/users/"+exampleUID+"/"+tc.uid, tc.body, tc.status, tc.code)
		})
	}
	if a := adm.do("GET", "/users/"+exampleUID+"/n1/complete", nil); a.status != 204 {
		t.Errorf("a refused user exists: %d %s", a.status, a.body)
	}
	adm.refused("PUT", "/users/nowhere.org/n1", user("n1", ""), 404, "NOT_FOUND")
}

type userItem struct {
	UID, DisplayName string
	Value            struct {
		Login, Password, Routing, DataLocation, AccountType string
		Quota                                               *int64
		Archived                                            bool
		Emails                                              []struct {
			Address               string
			IsDefault, AllAliases bool
		}
	}
}

// addresses lists the addresses, the default one with a star.
func (u userItem) addresses() string {
	var all []string
	for _, e := range u.Value.Emails {
		star := ""
		if e.IsDefault {
			star = "*"
		}
		all = append(all, star+e.Address)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestUserAddresses(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	adm.ok("PUT", "/domains/plain.org", `{"label":"plain.org","name":"plain.org","aliases":["plain.net"]}`, nil)
	adm.ok("POST", "/servers/default/plain.org/assignments/bm-master/_assign?tag=mail/imap", nil, nil)
	for i, tc := range []struct{ name, domain, emails, want string }{
		{"none given", exampleUID, ``, "*%s@example.org %s@18f0a.internal"},
		{"one on an alias", exampleUID, emails("%s@example.org"), "*%s@example.org %s@18f0a.internal"},
		{"another on the uid is dropped", exampleUID, emails("%s@example.org", "extra.%s@18f0a.internal"), "*%s@example.org %s@18f0a.internal"},
		{"all aliases covers the uid", exampleUID, emails("*%s@example.org"), "*%s@example.org"},
		{"outside the domain", exampleUID, emails("%s@else.where"), "*%s@else.where %s@18f0a.internal"},
		{"the uid is the mail domain", "plain.org", emails("%s@plain.org"), "*%s@plain.org"},
		{"on an alias of a plain domain", "plain.org", emails("x%s@plain.net"), "*x%s@plain.net %s@plain.org"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			login := fmt.Sprintf("u%d", i)
			body := user(login, strings.ReplaceAll(tc.emails, "%s", login))
			adm.ok("PUT", "/users/"+tc.domain+"/"+login, body, nil)
			var u userItem
			adm.ok("GET", "/users/"+tc.domain+"/"+login+"/complete", nil, &u)
			if want := strings.ReplaceAll(tc.want, "%s", login); u.addresses() != want {
				t.Errorf("%s, want %s", u.addresses(), want)
			}
		})
	}
}

func TestUserQuota(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	create := func(login, quota string) int64 {
		t.Helper()
		adm.ok("PUT", "/users/"+exampleUID+"/"+login, user(login, quota), nil)
		var u userItem
		adm.ok("GET", "/users/"+exampleUID+"/"+login+"/complete", nil, &u)
		if u.Value.Quota == nil {
			return -1
		}
		return *u.Value.Quota
	}
	settings := func(json string) { adm.ok("PUT", "/domains/"+exampleUID+"/_settings", json, nil) }
	if got := create("q1", ""); got != -1 {
		t.Errorf("no settings: %d", got)
	}
	if got := create("q2", `"quota":0`); got != -1 {
		t.Errorf("0 is read back as %d", got)
	}
	settings(`{"mailbox_default_user_quota":"2048"}`)
	if got := create("q3", ""); got != 2048 {
		t.Errorf("default: %d", got)
	}
	settings(`{"mailbox_max_user_quota":"4096"}`)
	if got := create("q4", ""); got != 4096 {
		t.Errorf("maximum: %d", got)
	}
	if got := create("q5", `"quota":1000`); got != 1000 {
		t.Errorf("own: %d", got)
	}
	adm.refused("PUT", "/users/"+exampleUID+"/q6", user("q6", `"quota":0`), 500, "INVALID_PARAMETER")
	adm.refused("PUT", "/users/"+exampleUID+"/q6", user("q6", `"quota":5000`), 500, "INVALID_PARAMETER")
	adm.refused("POST", "/users/"+exampleUID+"/q5", user("q5", ""), 500, "INVALID_PARAMETER")
	settings(`{"domain_max_users":"3"}`)
	adm.refused("PUT", "/users/"+exampleUID+"/q7", user("q7", ""), 500, "FORBIDDEN")
}

func TestPasswords(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	for i, tc := range []struct {
		name, given, login string
		ok                 bool
	}{
		{"plain", "Correct horse", "Correct horse", true},
		{"32 lower-case letters and digits are taken for MD5", "abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345", false},
		{"a real MD5", "5f4dcc3b5aa765d61d8327deb882cf99", "password", true},
		{"digits, colon, colon", "1:a:b", "1:a:b", false},
		{"bcrypt", "$2a$10$abcdefghijklmnopqrstuv", "$2a$10$abcdefghijklmnopqrstuv", false},
		{"SHA", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password", true},
		{"33 characters are no hash", "abcdefghijklmnopqrstuvwxyz0123456", "abcdefghijklmnopqrstuvwxyz0123456", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			login := fmt.Sprintf("p%d", i)
			adm.ok("PUT", "/users/"+exampleUID+"/"+login, user(login, `"password":`+quoted(tc.given)), nil)
			if got := adm.login(login+"@"+exampleUID, tc.login).Status == "Ok"; got != tc.ok {
				t.Errorf("let in: %t", got)
			}
			if a := adm.do("GET", "/users/"+exampleUID+"/"+login+"/complete", nil); !strings.Contains(a.body, `"password":null`) {
				t.Error(a.body)
			}
		})
	}
	ada := adm.uid("ada")
	self := adm.su("ada@example.org")
	path := "/users/example.org/" + ada + "/password_"
	self.refused("POST", path, `{"newPassword":"x y z"}`, 403, "PERMISSION_DENIED")
	self.refused("POST", path, `{"currentPassword":"no","newPassword":"x y z"}`, 500, "AUTHENTICATION_FAIL")
	self.ok("POST", path, `{"currentPassword":"Pa55 word","newPassword":"x y z"}`, nil)
	adm.refused("POST", path, `{"newPassword":"é"}`, 500, "INVALID_PARAMETER")
	adm.refused("POST", "/users/example.org/nobody/password_", `{"newPassword":"x"}`, 404, "NOT_FOUND")
	k := self.newKey("survives")
	adm.ok("POST", path, `{"newPassword":"by admin"}`, nil)
	if l := adm.login("ada@example.org", "by admin"); l.Status != "Ok" {
		t.Error(l)
	}
	if l := adm.login("ada@example.org", k.SID); l.Status != "Ok" {
		t.Error("a key does not survive a new password")
	}
}

func TestUserReads(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")
	self := adm.su("ada@example.org")
	var u userItem
	self.ok("GET", "/users/example.org/"+ada+"/complete", nil, &u)
	if u.Value.Login != "ada" || u.DisplayName != "Lovelace" || u.Value.AccountType != "FULL" || u.Value.DataLocation != "bm-master" {
		t.Errorf("%+v", u)
	}
	self.refused("GET", "/users/example.org/"+adm.uid("bob")+"/complete", nil, 403, "PERMISSION_DENIED")
	self.refused("GET", "/users/example.org/byLogin/bob", nil, 403, "PERMISSION_DENIED")
	for path, want := range map[string]int{
		"/users/example.org/byLogin/ADA":                      200,
		"/users/example.org/byLogin/ada@anything":             200,
		"/users/example.org/byEmail/Countess@Example.org":     200,
		"/users/example.org/byEmail/support@example.org":      204,
		"/directory/example.org/_byEmail/support@example.org": 200,
		"/directory/example.org/_byEmail/free@example.org":    204,
		"/directory/example.org/_byEmail/support":             500,
		"/directory/example.org/entry-uid/" + ada:             200,
		"/directory/example.org/entry-uid/none":               204,
		"/users/nowhere.org/byLogin/ada":                      404,
	} {
		if a := adm.do("GET", path, nil); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	var groups []string
	self.ok("GET", "/users/example.org/"+ada+"/groupUids", nil, &groups)
	if !slices.Contains(groups, exampleUID+"_user_group") {
		t.Errorf("%v", groups)
	}
	var found struct {
		Total  int
		Values []struct {
			Value struct{ EntryUID, Kind, Email, DataLocation string }
		}
	}
	adm.ok("POST", "/directory/example.org/_search", `{"kindsFilter":["USER","MAILSHARE"],"size":2,"hiddenFilter":false}`, &found)
	if found.Total != 4 || len(found.Values) != 2 {
		t.Errorf("%+v", found)
	}
	adm.refused("POST", "/directory/example.org/_search", `{"kindsFilter":["PERSON"]}`, 500, "UNKNOWN")
}

func TestUpdateAndDeleteUser(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.uid("ada")
	path := "/users/" + exampleUID + "/" + ada
	adm.ok("POST", path, user("ada.l", emails("countess@example.org")), nil)
	var u userItem
	adm.ok("GET", path+"/complete", nil, &u)
	if want := "*countess@example.org ada.l@18f0a.internal ada.l@example.org"; u.addresses() != want {
		t.Errorf("after a rename: %s, want %s", u.addresses(), want)
	}
	if l := adm.login("ada.l@"+exampleUID, "Pa55 word"); l.Status != "Ok" {
		t.Error("the password went with an update")
	}
	adm.refused("POST", "/users/"+exampleUID+"/nobody", user("nobody", ""), 404, "NOT_FOUND")
	if st := adm.task("DELETE", "/users/"+exampleUID+"/nobody", nil); st.State != "Success" {
		t.Errorf("an unknown user: %+v", st)
	}
	if st := adm.task("DELETE", path, nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
	if a := adm.do("GET", path+"/complete", nil); a.status != 204 {
		t.Error(a.status)
	}
	if a := adm.do("GET", "/mail_folders_container/subtree_18f0a_internal!user."+ada+"/_all", nil); a.status != 404 {
		t.Errorf("its folders: %d", a.status)
	}
	adm.refused("GET", "/tasks/unknown", nil, 404, "NOT_FOUND")
}
