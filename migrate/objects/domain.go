package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Domain makes sure of a domain: itself, its aliases, the servers it works with
// and the settings that are stated. It is found by its name, which may be an
// alias in BlueMind. Aliases are added, never taken away.
//
// The domain is nil where no mail can be put into it: it would be made by a run
// that is not dry, or the outcome is a conflict that says why.
func (m *Maker) Domain(ctx context.Context, want Domain) (*bmapi.Domain, Outcome, error) {
	w := want.tidy()
	o := Outcome{Kind: KindDomain, Name: w.Name}
	if bad := w.bad(); bad != nil {
		return nil, o.conflict(bad), nil
	}
	defer m.memory.locks.lock("domains")()
	d, bad, err := m.lookDomain(ctx, w)
	switch {
	case err != nil:
		return nil, o, err
	case bad != nil:
		return nil, o.conflict(bad), nil
	case d != nil:
		return m.settleDomain(ctx, d, w, o, false)
	case !w.Create:
		return nil, o.conflict(because(fmt.Sprintf("create the domain in BlueMind, or allow it in bmsync.yaml: domains: [{name: %s, create: true}]", w.Name),
			"BlueMind has no domain %s", w.Name)), nil
	}
	return m.createDomain(ctx, w, o)
}

func (want Domain) tidy() Domain {
	want.Name, want.DefaultAlias, want.Language = tidy(want.Name), tidy(want.DefaultAlias), tidy(want.Language)
	want.Aliases = tidied(append(slices.Clone(want.Aliases), want.DefaultAlias), want.Name)
	return want
}

// names are all that the domain is to go by.
func (want Domain) names() []string { return append([]string{want.Name}, want.Aliases...) }

// bad says what BlueMind would refuse without looking.
func (want Domain) bad() *refusal {
	const mend = "correct domains: in bmsync.yaml"
	for _, n := range want.names() {
		if n == bmapi.GlobalDomain {
			return because(mend, "%s is BlueMind's own domain: no mail is in it", n)
		}
		if !domainForm.MatchString(n) {
			return because(mend, "BlueMind does not take %q as a domain", n)
		}
	}
	if want.Language != "" && !slices.Contains(languages, want.Language) {
		return because(mend, "BlueMind has no language %q: it has %s", want.Language, strings.Join(languages, ", "))
	}
	return want.badQuotas(nil)
}

// lookDomain finds the domain, and makes sure that its names are nobody else's.
func (m *Maker) lookDomain(ctx context.Context, w Domain) (*bmapi.Domain, *refusal, error) {
	var d *bmapi.Domain
	for i, n := range w.names() {
		other, ok, err := found(m.Admin.LookupDomain(ctx, n))
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("look for domain %s: %w", n, err)
		case !ok:
		case other.UID == bmapi.GlobalDomain:
			return nil, because("correct domains: in bmsync.yaml", "%s is BlueMind's own domain: no mail is in it", n), nil
		case i == 0:
			d = other
		case d == nil:
			return nil, because(fmt.Sprintf("make %s an alias of that domain in BlueMind, or correct domains: in bmsync.yaml", w.Name),
				"BlueMind has no domain %s, but its alias %s belongs to the domain %s", w.Name, n, other.UID), nil
		case d.UID != other.UID:
			return nil, because("correct domains: in bmsync.yaml, or take the alias away from the other domain in BlueMind",
				"the alias %s belongs to another domain of BlueMind, %s", n, other.UID), nil
		}
	}
	return d, nil, nil
}

// createDomain makes the domain. Its uid is its default alias: where the two
// differ, BlueMind drops the addresses that users have under the uid.
func (m *Maker) createDomain(ctx context.Context, w Domain, o Outcome) (*bmapi.Domain, Outcome, error) {
	uid := w.DefaultAlias
	if uid == "" {
		uid = w.Name
	}
	o.UID, o.Domain = uid, uid
	if _, bad, err := m.mailServer(ctx, w.MailServer); err != nil || bad != nil {
		if bad != nil {
			o = o.conflict(bad)
		}
		return nil, o, err
	}
	o.Action = Created
	if m.Dry {
		m.memory.realms.of(nil, uid).plan(w.names(), w.settings())
		m.memory.realms.of(nil, uid) // by its aliases as well
		return nil, o, nil
	}
	var d *bmapi.Domain
	refused, err := m.create(ctx, domainMade(uid), func() (err error) {
		d, err = m.Admin.PutDomain(ctx, bmapi.NewDomain{UID: uid, DefaultAlias: uid, Aliases: w.names(), Description: "made by bmsync"})
		return err
	}, func() (ok bool, err error) {
		d, ok, err = found(m.Admin.Domain(ctx, uid))
		return ok, err
	})
	switch {
	case err != nil:
		return nil, o, fmt.Errorf("create domain %s: %w", w.Name, err)
	case refused != nil:
		return nil, o.conflict(said(refused)), nil
	}
	d, o, err = m.settleDomain(ctx, d, w, o, true)
	if err == nil && o.Action != Conflict {
		o.Action, o.Changes = Created, nil
	}
	return d, o, err
}

func domainMade(uid string) Made { return Made{Kind: KindDomain, DomainUID: uid, UID: uid, Name: uid} }

// domainStep is a change of a domain, and the call that makes it.
type domainStep struct {
	change Change
	do     func() error
}

