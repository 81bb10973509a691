package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Grant adds rights to an entry's mailbox. What is there stays, the owner's own
// line with it: left out, BlueMind would take it for a right that was taken away
// and tell nobody of the new ones. All who lack something get it in one PUT;
// BlueMind 5 writes a mail to each who is new.
//
// PUT /containers/_manage/{container}/_acl
func (m *Maker) Grant(ctx context.Context, e *Entry, rights []Right) ([]Outcome, error) {
	if e == nil {
		return nil, errors.New("rights on nothing")
	}
	r := m.realm(e.Domain, e.Address)
	g := &granting{m: m, r: r, box: e}
	for _, right := range rights {
		if err := g.find(ctx, right); err != nil {
			return g.outcomes, err
		}
	}
	if len(g.wanted) == 0 {
		return g.outcomes, nil
	}
	defer m.memory.locks.lock("rights " + e.UID)()
	acl, err := g.read(ctx)
	if err != nil {
		return nil, err
	}
	lacking, err := g.compare(ctx, acl)
	if err != nil {
		return g.outcomes, err
	}
	return g.outcomes, g.put(ctx, acl, lacking)
}

// granting is the work on one mailbox's rights.
type granting struct {
	m        *Maker
	r        *realm
	box      *Entry
	wanted   []grant
	outcomes []Outcome
}

// grant is what one subject is to have.
type grant struct {
	subject string
	verbs   []string
	at      int // of its outcome
	fills   bool
}

func (g *granting) outcome(who string) Outcome {
	return Outcome{Kind: KindRight, Name: who + " → " + g.box.label(), Domain: g.r.uid, UID: g.box.UID}
}

// find finds who is meant. Two rights of one grantee are one.
func (g *granting) find(ctx context.Context, right Right) error {
	o := g.outcome(right.Grantee.Name)
	verbs, unknown := g.m.spelled(right.Verbs)
	if len(unknown) > 0 || len(verbs) == 0 {
		g.outcomes = append(g.outcomes, o.conflict(because("write Read, Write, SendOnBehalf, SendAs, Manage or All", "BlueMind has no right %q", strings.Join(unknown, ", "))))
		return nil
	}
	who, bad, err := g.m.grantee(ctx, g.r, right.Grantee)
	if err != nil {
		return err
	}
	if bad == nil && who.UID == g.box.UID {
		bad = because("leave it out of rights.csv", "%s has all rights on his own mailbox", right.Grantee.Name)
	}
	if bad != nil {
		g.outcomes = append(g.outcomes, o.conflict(bad))
		return nil
	}
	if at := slices.IndexFunc(g.wanted, func(w grant) bool { return w.subject == who.UID }); at >= 0 {
		g.wanted[at].verbs = compact(g.m.verbs(), append(g.wanted[at].verbs, verbs...))
		return nil
	}
	g.wanted = append(g.wanted, grant{who.UID, verbs, len(g.outcomes), right.Fills})
	g.outcomes = append(g.outcomes, o)
	return nil
}

// grantee finds a user or group that is to have rights.
func (m *Maker) grantee(ctx context.Context, r *realm, ref Ref) (*Entry, *refusal, error) {
	e, err := m.find(ctx, r, ref)
	switch {
	case err != nil:
		return nil, nil, err
	case e == nil:
		bad, err := m.unknown(ctx, r, ref)
		return nil, bad, err
	case e.Kind != KindUser && e.Kind != KindGroup:
		return nil, because("name a user or a group", "%s is a %s of BlueMind, which can't have rights", ref.Name, e.Kind), nil
	}
	return e, nil, nil
}

// read reads the rights as they are. A mailbox whose container of rights a hook
// of BlueMind's failed to make is repaired.
func (g *granting) read(ctx context.Context) ([]bmapi.AccessEntry, error) {
	if !g.box.Existing && g.m.Dry {
		return nil, nil
	}
	acl, err := g.m.Admin.ACL(ctx, g.box.UID)
	if errors.Is(err, bmapi.ErrNotFound) {
		if g.m.Dry {
			return nil, nil
		}
		if _, err := g.m.Admin.Repair(ctx, g.r.uid, g.box.UID, []string{bmapi.RepairACL, "mailboxAcls"}, false); err != nil {
			return nil, fmt.Errorf("repair the rights of %s: %w", g.box.label(), err)
		}
		acl, err = g.m.Admin.ACL(ctx, g.box.UID)
	}
	if err != nil {
		return nil, fmt.Errorf("rights on %s: %w", g.box.label(), err)
	}
	return acl, nil
}

// given is what one subject lacks, and the record of it.
type given struct {
	grant
	made Made
}

// compare says who lacks what.
func (g *granting) compare(ctx context.Context, acl []bmapi.AccessEntry) ([]given, error) {
	known := g.m.verbs()
	var lacking []given
	for _, w := range g.wanted {
		o := &g.outcomes[w.at]
		have := expand(known, verbsOf(acl, w.subject)...)
		lacks := slices.DeleteFunc(slices.Clone(w.verbs), func(v string) bool { return slices.Contains(have, v) })
		if len(lacks) == 0 {
			o.Action = AsWanted
			// A run that was cut may have given all of it.
			if err := g.m.confirm(ctx, g.made(w, w.verbs, nil)); err != nil {
				return nil, err
			}
			continue
		}
		had := compact(known, have)
		o.Action, o.Changes = Changed, []Change{{"verbs", strings.Join(had, ", "), strings.Join(compact(known, slices.Concat(had, lacks)), ", ")}}
		if len(had) == 0 {
			o.Action = Created
		}
		lacking = append(lacking, given{grant{w.subject, lacks, w.at, w.fills}, g.made(w, lacks, had)})
	}
	return lacking, nil
}

// made is the record of a right: what was given, and what was there before.
func (g *granting) made(w grant, gave, had []string) Made {
	m := Made{Kind: KindRight, DomainUID: g.r.uid, UID: g.box.UID, Name: g.outcomes[w.at].Name,
		Detail: w.subject + " gave=" + strings.Join(gave, ",") + " had=" + strings.Join(had, ",")}
	if w.fills {
		m.Detail += " to=" + toFill
	}
	return m
}

// put writes what is there and what lacks, noted before and after.
func (g *granting) put(ctx context.Context, acl []bmapi.AccessEntry, lacking []given) error {
	if g.m.Dry || len(lacking) == 0 {
		return nil
	}
	var wanted []bmapi.AccessEntry
	for _, l := range lacking {
		if err := g.m.begin(ctx, l.made); err != nil {
			return err
		}
		for _, v := range l.verbs {
			wanted = append(wanted, bmapi.AccessEntry{Subject: l.subject, Verb: v})
		}
	}
	err := g.m.writeACL(ctx, g.box.UID, bmapi.JoinACL(acl, wanted), func(have []bmapi.AccessEntry) ([]bmapi.AccessEntry, bool) {
		return bmapi.JoinACL(have, wanted), !bmapi.Covers(have, wanted)
	})
	if err != nil && !answered(err) {
		return fmt.Errorf("grant rights on %s: %w", g.box.label(), err)
	}
	for _, l := range lacking {
		if err != nil {
			o := &g.outcomes[l.at]
			o.Changes = nil
			*o = o.conflict(said(err))
			if err := g.m.drop(ctx, l.made); err != nil {
				return err
			}
			continue
		}
		if err := g.m.done(ctx, l.made); err != nil {
			return err
		}
	}
	return nil
}

// Had are the verbs that the record of a right says were there before.
func (made Made) Had() []string { return made.list("had") }
