package bmapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Domain is a mail domain. Its UID may be its name or a generated text: look it up,
// never build it.
type Domain struct {
	UID          string            `json:"-"`
	ExternalID   string            `json:"-"`
	Created      time.Time         `json:"-"`
	Name         string            `json:"name"`
	Label        string            `json:"label"`
	Description  string            `json:"description"`
	Aliases      []string          `json:"aliases"`
	DefaultAlias string            `json:"defaultAlias"` // "" from versions before November 2020
	Global       bool              `json:"global"`
	Properties   map[string]string `json:"properties"`
}

// Has tells whether mail for a name is this domain's.
func (d *Domain) Has(name string) bool {
	return strings.EqualFold(d.Name, name) || slices.ContainsFunc(d.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}

func domainOf(it item[Domain]) *Domain {
	d := it.Value
	d.UID, d.ExternalID, d.Created = it.UID, it.ExternalID, it.Created.time()
	return &d
}

// LookupDomain finds the domain with that name or alias, or ErrNotFound.
//
// GET /domains/_lookup
func (s *Session) LookupDomain(ctx context.Context, name string) (*Domain, error) {
	it, err := get[Domain](ctx, s, at("/domains/_lookup").with("name", strings.ToLower(name)))
	if err != nil {
		return nil, err
	}
	return domainOf(it), nil
}

// Domain reads a domain by its uid.
//
// GET /domains/{uid}
func (s *Session) Domain(ctx context.Context, uid string) (*Domain, error) {
	it, err := get[Domain](ctx, s, at("/domains", uid))
	if err != nil {
		return nil, err
	}
	return domainOf(it), nil
}

// Domains lists all domains, GlobalDomain among them.
//
// GET /domains
func (s *Session) Domains(ctx context.Context) ([]*Domain, error) {
	return all(ctx, s, at("/domains"), domainOf)
}

// NewDomain says what CreateDomain makes.
type NewDomain struct {
	UID          string // also its name, as BlueMind wants it; "": DefaultAlias
	Label        string // "": DefaultAlias
	Description  string
	Aliases      []string // beside DefaultAlias
	DefaultAlias string   // the name users know
	Server       string   // uid of the server that keeps the mail; "": the first with mail/imap
}

// InternalUID is a domain uid in the form that BlueMind's own console generates. With
// it the domain can be renamed later; with it each user has login@<uid> as well.
func InternalUID(at time.Time) string {
	return strconv.FormatInt(at.UnixMilli(), 16) + ".internal"
}

func (n NewDomain) wire() Domain {
	d := Domain{UID: strings.ToLower(n.UID), Label: n.Label, Description: n.Description,
		DefaultAlias: strings.ToLower(n.DefaultAlias), Aliases: lower(n.Aliases), Properties: map[string]string{}}
	if d.UID == "" {
		d.UID = d.DefaultAlias
	}
	if d.DefaultAlias == "" {
		d.DefaultAlias = d.UID
	}
	if d.Label == "" {
		d.Label = d.DefaultAlias
	}
	d.Name = d.UID
	if d.DefaultAlias != d.Name {
		d.Aliases = append(d.Aliases, d.DefaultAlias)
	}
	d.Aliases = slices.DeleteFunc(d.Aliases, func(a string) bool { return a == d.Name })
	d.Aliases = append([]string{}, sorted(d.Aliases)...) // null would end in a Java exception
	return d
}

// CreateDomain makes a domain that can hold mail: PutDomain unless its default
// alias is a domain's already, then AssignServers. After an interruption it is
// called again and goes on from where it was.
//
// PUT /domains/{uid}
func (s *Session) CreateDomain(ctx context.Context, n NewDomain) (*Domain, error) {
	d, err := s.LookupDomain(ctx, n.wire().DefaultAlias)
	if errors.Is(err, ErrNotFound) {
		d, err = s.PutDomain(ctx, n)
	}
	if err != nil {
		return nil, err
	}
	return d, s.AssignServers(ctx, d.UID, n.Server)
}

// PutDomain makes the domain itself, without a server: no mailbox can be in it
// yet. One that is there under the same uid is taken as ours. n.Server is not
// looked at.
//
// PUT /domains/{uid}
func (s *Session) PutDomain(ctx context.Context, n NewDomain) (*Domain, error) {
	w := n.wire()
	if err := s.do(ctx, "PUT", at("/domains", w.UID), w, nil); err != nil {
		// Our own try, or another's, may have been first. Looking tells;
		// the fault stands if it was neither.
		found, lookErr := s.LookupDomain(ctx, w.DefaultAlias)
		if lookErr != nil || found.UID != w.UID {
			return nil, err
		}
		return found, nil
	}
	d, err := s.LookupDomain(ctx, w.DefaultAlias)
	if err != nil {
		return nil, fmt.Errorf("look for domain %s: %w", w.DefaultAlias, err)
	}
	return d, nil
}

// AssignServers gives a domain its servers as BlueMind's console does: the mail
// server with all it can do, and from each server what every domain gets. It may
// be repeated, and mends a domain whose making was interrupted.
func (s *Session) AssignServers(ctx context.Context, domainUID, mailServer string) error {
	servers, err := s.Servers(ctx)
	if err != nil {
		return err
	}
	if mailServer == "" {
		// Mail that has its place already stays there.
		uids, err := s.MailServers(ctx, domainUID)
		if err != nil {
			return err
		}
		if len(uids) > 0 {
			mailServer = uids[0]
		}
	}
	i := slices.IndexFunc(servers, func(srv Server) bool {
		return srv.Has(TagIMAP) && (mailServer == "" || srv.UID == mailServer)
	})
	if i < 0 {
		return fmt.Errorf("no server %q with tag %s", mailServer, TagIMAP)
	}
	for _, tag := range servers[i].Tags {
		if err := s.Assign(ctx, domainUID, servers[i].UID, tag); err != nil {
			return err
		}
	}
	auto, err := s.AutoTags(ctx)
	if err != nil {
		return err
	}
	// One server keeps the mail, one the data; the edge is chosen by people.
	auto = slices.DeleteFunc(auto, func(t string) bool { return t == TagIMAP || t == "bm/pgsql-data" || t == "mail/smtp-edge" })
	auto = append(auto, TagCore)
	for _, srv := range servers {
		for _, tag := range srv.Tags {
			if srv.UID == servers[i].UID || !slices.Contains(auto, tag) {
				continue // the mail server has all of its own by now
			}
			if err := s.Assign(ctx, domainUID, srv.UID, tag); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetAliases replaces the domain's aliases and waits for it. The default alias must
// be among them. An alias still used by an address cannot be taken away: *TaskError.
//
// POST /domains/{uid}/_aliases
func (s *Session) SetAliases(ctx context.Context, domainUID string, aliases []string) error {
	want := lower(aliases) // this call alone does not lower the case itself
	return s.begin(ctx, s.starter(ctx, "POST", at("/domains", domainUID, "_aliases"), want), func() (bool, error) {
		d, err := s.Domain(ctx, domainUID)
		if err != nil {
			return false, err
		}
		return slices.Equal(sorted(d.Aliases), sorted(want)), nil
	})
}

func sorted(in []string) []string { return slices.Compact(slices.Sorted(slices.Values(in))) }

// SetDefaultAlias says under which of its names the domain is known.
//
// POST /domains/{uid}/_default_alias
func (s *Session) SetDefaultAlias(ctx context.Context, domainUID, alias string) error {
	return s.do(ctx, "POST", at("/domains", domainUID, "_default_alias"), strings.ToLower(alias), nil)
}

// UpdateDomain replaces a domain's label, description and properties by those of d, as
// read and changed. The rest has calls of its own and must be as it was.
//
// POST /domains/{uid}
func (s *Session) UpdateDomain(ctx context.Context, d *Domain) error {
	sent := *d
	if sent.Aliases == nil {
		sent.Aliases = []string{} // null ends in a Java exception
	}
	return s.do(ctx, "POST", at("/domains", d.UID), sent, nil)
}

// DeleteDomain deletes a domain with all its entries and their mail, and waits for
// it. One that does not exist is fine. Delete the users' keys before.
//
// DELETE /domains/{uid}/_items, DELETE /domains/{uid}
func (s *Session) DeleteDomain(ctx context.Context, domainUID string) error {
	err := s.begin(ctx, s.starter(ctx, "DELETE", at("/domains", domainUID, "_items"), nil), nil)
	if err == nil {
		err = s.do(ctx, "DELETE", at("/domains", domainUID), nil, nil)
	}
	return absent(err)
}

// Keys of a domain's settings that concern a migration. Quotas are KiB, "0" or
// absent is none.
const (
	SettingMaxUserQuota      = "mailbox_max_user_quota"
	SettingDefaultUserQuota  = "mailbox_default_user_quota"
	SettingMaxShareQuota     = "mailbox_max_publicfolder_quota"
	SettingDefaultShareQuota = "mailbox_default_publicfolder_quota"
	SettingLang              = "lang" // de en es fr it pl sl zh hu
	SettingTimezone          = "timezone"
	SettingMaxUsers          = "domain_max_users"
	SettingMaxSimple         = "domain_max_basic_account"
	SettingRelay             = "mail_routing_relay" // where mail for users of RoutingExternal goes
)

// Settings reads a domain's settings, the installation's where it has none of its
// own. It wants the uid: an alias silently reads the installation's alone.
//
// GET /domains/{uid}/_settings
func (s *Session) Settings(ctx context.Context, domainUID string) (map[string]string, error) {
	var m map[string]string
	err := s.do(ctx, "GET", at("/domains", domainUID, "_settings"), nil, &m)
	return m, err
}

// PutSettings replaces all settings of a domain: read, change, put.
//
// PUT /domains/{uid}/_settings
func (s *Session) PutSettings(ctx context.Context, domainUID string, m map[string]string) error {
	return s.do(ctx, "PUT", at("/domains", domainUID, "_settings"), m, nil)
}

func lower(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		out = append(out, lowered(s))
	}
	return out
}

// lowered is an address or a domain as BlueMind compares it.
func lowered(s string) string { return strings.ToLower(s) }
