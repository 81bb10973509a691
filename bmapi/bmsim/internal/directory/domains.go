package directory

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// anyEmail is how BlueMind tests that a name can stand after "@".
var anyEmail = regexp.MustCompile(`^[a-zA-Z0-9!#$%&'*+/=?^_` + "`" + `{|}~-]+(?:\.[a-zA-Z0-9!#$%&'*+/=?^_` + "`" + `{|}~-]+)*@([a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]{2,}$`)

func (d *domain) item() Item[Domain] {
	v := d.Value
	v.Aliases = slices.Clone(v.Aliases)
	v.Properties = maps.Clone(v.Properties)
	return Item[Domain]{Value: v, Meta: d.Meta}
}

func (d *domain) answersTo(name string) bool {
	return name == d.UID || name == string(d.Value.Name) || slices.Contains(d.Value.Aliases, name)
}

// Domain returns a domain by uid.
func (s *Store) Domain(uid string) (Item[Domain], bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.domains[uid]
	if d == nil {
		return Item[Domain]{}, false
	}
	return d.item(), true
}

// Domains lists all domains, by uid.
func (s *Store) Domains() []Item[Domain] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]Item[Domain], 0, len(s.domains))
	for _, uid := range slices.Sorted(maps.Keys(s.domains)) {
		all = append(all, s.domains[uid].item())
	}
	return all
}

// LookupDomain finds a domain by name or alias, exactly as spelled.
func (s *Store) LookupDomain(name string) (Item[Domain], bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.lookup(name); d != nil {
		return d.item(), true
	}
	return Item[Domain]{}, false
}

func (s *Store) lookup(name string) *domain {
	if d := s.domains[name]; d != nil {
		return d
	}
	for _, d := range s.domains {
		if d.answersTo(name) {
			return d
		}
	}
	return nil
}

// CreateDomain makes a domain with its groups user and admin.
func (s *Store) CreateDomain(by, uid string, v Domain) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v = sanitizeDomain(v)
	if string(v.Name) != uid {
		return Faultf(InvalidParameter, "domain uid %s is not its name %s", uid, v.Name)
	}
	if err := s.validateDomain(v); err != nil {
		return err
	}
	if s.domains[uid] != nil {
		return Faultf(AlreadyExists, "domain %s already exists", uid)
	}
	d := &domain{Meta: s.meta(uid, by), Value: v, Settings: map[string]string{"ssl_certif_engine": "DISABLED"}}
	d.DisplayName = v.Label
	if err := s.putDomain(d); err != nil {
		return err
	}
	for name, roles := range map[string][]string{"user": userRoles(), "admin": adminRoles()} {
		g := &Entry{
			Meta: s.meta(uid+"_"+name+"_group", by), Domain: uid, Kind: KindGroup, Roles: roles,
			Group: &Group{
				Base: Base{Emails: []Email{}, Hidden: true}, Name: Text(name), HiddenMembers: true,
				Properties: map[string]string{"is_profile": "true"},
			},
		}
		g.DisplayName = Text(name)
		if err := s.put(g); err != nil {
			return err
		}
	}
	if s.opts.Version >= 5 {
		return nil
	}
	return s.putHidden(by, d)
}

// putHidden adds the hidden administrator that domains of BlueMind 4 have.
func (s *Store) putHidden(by string, d *domain) error {
	u := &User{
		Base: Base{Emails: []Email{}, Hidden: true, System: true}, Login: HiddenAdmin, Routing: "none", AccountType: "FULL",
		ContactInfos: Card{"identification": map[string]any{"name": map[string]any{"familyNames": HiddenAdmin}}},
		Properties:   map[string]string{},
	}
	e := &Entry{Meta: s.meta(HiddenAdmin+"_"+d.UID, by), Domain: d.UID, Kind: KindUser, User: u}
	e.DisplayName = HiddenAdmin
	return s.put(e)
}

func sanitizeDomain(v Domain) Domain {
	if v.DefaultAlias == "" {
		v.DefaultAlias = v.Name
		if len(v.Aliases) > 0 {
			v.DefaultAlias = Text(v.Aliases[0])
		}
	}
	v.Name = Text(strings.ToLower(string(v.Name)))
	v.DefaultAlias = Text(strings.ToLower(string(v.DefaultAlias)))
	aliases := make([]string, 0, len(v.Aliases))
	for _, a := range v.Aliases {
		aliases = append(aliases, strings.ToLower(a))
	}
	v.Aliases = aliasSet(aliases)
	if v.Properties == nil {
		v.Properties = map[string]string{}
	}
	return v
}

func aliasSet(aliases []string) []string {
	set := append([]string{}, aliases...)
	slices.Sort(set)
	return slices.Compact(set)
}

