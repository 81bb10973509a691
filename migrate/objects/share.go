package objects

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bmsync/bmapi"
)

// anotherName is what to do where two shares come to have one name: its folder's.
const anotherName = "write another address in one of the two rows: the share's name is its left part"

// Share makes sure of a shared mailbox. It is looked for by address first, then
// by the uid that we give; its name stands in one name space with logins. The
// entry is nil where no mail can go to it.
func (m *Maker) Share(ctx context.Context, d *bmapi.Domain, want Share) (*Entry, Outcome, error) {
	w := want.tidy()
	r := m.realm(d, w.Address)
	o := Outcome{Kind: KindShare, Name: w.Address, Domain: r.uid, UID: bmapi.ShareUID(r.uid, w.Name)}
	if bad, err := m.badShare(ctx, r, w); err != nil || bad != nil {
		return m.turnedDown(o, bad, err)
	}
	defer m.memory.locks.lock("entry " + o.UID)()
	s, box, bad, err := m.lookShare(ctx, r, w, o.UID)
	switch {
	case err != nil || bad != nil:
		return m.turnedDown(o, bad, err)
	case s != nil:
		bad := m.leading(r, w.Address, s.Emails)
		if bad == nil {
			bad = m.sameAs(s.UID, w.Address)
		}
		if bad != nil {
			if !reached(s.Emails, bmapi.Email{Address: w.Address}, r.all()) {
				bad.mend = anotherName // it was found by name
			}
			return nil, o.conflict(bad), nil
		}
		return m.settleShare(ctx, r, w, o, s, box)
	case !w.Create:
		return nil, o.conflict(because("create it in BlueMind, or set policy.shares.create: true in bmsync.yaml", "BlueMind has no shared mailbox %s", w.Address)), nil
	}
	return m.createShare(ctx, r, w, o)
}

func (want Share) tidy() Share {
	want.Address = tidy(want.Address)
	if want.Name = tidy(want.Name); want.Name == "" {
		want.Name = localOf(want.Address)
	}
	want.Label = oneLine(want.Label)
	want.Aliases = tidied(want.Aliases, want.Address)
	return want
}

func (want Share) emails(r *realm) []bmapi.Email {
	return wantedEmails(want.Address, want.Aliases, want.AllAliases && r.several())
}

func (want Share) made(r *realm, uid string) Made {
	return Made{Kind: KindShare, DomainUID: r.uid, UID: uid, Name: want.Address, Detail: "name=" + want.Name}
}

func (m *Maker) badShare(ctx context.Context, r *realm, w Share) (*refusal, error) {
	if bad := badQuota(w.Quota); bad != nil {
		return bad, nil
	}
	if reserved(w.Name) || r.uid == bmapi.GlobalDomain {
		return because("choose another name", "%q belongs to BlueMind itself", w.Name), nil
	}
	if !localForm.MatchString(w.Name) || slices.Contains([]byte(w.Name), '/') {
		return because("write another address in the row: the share's name is its left part; the label can be anything", "BlueMind does not take %q as the name of a shared mailbox: it wants the form of an address' left part, without \"/\"", w.Name), nil
	}
	return m.badAddresses(ctx, r, w.Address, w.Aliases)
}

func (m *Maker) lookShare(ctx context.Context, r *realm, w Share, uid string) (*bmapi.Mailshare, *bmapi.Mailbox, *refusal, error) {
	if r.is() == nil {
		return nil, nil, nil, nil
	}
	box, ok, err := m.boxByEmail(ctx, r, w.Address)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look for the mailbox of %s: %w", w.Address, err)
	}
	if err := m.refused(r, box, ok); err != nil {
		return nil, nil, nil, err
	}
	if ok && box.Type != bmapi.BoxMailshare {
		return nil, nil, because("correct the row: an account of kind share needs an address of its own", "%s is the address of a %s in BlueMind", w.Address, kindOfBox(box.Type)), nil
	}
	if ok {
		uid = box.UID
	}
	s, known, err := found(m.Admin.Mailshare(ctx, r.uid, uid))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read shared mailbox %s: %w", w.Address, err)
	}
	if !known {
		return nil, nil, nil, nil
	}
	if !ok {
		if box, _, err = found(m.Admin.Mailbox(ctx, r.uid, uid)); err != nil {
			return nil, nil, nil, fmt.Errorf("read the mailbox of %s: %w", w.Address, err)
		}
	}
	return s, box, nil, nil
}

