package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// fieldServer is what changes call the server that keeps a domain's mail.
const fieldServer = "mail server"

// notAutomatic are tags that a domain does not get from every server: one keeps
// the mail, one the data, and the edge is chosen by people.
var notAutomatic = []string{bmapi.TagIMAP, "bm/pgsql-data", "mail/smtp-edge"}

func (m *Maker) servers(ctx context.Context) ([]bmapi.Server, error) {
	servers, err := m.memory.servers.get(func() ([]bmapi.Server, error) { return m.Admin.Servers(ctx) })
	if err != nil {
		return nil, fmt.Errorf("list servers: %w", err)
	}
	return servers, nil
}

// mailServer finds a server that can keep mail, by uid; "": the first one.
func (m *Maker) mailServer(ctx context.Context, uid string) (bmapi.Server, *refusal, error) {
	servers, err := m.servers(ctx)
	if err != nil {
		return bmapi.Server{}, nil, err
	}
	var able []string
	for _, s := range servers {
		if !s.Has(bmapi.TagIMAP) {
			continue
		}
		if uid == "" || s.UID == uid {
			return s, nil, nil
		}
		able = append(able, s.UID)
	}
	if len(able) == 0 {
		return bmapi.Server{}, because("give a server the role of a mail server in BlueMind", "BlueMind has no server with the tag %s", bmapi.TagIMAP), nil
	}
	return bmapi.Server{}, because("correct mail_server: in bmsync.yaml", "BlueMind has no mail server %q: it has %s", uid, strings.Join(able, ", ")), nil
}

// serverSteps are the servers that a domain lacks. A domain that has one for its
// mail has all of them, but for one that the row names.
func (m *Maker) serverSteps(ctx context.Context, r *realm, w Domain) ([]domainStep, *refusal, error) {
	have, err := m.mailServers(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	if len(have) > 0 && (w.MailServer == "" || slices.Contains(have, w.MailServer)) {
		return nil, nil, nil
	}
	server, bad, err := m.mailServer(ctx, w.MailServer)
	if err != nil {
		return nil, nil, err
	}
	step := domainStep{Change{fieldServer, strings.Join(have, ", "), server.UID}, func() error {
		defer r.locations.forget()
		return m.assign(ctx, r.uid, server)
	}}
	if bad != nil && len(have) > 0 {
		return nil, bad, nil
	}
	return []domainStep{step}, bad, nil
}

// assign gives a domain its servers as BlueMind's console does: the mail server
// with all it can do, and from each server what every domain gets. The tag for
// mail comes last: it shows that nothing lacks.
func (m *Maker) assign(ctx context.Context, uid string, mail bmapi.Server) error {
	servers, err := m.servers(ctx)
	if err != nil {
		return err
	}
	auto, err := m.Admin.AutoTags(ctx)
	if err != nil {
		return fmt.Errorf("tags of a new domain: %w", err)
	}
	have, err := m.Admin.Assignments(ctx, uid)
	if err != nil {
		return fmt.Errorf("assignments of %s: %w", uid, err)
	}
	auto = append(auto, bmapi.TagCore)
	var todo []bmapi.Assignment
	add := func(s bmapi.Server, wanted func(tag string) bool) {
		for _, tag := range s.Tags {
			a := bmapi.Assignment{DomainUID: uid, ServerUID: s.UID, Tag: tag}
			if wanted(tag) && !slices.Contains(have, a) && !slices.Contains(todo, a) {
				todo = append(todo, a)
			}
		}
	}
	add(mail, func(tag string) bool { return tag != bmapi.TagIMAP })
	for _, s := range servers {
		add(s, func(tag string) bool { return slices.Contains(auto, tag) && !slices.Contains(notAutomatic, tag) })
	}
	add(mail, func(tag string) bool { return tag == bmapi.TagIMAP })
	for _, a := range todo {
		if err := m.Admin.Assign(ctx, uid, a.ServerUID, a.Tag); err != nil {
			return fmt.Errorf("assign %s of %s: %w", a.Tag, a.ServerUID, err)
		}
	}
	return nil
}
