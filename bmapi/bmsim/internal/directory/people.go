package directory

import (
	"crypto/sha1"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
)

// Imports that BlueMind has. The one from Active Directory is no part of its
// public source; its names here follow those of LDAP.
const (
	KindLDAP = "ldap"
	KindAD   = "ad"
)

// Person is a user as an LDAP or Active Directory has him.
type Person struct {
	Login     string // uid, or sAMAccountName
	Password  string // "": nobody logs in with it
	Name      string // sn
	FirstName string
	Emails    []string // of all mail attributes, in their order; none: no mail attribute
	QuotaKiB  int64
	Groups    []string // imported groups, by name
}

// people is the directory a domain imports from.
type people struct {
	kind string
	list []Person
}

// importEnabled is the property of a domain that switches an import on.
func importEnabled(kind string) string { return "import_" + kind + "_enabled" }

// ImportProperties are a domain's with an import switched on.
func ImportProperties(kind string) map[string]string {
	p := "import_" + kind + "_"
	return map[string]string{
		importEnabled(kind): "true", p + "hostname": "directory.example.net", p + "base_dn": "dc=example,dc=net",
	}
}

// Owned tells whether LDAP or Active Directory owns an entry.
func (e *Entry) Owned() bool {
	kind, _, ok := strings.Cut(string(e.ExternalID), "://")
	return ok && (kind == KindLDAP || kind == KindAD)
}

// SetPeople gives a domain the directory it imports from. It isn't kept: who
// opens the store gives it again.
func (s *Store) SetPeople(domainUID, kind string, list []Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[domainUID] = &people{kind, slices.Clone(list)}
}

// person finds somebody by login where a domain's import is on.
func (s *Store) person(domainUID, login string) (kind string, p Person, ok bool) {
	from, d := s.people[domainUID], s.domains[domainUID]
	if from == nil || d == nil || !strings.EqualFold(d.Value.Properties[importEnabled(from.kind)], "true") || !loginForm.MatchString(login) {
		return "", Person{}, false
	}
	i := slices.IndexFunc(from.list, func(p Person) bool { return strings.EqualFold(p.Login, login) })
	if i < 0 {
		return "", Person{}, false
	}
	return from.kind, from.list[i], true
}

// Import makes the user that a domain's directory has under a login, as BlueMind
// does when somebody logs in or becomes a user that it doesn't have yet.
func (s *Store) Import(domainUID, login string) (*Entry, error) {
	s.mu.RLock()
	kind, p, ok := s.person(domainUID, login)
	var d *domain
	if ok {
		d = s.domains[domainUID]
	}
	s.mu.RUnlock()
	if !ok {
		return nil, Faultf(Unknown, "Can't find user: %s@%s in directory server", login, domainUID)
	}
	u := User{Login: Text(strings.ToLower(p.Login)), Routing: "internal"}
	if u.Emails = importedEmails(d, string(u.Login), p.Emails); !hasLocal(d, p.Emails) {
		u.Routing = "none"
	}
	if p.QuotaKiB > 0 {
		u.Quota = &p.QuotaKiB
	}
	u.ContactInfos = Card{"identification": map[string]any{"name": map[string]any{"familyNames": p.Name, "givenNames": p.FirstName}}}
	e, err := s.CreateUser("system", domainUID, NamedUUID(domainUID, kind, p.Login), ExternalID(kind, domainUID, p.Login), u)
	if err != nil {
		return nil, err
	}
	for _, name := range p.Groups {
		g, ok := s.GroupByName(domainUID, name)
		if !ok || !g.Owned() {
			continue
		}
		if err := s.AddMembers("system", domainUID, g.UID, []Member{{Type: "user", UID: e.UID}}); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// ImportByPassword is Import at a login: the name is login@domain, by uid or
// alias, and the password is the directory's.
func (s *Store) ImportByPassword(name, password string) (*Entry, bool) {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '@' })
	if len(parts) < 2 || password == "" {
		return nil, false
	}
	s.mu.RLock()
	d := s.lookup(parts[1])
	ok := d != nil
	if ok {
		var p Person
		_, p, ok = s.person(d.UID, parts[0])
		ok = ok && p.authenticates(password)
	}
	s.mu.RUnlock()
	if !ok {
		return nil, false
	}
	e, err := s.Import(d.UID, parts[0])
	return e, err == nil
}

func (p Person) authenticates(password string) bool {
	return p.Password != "" && subtle.ConstantTimeCompare([]byte(p.Password), []byte(password)) == 1
}

// knows tells whether the directory that owns an entry takes a password of it.
func (s *Store) knows(e *Entry, password string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	kind, p, ok := s.person(e.Domain, string(e.User.Login))
	return ok && strings.HasPrefix(string(e.ExternalID), kind+"://") && p.authenticates(password)
}

// ExternalID is the id of a person or group of a directory.
func ExternalID(kind, domainUID, name string) string {
	return kind + "://" + NamedUUID(domainUID, kind, "entry", name)
}

// NamedUUID makes a UUID from words: the same words, the same UUID.
func NamedUUID(words ...string) string {
	b := sha1.Sum([]byte(strings.Join(words, "\x00")))
	b[6], b[8] = b[6]&0x0f|0x50, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func (d *domain) local(address string) bool {
	_, right, _ := strings.Cut(address, "@")
	return right == "" || right == string(d.Value.Name) || slices.Contains(d.Value.Aliases, right)
}

func hasLocal(d *domain, emails []string) bool { return slices.ContainsFunc(emails, d.local) }

// importedEmails makes a user's addresses of the mail attributes: those of the
// domain and login@name, the first one as default; a left part that is on the
// name and every alias counts in all of them. Without one of the domain, what is
// outside it.
func importedEmails(d *domain, login string, mails []string) []Email {
	emails, name := []Email{}, string(d.Value.Name)
	if !hasLocal(d, mails) {
		for i, a := range mails {
			emails = append(emails, Email{Address: strings.ToLower(a), IsDefault: i == 0})
		}
		return emails
	}
	all := aliasSet(append([]string{name}, d.Value.Aliases...))
	rights, lefts, def := map[string][]string{}, []string{}, ""
	add := func(left string, more ...string) {
		if rights[left] == nil {
			lefts = append(lefts, left)
		}
		rights[left] = aliasSet(append(rights[left], more...))
	}
	for _, a := range mails {
		if !d.local(a) {
			continue
		}
		left, right, at := strings.Cut(strings.ToLower(a), "@")
		if at {
			add(left, right)
		} else {
			add(left, all...)
			right = name
		}
		if def == "" {
			def = left + "@" + right
		}
	}
	add(login, name)
	for _, left := range lefts {
		if len(rights[left]) < len(all) {
			for _, right := range rights[left] {
				emails = append(emails, Email{Address: left + "@" + right, IsDefault: left+"@"+right == def})
			}
			continue
		}
		e := Email{Address: left + "@" + name, AllAliases: true}
		if strings.HasPrefix(def, left+"@") {
			e.Address, e.IsDefault = def, true
		}
		emails = append(emails, e)
	}
	return emails
}
