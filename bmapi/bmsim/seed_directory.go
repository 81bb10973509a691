package bmsim

import (
	"cmp"
	"fmt"
	"maps"

	"bmsync/bmapi/bmsim/internal/directory"
)

func (d Directory) kind() string { return cmp.Or(d.Kind, LDAP) }

// properties are those of a domain that imports from d, with others beside.
func (d Directory) properties(more map[string]string) map[string]string {
	all := directory.ImportProperties(d.kind())
	maps.Copy(all, more)
	return all
}

// seedDirectory gives a domain its directory and imports those who don't wait.
func (s *Sim) seedDirectory(domainUID string, d Directory) error {
	if d.kind() != LDAP && d.kind() != ActiveDirectory {
		return fmt.Errorf("kind %q is neither %s nor %s", d.Kind, LDAP, ActiveDirectory)
	}
	var list []directory.Person
	for _, p := range d.People {
		list = append(list, directory.Person{
			Login: p.Login, Password: p.Password, Name: cmp.Or(p.Name, p.Login), FirstName: p.FirstName,
			Emails: p.Emails, QuotaKiB: p.QuotaKiB, Groups: p.Groups,
		})
		for _, name := range p.Groups {
			if err := s.seedImportedGroup(domainUID, d.kind(), name); err != nil {
				return fmt.Errorf("group %s: %w", name, err)
			}
		}
	}
	s.dir.SetPeople(domainUID, d.kind(), list)
	for _, p := range d.People {
		if p.Waits {
			continue
		}
		if err := s.seedPerson(domainUID, p); err != nil {
			return fmt.Errorf("%s: %w", p.Login, err)
		}
	}
	return nil
}

func (s *Sim) seedImportedGroup(domainUID, kind, name string) error {
	if _, ok := s.dir.GroupByName(domainUID, name); ok {
		return nil
	}
	g := directory.Group{Name: directory.Text(name), Base: directory.Base{Emails: []directory.Email{}}}
	uid := directory.NamedUUID(domainUID, "group", name)
	_, err := s.dir.CreateGroup(directory.AdminUID, domainUID, uid, directory.ExternalID(kind, domainUID, "group "+name), g)
	return err
}

func (s *Sim) seedPerson(domainUID string, p Person) error {
	if e, ok := s.dir.ByLogin(domainUID, p.Login); ok {
		return s.settleBox(e)
	}
	e, err := s.dir.Import(domainUID, p.Login)
	if err != nil {
		return err
	}
	if p.Member {
		group := []directory.Member{{Type: "user", UID: e.UID}}
		if err := s.dir.AddMembers(directory.AdminUID, domainUID, domainUID+"_user_group", group); err != nil {
			return err
		}
	}
	return s.settleBox(e)
}