func (m *Maker) createShare(ctx context.Context, r *realm, w Share, o Outcome) (*Entry, Outcome, error) {
	emails := w.emails(r)
	for _, look := range []func() (*refusal, error){
		func() (*refusal, error) { return m.otherRow(r, w.Address, emails...), nil },
		func() (*refusal, error) { return m.takenAddress(ctx, r, o.UID, emails) },
		func() (*refusal, error) { return m.takenName(ctx, r, o.UID, w.Name) },
		func() (*refusal, error) { return m.badLocation(ctx, r, w.DataLocation) },
		func() (*refusal, error) { return m.quotaAbove(ctx, r, w.Quota, bmapi.SettingMaxShareQuota) },
	} {
		if bad, err := look(); err != nil || bad != nil {
			return m.turnedDown(o, bad, err)
		}
	}
	if bad := m.sameAs(o.UID, w.Address); bad != nil {
		bad.mend = anotherName // none but a dry run gets here
		return nil, o.conflict(bad), nil
	}
	o.Action = Created
	if m.Dry {
		e := &Entry{Domain: r.is(), Kind: KindShare, UID: o.UID, Name: w.Name, Address: w.Address}
		if bad := r.would.take(e, w.Name, emails); bad != nil {
			return nil, o.conflict(bad), nil
		}
		return e, o, nil
	}
	s := &bmapi.Mailshare{Name: w.Name, Label: w.Label, Quota: w.Quota, DataLocation: w.DataLocation, Emails: emails}
	if s.Label == "" {
		s.Label = w.Name
	}
	refused, err := m.create(ctx, w.made(r, o.UID), func() error { return m.Admin.CreateMailshare(ctx, r.uid, o.UID, s) }, func() (bool, error) {
		_, ok, err := found(m.Admin.Mailshare(ctx, r.uid, o.UID))
		return ok, err
	})
	if err != nil {
		return nil, o, fmt.Errorf("create shared mailbox %s: %w", w.Address, err)
	}
	if refused != nil {
		bad, err := m.whyNoShare(ctx, r, w, o.UID, emails, refused)
		return m.turnedDown(o, bad, err)
	}
	e, err := m.readShare(ctx, r, o.UID, false)
	return e, o, err
}

func (m *Maker) whyNoShare(ctx context.Context, r *realm, w Share, uid string, emails []bmapi.Email, refused error) (*refusal, error) {
	r.settings.forget()
	if errors.Is(refused, bmapi.ErrAlreadyExists) {
		m.memory.strays.forget()
		if bad, err := m.takenAddress(ctx, r, uid, emails); err != nil || bad != nil {
			return bad, err
		}
		if bad, err := m.takenName(ctx, r, uid, w.Name); err != nil || bad != nil {
			return bad, err
		}
	}
	return said(refused), nil
}

// settleShare compares a shared mailbox that is there, and patches what the row
// states. Its name stays: it is its folder's.
func (m *Maker) settleShare(ctx context.Context, r *realm, w Share, o Outcome, s *bmapi.Mailshare, box *bmapi.Mailbox) (*Entry, Outcome, error) {
	if s.UID == o.UID {
		if err := m.confirm(ctx, w.made(r, s.UID)); err != nil {
			return nil, o, err
		}
	}
	o.UID = s.UID
	switch {
	case s.Archived:
		return nil, o.conflict(because("activate it in BlueMind", "%s is suspended in BlueMind", w.Address)), nil
	case s.Routing != "" && s.Routing != bmapi.RoutingInternal:
		return nil, o.conflict(because("set its mail routing to internal in BlueMind", "%s: mail routing %s: BlueMind does not store its mail", w.Address, s.Routing)), nil
	}
	fresh, changes, notes, err := m.compareShare(ctx, r, w, s)
	if err != nil {
		return nil, o, err
	}
	if len(changes) > 0 && !m.Update {
		notes, changes = append(notes, unchanged(changes)), nil
	}
	e := shareEntry(r, s, box, true)
	switch {
	case len(changes) == 0:
	case m.Dry: // rows that follow find it by what it would get
		if bad := r.would.take(e, "", fresh.Emails); bad != nil {
			notes, changes = append(notes, bad), nil
		}
	default:
		bad, err := m.patchShare(ctx, r, w, fresh)
		if err != nil {
			return nil, o, err
		}
		if bad != nil {
			notes, changes = append(notes, bad), nil
		}
		if e, err = m.readShare(ctx, r, s.UID, true); err != nil {
			return nil, o, err
		}
	}
	o.Changes = changes
	if len(notes) > 0 {
		return e, o.conflict(notes...), nil
	}
	return e, o.settled(), nil
}