// settleDomain compares a domain that is there, and changes what lacks. One that
// was created just now is finished in any case; so is one without a server for
// its mail: it was cut short, since that server comes last.
func (m *Maker) settleDomain(ctx context.Context, d *bmapi.Domain, w Domain, o Outcome, created bool) (*bmapi.Domain, Outcome, error) {
	o.UID, o.Domain = d.UID, d.UID
	r := m.memory.realms.of(d, d.UID)
	if !created {
		if err := m.confirm(ctx, domainMade(d.UID)); err != nil {
			return nil, o, err
		}
	}
	steps, bad, err := m.domainSteps(ctx, r, d, w)
	unserved := slices.ContainsFunc(steps, func(s domainStep) bool { return s.change.Field == fieldServer && s.change.From == "" })
	switch {
	case err != nil:
		return nil, o, err
	case bad != nil && unserved || unserved && !created && !w.Create && !m.Update:
		if bad == nil {
			bad = because("assign the domain to a mail server in BlueMind, or allow it in bmsync.yaml: domains: [{name: "+w.Name+", create: true}]",
				"no server keeps the mail of the domain %s", d.UID)
		}
		return nil, o.conflict(bad), nil
	case bad != nil:
		return d, o.conflict(bad), nil
	case !created && !m.Update && !(unserved && w.Create):
		return m.leave(d, o, steps)
	}
	for _, s := range steps {
		o.Changes = append(o.Changes, s.change)
		if m.Dry {
			continue
		}
		if err := s.do(); err != nil {
			o.Changes = o.Changes[:len(o.Changes)-1]
			if answered(err) || taskFailed(err) {
				no := said(err)
				if o = o.conflict(because(no.mend, "%s to %s: %s", s.change.Field, s.change.To, no.reason)); unserved {
					d = nil
				}
				return d, o, nil
			}
			return nil, o, fmt.Errorf("domain %s: %s: %w", d.UID, s.change.Field, err)
		}
	}
	if len(steps) > 0 && !m.Dry {
		if d, err = m.Admin.Domain(ctx, d.UID); err != nil {
			return nil, o, fmt.Errorf("read domain %s: %w", o.UID, err)
		}
	}
	m.memory.realms.of(d, d.UID)
	return d, o.settled(), nil
}

// leave tells what differs of a domain that may not be changed.
func (m *Maker) leave(d *bmapi.Domain, o Outcome, steps []domainStep) (*bmapi.Domain, Outcome, error) {
	if len(steps) == 0 {
		return d, o.settled(), nil
	}
	var changes []Change
	for _, s := range steps {
		changes = append(changes, s.change)
	}
	return d, o.conflict(unchanged(changes)), nil
}

// unchanged is the refusal of changes that Maker.Update does not allow.
func unchanged(changes []Change) *refusal {
	var parts []string
	for _, c := range changes {
		from := c.From
		if from == "" {
			from = "none"
		}
		parts = append(parts, fmt.Sprintf("%s: %s in BlueMind, %s wanted", c.Field, from, c.To))
	}
	return because("change it in BlueMind, or allow changes in bmsync.yaml: policy: {users: {update: true}}", "%s", strings.Join(parts, "; "))
}

// domainSteps are what a domain lacks, in the order in which it is mended.
func (m *Maker) domainSteps(ctx context.Context, r *realm, d *bmapi.Domain, w Domain) ([]domainStep, *refusal, error) {
	steps := m.aliasSteps(ctx, r, d, w)
	settings, bad, err := m.settingSteps(ctx, r, w)
	if err != nil {
		return nil, nil, err
	}
	server, badServer, err := m.serverSteps(ctx, r, w)
	if err != nil {
		return nil, nil, err
	}
	if badServer != nil {
		bad = badServer
	}
	// The servers come last: with them the domain counts as complete.
	return slices.Concat(steps, settings, server), bad, nil
}

func (m *Maker) aliasSteps(ctx context.Context, r *realm, d *bmapi.Domain, w Domain) []domainStep {
	var steps []domainStep
	lacking := slices.DeleteFunc(w.names(), d.Has)
	if uid := strings.ToLower(d.UID); w.drops(d) {
		lacking = append(lacking, uid)
	}
	if len(lacking) > 0 {
		if m.Dry {
			r.plan(lacking, nil)
			m.memory.realms.of(d, d.UID)
		}
		all := tidied(slices.Concat(d.Aliases, lacking))
		if d.DefaultAlias != "" && !strings.EqualFold(d.DefaultAlias, d.Name) {
			all = tidied(append(all, d.DefaultAlias)) // BlueMind wants it among them
		}
		steps = append(steps, domainStep{Change{"aliases", strings.Join(tidied(d.Aliases), ", "), strings.Join(all, ", ")}, func() error {
			if err := m.setAliases(ctx, d.UID, all); err != nil {
				return err
			}
			r.refresh(lacking)
			return nil
		}})
	}
	if w.DefaultAlias != "" && d.DefaultAlias != "" && !strings.EqualFold(w.DefaultAlias, d.DefaultAlias) {
		steps = append(steps, domainStep{Change{"default alias", d.DefaultAlias, w.DefaultAlias}, func() error {
			return m.Admin.SetDefaultAlias(ctx, d.UID, w.DefaultAlias)
		}})
	}
	return steps
}

// drops tells whether BlueMind would drop addresses under the domain's uid that
// are wanted, or in use: it does so where the uid is neither the default alias
// nor an alias (bluemind/api.md 5.3).
func (want Domain) drops(d *bmapi.Domain) bool {
	uid, def := strings.ToLower(d.UID), strings.ToLower(d.DefaultAlias)
	if def == "" || slices.Contains(tidied(d.Aliases), uid) {
		return false // versions without a default alias drop nothing
	}
	will := def
	if want.DefaultAlias != "" {
		will = want.DefaultAlias
	}
	return will != uid && (def == uid || slices.Contains(want.names(), uid))
}
