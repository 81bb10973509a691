package directory

import (
	"regexp"
	"slices"
	"strings"
)

const localPart = `[a-z0-9!#$%&'*+/=?^_` + "`" + `{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_` + "`" + `{|}~-]+)*`

var (
	emailForm = regexp.MustCompile(`^` + localPart + `@([a-z0-9-]+\.)+[a-z]{2,}$`)
	loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-._]{0,63}$`)
)

func validEmails(emails []Email) error {
	for _, e := range emails {
		if !emailForm.MatchString(e.Address) {
			return Faultf(InvalidParameter, "Invalid email address: '%s'", e.Address)
		}
	}
	return nil
}

func lowered(emails []Email) []Email {
	out := []Email{}
	for _, e := range emails {
		e.Address = strings.ToLower(strings.TrimSpace(e.Address))
		out = append(out, e)
	}
	return out
}

// userEmails completes a user's addresses as BlueMind does: login@domain uid is
// always there, addresses on a uid that is no alias are dropped, and one
// address is the default. renamed adds new login@default alias.
func userEmails(d *domain, u *User, renamed bool) ([]Email, error) {
	emails := append([]Email{}, u.Emails...)
	if u.Routing == "external" {
		return emails, nil
	}
	login, uid, def := string(u.Login), d.UID, string(d.Value.DefaultAlias)
	for _, e := range emails {
		if !strings.Contains(e.Address, "@") {
			return nil, Exception("ArrayIndexOutOfBoundsException", "Index 1 out of bounds for length 1")
		}
	}
	if def != uid && !slices.Contains(d.Value.Aliases, uid) {
		emails = slices.DeleteFunc(emails, func(e Email) bool {
			left, right, _ := strings.Cut(e.Address, "@")
			return !e.AllAliases && right == uid && left != login
		})
	}
	implicit := func(e Email) bool {
		left, right, _ := strings.Cut(e.Address, "@")
		return left == login && (e.AllAliases || right == uid)
	}
	if !slices.ContainsFunc(emails, implicit) {
		emails = append(emails, Email{Address: login + "@" + uid})
		if extra := (Email{Address: login + "@" + def}); renamed && !slices.Contains(emails, extra) {
			emails = append(emails, extra)
		}
	}
	if !slices.ContainsFunc(emails, func(e Email) bool { return e.IsDefault }) {
		emails = withDefaultEmail(d, login, emails)
	}
	return emails, nil
}

// withDefaultEmail marks the addresses of the login on an alias as default, else
// any on an alias, else adds one. As in BlueMind several may be marked, which
// the validator then refuses.
func withDefaultEmail(d *domain, login string, emails []Email) []Email {
	mark := func(byLogin bool) bool {
		found := false
		for i, e := range emails {
			left, right, _ := strings.Cut(e.Address, "@")
			onAlias := e.AllAliases || slices.Contains(d.Value.Aliases, right) || right == string(d.Value.DefaultAlias)
			if onAlias && (!byLogin || left == login) {
				emails[i].IsDefault, found = true, true
			}
		}
		return found
	}
	if mark(true) || mark(false) {
		return emails
	}
	return append(emails, Email{Address: login + "@" + string(d.Value.DefaultAlias), IsDefault: true})
}

// coherent refuses two defaults, repeated addresses, and a left part twice when
// one of them counts in all aliases.
func coherent(emails []Email) error {
	seen, lefts, def := map[string]bool{}, map[string]bool{}, ""
	for _, e := range emails {
		if e.IsDefault && def != "" {
			return Faultf(AlreadyExists, "There is more than one default address (at least %s and %s)", e.Address, def)
		}
		if e.IsDefault {
			def = e.Address
		}
		left, _, _ := strings.Cut(e.Address, "@")
		all, again := lefts[left]
		if seen[e.Address] || again && (all || e.AllAliases) {
			return Faultf(AlreadyExists, "%s is duplicate", e.Address)
		}
		seen[e.Address], lefts[left] = true, e.AllAliases
	}
	return nil
}

// taken lists the addresses that another entry has: any entry of the domain, or
// one of any domain whose default address it is.
func (s *Store) taken(d *domain, uid string, emails []Email) []string {
	var used []string
	for _, e := range emails {
		if s.isTaken(d, uid, e) {
			used = append(used, e.Address)
		}
	}
	return used
}

func (s *Store) isTaken(d *domain, uid string, e Email) bool {
	left, _, _ := strings.Cut(e.Address, "@")
	for _, other := range d.lefts[left] {
		if other.UID == uid {
			continue
		}
		for _, m := range other.Emails() {
			l, _, _ := strings.Cut(m.Address, "@")
			if l == left && (m.AllAliases || e.AllAliases || m.Address == e.Address) {
				return true
			}
		}
	}
	return slices.ContainsFunc(s.defaults[e.Address], func(o *Entry) bool { return o.Domain != d.UID || o.UID != uid })
}
