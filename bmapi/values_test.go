package bmapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func is(err, target error) bool { return errors.Is(err, target) }

func TestCheckLogin(t *testing.T) {
	for login, ok := range map[string]bool{"ada.martin": true, "0": true, "a-b_c": true, strings.Repeat("a", 64): true,
		"": false, "Ada": false, ".ada": false, "-a": false, "_a": false, "é": false, "a b": false, "a@b": false, "a+b": false, strings.Repeat("a", 65): false, "ada\n": false} {
		if err := CheckLogin(login); (err == nil) != ok || err != nil && !is(err, ErrInvalid) {
			t.Errorf("%q: %v", login, err)
		}
	}
}

func TestCheckShareName(t *testing.T) {
	for name, ok := range map[string]bool{"support": true, "compta.fournisseurs": true, "_x": true, "a+b": true,
		"": false, "Support": false, "two words": false, "a/b": false, "été": false, "a..b": false, ".a": false, "a.": false} {
		if err := CheckShareName(name); (err == nil) != ok || err != nil && !is(err, ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for address, ok := range map[string]bool{"ada@d.org": true, "Ada@D.org": true, "a+b@x.d-e.org": true, "login@18f.internal": true,
		"": false, "ada": false, "@d.org": false, "ada@": false, "ada@d": false, "ada@d.xn--p1ai": false, "a b@d.org": false, "é@d.org": false, "a@b@d.org": false, "ada@d.org ": false} {
		if err := CheckAddress(address); (err == nil) != ok || err != nil && !is(err, ErrInvalid) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for password, ok := range map[string]bool{
		"S3cret!pass": true, "a b": true, "1:a": true, "1::b": true, "x1:a:b": true, "1:a b:c": true, "PBKDF2SHA256": true, strings.Repeat("A", 32): true, strings.Repeat("a", 31): true,
		"": false, "  ": false, "pässword": false, "tab\tbed": false, "\x7f": false,
		"{SSHA}x": false, "{SSHA512}x": false, "{SHA}x": false, "{SHA1}x": false, "$2a$10$x": false, "$argon2id$v": false,
		"1:a:b": false, "12:ab:cd:ef": false, "PBKDF2SHA256:1:a:b": false, strings.Repeat("a", 32): false, "0123456789abcdefghijklmnopqrstuv": false,
	} {
		err := CheckPassword(password)
		if (err == nil) != ok || err != nil && !is(err, ErrInvalid) {
			t.Errorf("%q: %v", password, err)
		}
		if err != nil && len(password) > 2 && strings.Contains(err.Error(), password) {
			t.Errorf("%q is told: %v", password, err)
		}
	}
	for range 200 {
		if p := GeneratePassword(); CheckPassword(p) != nil {
			t.Errorf("%q was generated", p)
		}
	}
}

// TestBadValuesAreNotSent: some of them meet a Java exception, or would be repeated in
// a fault.
func TestBadValuesAreNotSent(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	s, ctx := c.WithKey("adm"), t.Context()
	bad := []Email{{Address: "nobody"}}
	_, byEmail := s.EntryByEmail(ctx, "d", "nobody")
	for name, err := range map[string]error{
		"user":          s.CreateUser(ctx, "d", "u", &User{Login: "u", Emails: bad}),
		"password":      s.CreateUser(ctx, "d", "u", &User{Login: "u", Password: "1:a:b"}),
		"user, ext":     s.CreateUserWithExtID(ctx, "d", "u", "x", &User{Login: "u", Password: "é"}),
		"update":        s.UpdateUser(ctx, "d", &User{UID: "u", Emails: bad}),
		"new password":  s.SetPassword(ctx, "d", "u", strings.Repeat("0", 32)),
		"share":         s.CreateMailshare(ctx, "d", "m", &Mailshare{Name: "m", Emails: bad}),
		"share, update": s.UpdateMailshare(ctx, "d", &Mailshare{UID: "m", Emails: bad}),
		"group":         s.CreateGroup(ctx, "d", "g", &Group{Name: "g", Emails: bad}),
		"group, update": s.UpdateGroup(ctx, "d", &Group{UID: "g", Emails: bad}),
		"external":      s.CreateExternalUser(ctx, "d", "e", &ExternalUser{Address: "x"}),
		"ext, update":   s.UpdateExternalUser(ctx, "d", &ExternalUser{UID: "e"}),
		"lookup":        byEmail,
	} {
		if !is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCodesOfBadValues(t *testing.T) {
	for code, want := range map[Code]error{CodeInvalidParameter: ErrInvalid, CodeInvalidPassword: ErrInvalid, CodeEmptyLastName: ErrInvalid, CodeInvalidDomainName: ErrInvalid,
		CodeInvalidHostName: ErrInvalid, CodeForbidden: ErrForbidden, CodeEmailAlreadyUsed: ErrAlreadyExists} {
		f := &Fault{ErrorCode: code, Status: 500}
		for _, target := range []error{ErrInvalid, ErrForbidden, ErrAlreadyExists, ErrPermission, ErrNotFound} {
			if is(f, target) != (target == want) {
				t.Errorf("%s is %v: %t", code, target, is(f, target))
			}
		}
	}
}

// TestUIDs: the same thing has the same uid in each run, and no two things share one.
func TestUIDs(t *testing.T) {
	seen := map[string]string{}
	for name, uid := range map[string]string{"user": UserUID("d.org", "staff"), "share": ShareUID("d.org", "staff"), "group": GroupUID("d.org", "staff"),
		"external": ExternalUID("d.org", "staff"), "other domain": ShareUID("e.org", "staff"), "other name": ShareUID("d.org", "staff2")} {
		if seen[uid] != "" {
			t.Errorf("%s and %s have %s", name, seen[uid], uid)
		}
		seen[uid] = name
	}
	if ShareUID("D.org", "Staff") != ShareUID("d.org", "staff") {
		t.Error("capitals make another share")
	}
	// A run of another release must find what this one made.
	for got, want := range map[string]string{UserUID("d.org", "ada@d.org"): "bmsync-126bc393-724a-54d9-ba2e-e2f8c294f166", ShareUID("d.org", "support"): "bmsync-62b246c1-6086-5522-a328-10229624665d", GroupUID("d.org", "staff"): "bmsync-427339e8-5b32-585e-8ad1-989f1a52b13d"} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
