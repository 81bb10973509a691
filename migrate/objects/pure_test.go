package objects

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
)

// list reads addresses: "!" marks the default one, "*" those that count under all
// names.
func list(text string) []bmapi.Email {
	var out []bmapi.Email
	for _, w := range strings.Fields(text) {
		e := bmapi.Email{Address: strings.Trim(w, "!*"), IsDefault: strings.Contains(w, "!"), AllAliases: strings.Contains(w, "*")}
		out = append(out, e)
	}
	return out
}

func text(emails []bmapi.Email) string {
	var words []string
	for _, e := range emails {
		w := e.Address
		if e.AllAliases {
			w += "*"
		}
		if e.IsDefault {
			w += "!"
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestJoinEmails(t *testing.T) {
	names := []string{"a.org", "b.org", "x.internal"}
	for _, tc := range []struct {
		name, have, address string
		aliases             []string
		all                 bool
		want, added         string
	}{
		{"new", "", "ada@a.org", []string{"c@b.org"}, false, "ada@a.org! c@b.org", "ada@a.org! c@b.org"},
		{"new, under all names", "", "ada@a.org", []string{"ada@b.org", "c@b.org"}, true, "ada@a.org*! c@b.org*", "ada@a.org*! c@b.org*"},
		{"there", "ada@a.org! ada@x.internal", "ada@a.org", nil, false, "ada@a.org! ada@x.internal", ""},
		{"there in another case", "Ada@A.org!", "ada@a.org", nil, false, "Ada@A.org!", ""},
		{"there under another name", "ada@b.org*!", "ada@a.org", nil, false, "ada@b.org*!", ""},
		{"not under a name of the domain", "ada@b.org*!", "ada@c.org", nil, false, "ada@b.org*! ada@c.org", "ada@c.org!"},
		{"alias added", "ada@a.org!", "ada@a.org", []string{"c@a.org"}, false, "ada@a.org! c@a.org", "c@a.org"},
		{"to all names", "ada@a.org! ada@x.internal bob@a.org", "ada@a.org", nil, true, "ada@a.org*! bob@a.org", "ada@a.org*!"},
		{"to all names, the default is another form", "ada@a.org ada@b.org!", "ada@a.org", nil, true, "ada@b.org*!", "ada@a.org*!"},
		{"the default stays", "bob@a.org!", "ada@a.org", nil, false, "ada@a.org bob@a.org!", "ada@a.org!"},
		{"no default", "bob@a.org", "ada@a.org", nil, false, "ada@a.org! bob@a.org", "ada@a.org!"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, added := joinEmails(list(tc.have), wantedEmails(tc.address, tc.aliases, tc.all), names)
			if text(out) != tc.want || text(added) != tc.added {
				t.Errorf("%s, added %s", text(out), text(added))
			}
			if again, more := joinEmails(out, wantedEmails(tc.address, tc.aliases, tc.all), names); text(again) != text(out) || len(more) > 0 {
				t.Errorf("again: %s, added %s", text(again), text(more))
			}
		})
	}
}

func TestDefaultEmail(t *testing.T) {
	for _, tc := range []struct {
		have, address, want string
		same                bool
	}{
		{"a@a.org! b@a.org", "a@a.org", "a@a.org! b@a.org", true},
		{"a@a.org! b@a.org", "b@a.org", "a@a.org b@a.org!", false},
		{"a@b.org*! b@a.org", "a@a.org", "a@b.org*! b@a.org", true},
		{"a@b.org* b@a.org!", "a@a.org", "a@b.org*! b@a.org", false},
		{"b@a.org!", "a@a.org", "b@a.org!", false},
	} {
		if got := text(withDefault(list(tc.have), tc.address)); got != tc.want {
			t.Errorf("%s to %s: %s", tc.have, tc.address, got)
		}
		if got := sameDefault(list(tc.have), tc.address); got != tc.same {
			t.Errorf("%s, is %s the default: %v", tc.have, tc.address, got)
		}
	}
}

func TestVerbs(t *testing.T) {
	five, four := &Maker{Version: bmapi.Version{Major: 5}}, &Maker{Version: bmapi.Version{Major: 4}}
	for _, tc := range []struct {
		m           *Maker
		words       string
		want        string
		all         string
		notBlueMind string
	}{
		{five, "write", "Write", "Invitation,Freebusy,Read,Write", ""},
		{four, "write", "Write", "Invitation,Freebusy,SendOnBehalf,Read,Write", ""},
		{five, "Read,WRITE,sendas", "SendAs,Write", "Invitation,Freebusy,SendOnBehalf,SendAs,Read,Write", ""},
		{four, "SendAs", "SendOnBehalf", "SendOnBehalf", ""},
		{four, "ReadExtended", "Read", "Invitation,Freebusy,Read", ""},
		{five, "All,Manage,Read", "All", "Invitation,Freebusy,SendOnBehalf,SendAs,Read,ReadExtended,Write,Manage,All", ""},
		{five, "Write,lrs", "Write", "Invitation,Freebusy,Read,Write", "lrs"},
	} {
		good, bad := tc.m.spelled(strings.Split(tc.words, ","))
		if got := strings.Join(good, ","); got != tc.want || strings.Join(bad, ",") != tc.notBlueMind {
			t.Errorf("version %d, %s: %s, not %s", tc.m.Version.Major, tc.words, got, bad)
		}
		if got := strings.Join(expand(tc.m.verbs(), good...), ","); got != tc.all {
			t.Errorf("version %d, %s: %s", tc.m.Version.Major, tc.words, got)
		}
	}
}

func TestOwned(t *testing.T) {
	for id, want := range map[string]bool{"ldap://1": true, "ad://1": true, "": false, "1": false, "exchange-7": false, "http://1": false} {
		if owned(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
	d := &bmapi.Domain{Properties: map[string]string{"import_ldap_enabled": "false", "import_ad_relay_mailbox_group": "g"}}
	if IsDirectoryDomain(nil) || IsDirectoryDomain(&bmapi.Domain{}) || IsDirectoryDomain(d) || relayGroup(d) != "" {
		t.Error("an import that is off counts")
	}
	d.Properties["import_ad_enabled"] = "True"
	if !IsDirectoryDomain(d) || relayGroup(d) != "g" || importName(d) != "Active Directory" {
		t.Error("an import that is on does not count")
	}
}

// TestAnswered: a no to one thing keeps only that from being done, whether BlueMind
// said it or the client for it; what says nothing of the thing does not.
func TestAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"a fault":                          {&bmapi.Fault{ErrorCode: bmapi.CodeInvalidParameter, Message: "no such thing"}, true},
		"an old address that nobody takes": {fmt.Errorf("address %q: %w", "ada@one.xn--p1ai", bmapi.ErrInvalid), true},
		"a type that stays as it is":       {fmt.Errorf("account type of ada: %w", bmapi.ErrForbidden), true},
		"a missing role":                   {&bmapi.Fault{ErrorCode: bmapi.CodePermissionDenied}, false},
		"a busy server":                    {&bmapi.Fault{ErrorCode: bmapi.CodeSQLError}, false},
		"a lost connection":                {&bmapi.ConnError{Sent: true, Err: bmapi.ErrInvalid}, false},
		"a text":                           {errors.New("no idea"), false},
	} {
		if got := answered(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if got := said(fmt.Errorf("address %q: %w", "ada@one.xn--p1ai", bmapi.ErrInvalid)).reason; !strings.Contains(got, "ada@one.xn--p1ai") {
		t.Error(got)
	}
}