// patchShare puts a share back, changed.
func (m *Maker) patchShare(ctx context.Context, r *realm, w Share, fresh *bmapi.Mailshare) (*refusal, error) {
	err := m.Admin.UpdateMailshare(ctx, r.uid, fresh)
	switch {
	case err == nil:
		return nil, nil
	case answered(err):
		return m.whyShareStays(ctx, r, fresh, err)
	}
	return nil, fmt.Errorf("change shared mailbox %s: %w", w.Address, err)
}

// compareShare says what differs from the row. What can't be as the row wants it
// is a note: it keeps no mail out.
func (m *Maker) compareShare(ctx context.Context, r *realm, w Share, s *bmapi.Mailshare) (fresh *bmapi.Mailshare, changes []Change, notes []*refusal, err error) {
	put := *s
	fresh = &put
	if w.Label != "" && oneLine(s.Label) != w.Label {
		changes = append(changes, Change{"label", s.Label, w.Label})
		fresh.Label = w.Label
	}
	fresh.Emails, notes, err = m.widen(ctx, r, s.UID, s.Emails, w.emails(r), func(e bmapi.Email) *refusal { return m.otherRow(r, w.Address, e) })
	if err != nil {
		return nil, nil, nil, err
	}
	if inWords(fresh.Emails) != inWords(s.Emails) {
		changes = append(changes, Change{"addresses", inWords(s.Emails), inWords(fresh.Emails)})
	}
	if w.Quota != nil && quotaOf(s.Quota) != *w.Quota {
		bad, err := m.quotaAbove(ctx, r, w.Quota, bmapi.SettingMaxShareQuota)
		if err != nil {
			return nil, nil, nil, err
		}
		if bad != nil {
			notes = append(notes, bad)
		} else {
			changes = append(changes, Change{"quota", quotaWord(quotaOf(s.Quota)), quotaWord(*w.Quota)})
			fresh.Quota = w.Quota
		}
	}
	if w.DataLocation != "" && s.DataLocation != w.DataLocation {
		notes = append(notes, because("correct the row, column data_location, or move the mailbox in BlueMind", "its mail is kept by %s, not by %s", s.DataLocation, w.DataLocation))
	}
	if s.UID == bmapi.ShareUID(r.uid, w.Name) && s.Name != w.Name {
		notes = append(notes, because("rename it back, or leave it: its mail arrives all the same", "it was renamed in BlueMind: %s", s.Name))
	}
	if len(changes) == 0 {
		return fresh, nil, notes, nil
	}
	none := int64(0)
	if fresh.Quota == nil { // BlueMind would put the domain's default there
		fresh.Quota = &none
	}
	bad, err := m.quotaInTheWay(ctx, r, fresh.Quota, bmapi.SettingMaxShareQuota)
	if err != nil {
		return nil, nil, nil, err
	}
	if bad != nil {
		notes, changes = append(notes, bad), nil
	}
	return fresh, changes, notes, nil
}

// whyShareStays puts BlueMind's no to an update into words. It validates all of
// the share: the fault may lie in what we did not touch.
func (m *Maker) whyShareStays(ctx context.Context, r *realm, s *bmapi.Mailshare, refused error) (*refusal, error) {
	r.settings.forget()
	for _, look := range []func() (*refusal, error){
		func() (*refusal, error) { return m.quotaInTheWay(ctx, r, s.Quota, bmapi.SettingMaxShareQuota) },
		func() (*refusal, error) { return m.takenAddress(ctx, r, s.UID, s.Emails) },
	} {
		if bad, err := look(); err != nil || bad != nil {
			return bad, err
		}
	}
	return said(refused), nil
}

func (m *Maker) readShare(ctx context.Context, r *realm, uid string, existing bool) (*Entry, error) {
	s, err := m.Admin.Mailshare(ctx, r.uid, uid)
	if err != nil {
		return nil, fmt.Errorf("read shared mailbox %s: %w", uid, err)
	}
	box, err := m.Admin.Mailbox(ctx, r.uid, uid)
	if err != nil {
		return nil, fmt.Errorf("read the mailbox of %s: %w", uid, err)
	}
	return shareEntry(r, s, box, existing), nil
}

func shareEntry(r *realm, s *bmapi.Mailshare, box *bmapi.Mailbox, existing bool) *Entry {
	return &Entry{Domain: r.is(), Kind: KindShare, UID: s.UID, Name: s.Name, Address: defaultOf(s.Emails), Box: box, Existing: existing}
}