func (s *Store) validateDomain(v Domain) error {
	if v.Label == "" || v.Name == "" {
		return Faultf(InvalidParameter, "label and name must be set")
	}
	for _, n := range append([]string{string(v.Name)}, v.Aliases...) {
		if !anyEmail.MatchString("fake@" + n) {
			return Faultf(InvalidDomainName, "%s can't be used after the @ of an address", n)
		}
		for uid, d := range s.domains {
			if uid != string(v.Name) && d.answersTo(n) {
				return Faultf(InvalidDomainName, "%s conflicts with domain %s", n, uid)
			}
		}
	}
	if v.DefaultAlias == "" || v.DefaultAlias != v.Name && !slices.Contains(v.Aliases, string(v.DefaultAlias)) {
		return Faultf(InvalidParameter, "default alias %q is neither the name nor an alias", string(v.DefaultAlias))
	}
	return nil
}

// UpdateDomain changes label, description and properties.
func (s *Store) UpdateDomain(by, uid string, v Domain) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	v = sanitizeDomain(v)
	if err := s.validateDomain(v); err != nil {
		return err
	}
	old := d.Value
	if v.Name != old.Name || v.Global != old.Global || v.DefaultAlias != old.DefaultAlias || !slices.Equal(v.Aliases, old.Aliases) {
		return Faultf(InvalidParameter, "name, aliases, default alias and global of a domain can't be changed here")
	}
	return s.changeDomain(by, d, func(n *domain) { n.Value, n.DisplayName = v, v.Label })
}

func (s *Store) changeDomain(by string, d *domain, change func(*domain)) error {
	n := *d
	n.Meta = s.touched(d.Meta, by)
	change(&n)
	return s.putDomain(&n)
}

// CheckAliases tells whether a set of aliases can be given to a domain. It is
// not lower-cased, and must hold the present default alias.
func (s *Store) CheckAliases(uid string, aliases []string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	v := d.Value
	v.Aliases = aliasSet(aliases)
	return s.validateDomain(v)
}

// ApplyAliases gives a domain a new set of aliases. It refuses, with a
// sentence, while a removed alias is used by an address.
func (s *Store) ApplyAliases(by, uid string, aliases []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	set := aliasSet(aliases)
	for _, old := range d.Value.Aliases {
		if !slices.Contains(set, old) && d.uses(old) {
			return Faultf(Unknown, "Alias %s is still in use", old)
		}
	}
	return s.changeDomain(by, d, func(n *domain) { n.Value.Aliases = set })
}

func (d *domain) uses(alias string) bool {
	for _, e := range d.entries {
		for _, m := range e.Emails() {
			if _, right, _ := strings.Cut(m.Address, "@"); right == alias {
				return true
			}
		}
	}
	return false
}

// SetDefaultAlias chooses the default alias, which must be the name or an alias.
func (s *Store) SetDefaultAlias(by, uid, alias string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	v := d.Value
	v.DefaultAlias = Text(alias)
	if err := s.validateDomain(v); err != nil {
		return err
	}
	return s.changeDomain(by, d, func(n *domain) { n.Value = v })
}

// DeleteDomain removes a domain that has no entries left.
func (s *Store) DeleteDomain(uid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	if len(d.entries) > 0 {
		return Faultf(Unknown, "domain is not empty, delete its items first")
	}
	if err := s.files.drop("domains", uid); err != nil {
		return err
	}
	delete(s.domains, uid)
	return nil
}

// Settings are the global settings overlaid by the domain's; of an unknown
// domain (an alias, say) the global ones alone.
func (s *Store) Settings(uid string) map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.settings(uid)
}

func (s *Store) settings(uid string) map[string]string {
	all := map[string]string{"lang": "en", "timezone": "Europe/Paris", "date": "yyyy-MM-dd", "timeformat": "HH:mm"}
	if d := s.domains[uid]; d != nil {
		maps.Copy(all, d.Settings)
	}
	return all
}

// SetSettings replaces a domain's settings.
func (s *Store) SetSettings(by, uid string, v map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[uid]
	if d == nil {
		return noDomain(uid)
	}
	if v["mail_forward_unknown_to_relay"] == "true" && v["mail_routing_relay"] == "" {
		return Faultf(InvalidParameter, "split domain relay hostname cannot be empty")
	}
	if lang, ok := v["lang"]; ok && !slices.Contains(strings.Fields("de en es fr it pl sl zh hu"), strings.ToLower(lang)) {
		return Faultf(InvalidParameter, "unknown language %s", lang)
	}
	return s.changeDomain(by, d, func(n *domain) { n.Settings = maps.Clone(v) })
}
