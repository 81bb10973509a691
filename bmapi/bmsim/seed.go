package bmsim

import (
	"fmt"
	"maps"
	"slices"

	"bmsync/bmapi/bmsim/internal/directory"
)

// seed makes a domain with its users and shares, as an administrator would. What
// is there already is left as it is.
func (s *Sim) seed(d Domain) error {
	const by = directory.AdminUID
	uid := d.UID
	if uid == "" {
		uid = d.Name
	}
	if _, ok := s.dir.Domain(uid); !ok {
		v := directory.Domain{Label: directory.Text(d.Name), Name: directory.Text(uid), DefaultAlias: directory.Text(d.DefaultAlias), Aliases: d.Aliases, Properties: maps.Clone(d.Properties)}
		if d.Directory != nil {
			v.Properties = d.Directory.properties(v.Properties)
		}
		if d.Name != uid && !slices.Contains(v.Aliases, d.Name) {
			v.Aliases = append([]string{d.Name}, d.Aliases...)
		}
		if v.DefaultAlias == "" {
			v.DefaultAlias = directory.Text(d.Name)
		}
		if err := s.dir.CreateDomain(by, uid, v); err != nil {
			return fmt.Errorf("domain %s: %w", uid, err)
		}
	}
	for _, srv := range s.dir.Servers() {
		for _, tag := range srv.Value.Tags {
			if err := s.dir.Assign(by, uid, srv.UID, tag); err != nil {
				return err
			}
		}
	}
	if d.Settings != nil {
		if err := s.dir.SetSettings(by, uid, d.Settings); err != nil {
			return fmt.Errorf("settings of %s: %w", uid, err)
		}
	}
	if d.Directory != nil {
		if err := s.seedDirectory(uid, *d.Directory); err != nil {
			return fmt.Errorf("directory of %s: %w", uid, err)
		}
	}
	for _, u := range d.Users {
		if err := s.seedUser(uid, u); err != nil {
			return fmt.Errorf("user %s@%s: %w", u.Login, uid, err)
		}
	}
	for _, m := range d.Shares {
		if err := s.seedShare(uid, m); err != nil {
			return fmt.Errorf("mailshare %s of %s: %w", m.Name, uid, err)
		}
	}
	return nil
}

func seedEmails(list []string) []directory.Email {
	emails := []directory.Email{}
	for i, a := range list {
		emails = append(emails, directory.Email{Address: a, IsDefault: i == 0})
	}
	return emails
}

func (s *Sim) seedUser(domainUID string, u User) error {
	if e, ok := s.dir.ByLogin(domainUID, u.Login); ok {
		return s.settleBox(e)
	}
	name := u.Name
	if name == "" {
		name = u.Login
	}
	v := directory.User{Login: directory.Text(u.Login), Password: directory.Text(u.Password), Routing: "internal"}
	v.Emails, v.Archived = seedEmails(u.Emails), u.Archived
	v.ContactInfos = directory.Card{"identification": map[string]any{"name": map[string]any{"familyNames": name}}}
	if u.QuotaKiB > 0 {
		v.Quota = &u.QuotaKiB
	}
	e, err := s.dir.CreateUser(directory.AdminUID, domainUID, directory.NamedUUID(domainUID, "user", u.Login), "", v)
	if err != nil {
		return err
	}
	group := []directory.Member{{Type: "user", UID: e.UID}}
	if err := s.dir.AddMembers(directory.AdminUID, domainUID, domainUID+"_user_group", group); err != nil {
		return err
	}
	return s.settleBox(e)
}

func (s *Sim) seedShare(domainUID string, m Share) error {
	e, ok := s.dir.ByName(domainUID, m.Name)
	if !ok {
		v := directory.Mailshare{Name: directory.Text(m.Name), Routing: "internal"}
		v.Emails = seedEmails(m.Emails)
		var err error
		if e, err = s.dir.CreateMailshare(directory.AdminUID, domainUID, directory.NamedUUID(domainUID, "mailshare", m.Name), v); err != nil {
			return err
		}
	}
	if err := s.settleBox(e); err != nil || ok || len(m.Writers) == 0 {
		return err
	}
	container, acl := directory.ACLContainer(e.UID), []directory.ACE{}
	for _, w := range m.Writers {
		u, ok := s.dir.ByLogin(domainUID, w)
		if !ok {
			return fmt.Errorf("writer %s is no user", w)
		}
		acl = append(acl, directory.ACE{Subject: u.UID, Verb: "Write"})
	}
	if err := s.dir.SetACL(directory.AdminUID, container, acl); err != nil {
		return err
	}
	if err := s.granted(s.ctx, container, nil); err != nil {
		return err
	}
	for _, a := range acl {
		sub := []directory.Subscription{{Container: container, OfflineSync: true, Automount: true}}
		if err := s.dir.Subscribe(domainUID, a.Subject, sub); err != nil {
			return err
		}
	}
	return nil
}
