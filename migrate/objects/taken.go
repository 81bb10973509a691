package objects

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// stray is an entry whose main address is none of its domain. BlueMind refuses
// that address to everybody else in the installation (bluemind/errata.md, api.md 1).
type stray struct {
	uid, domain, kind, name string
}

// strayOf tells whose main address this is in another domain.
func (m *Maker) strayOf(ctx context.Context, r *realm, address string) (*stray, error) {
	all, err := m.memory.strays.get(func() (map[string]stray, error) { return m.listStrays(ctx) })
	if err != nil {
		return nil, err
	}
	if s, ok := all[address]; ok && s.domain != r.uid {
		return &s, nil
	}
	return nil, nil
}

// listStrays goes through the directories of all domains, a thousand entries a
// call. In most installations nothing is found.
func (m *Maker) listStrays(ctx context.Context) (map[string]stray, error) {
	domains, err := m.Admin.Domains(ctx)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	all := map[string]stray{}
	for _, d := range domains {
		if d.UID == bmapi.GlobalDomain {
			continue
		}
		for e, err := range m.Admin.Entries(ctx, d.UID, bmapi.DirQuery{WithSystem: true}) {
			if answered(err) {
				// Half deleted, maybe. What is in it BlueMind may still refuse, and says so.
				m.log().WarnContext(ctx, "directory of a domain can't be read", "domain", d.UID, "error", err)
				break
			}
			if err != nil {
				return nil, fmt.Errorf("directory of domain %s: %w", d.UID, err)
			}
			address := strings.ToLower(e.Email)
			if right := domainOf(address); address != "" && right != d.UID && !d.Has(right) {
				all[address] = stray{uid: e.EntryUID, domain: d.UID, kind: e.Kind, name: e.DisplayName}
			}
		}
	}
	return all, nil
}

// takenAddress says who else has one of the addresses. Those that count under
// all names of the domain are looked for under each.
func (m *Maker) takenAddress(ctx context.Context, r *realm, uid string, emails []bmapi.Email) (*refusal, error) {
	const mend = "give the entry in BlueMind another address, or the row"
	for _, e := range emails {
		for _, address := range r.forms(e) {
			other, err := m.holder(ctx, r, address)
			if err != nil {
				return nil, err
			}
			if other != nil && other.EntryUID != uid {
				return because(mend, "%s is the address of the %s %s in BlueMind", address, kindOfEntry(other.Kind), other.DisplayName), nil
			}
		}
		s, err := m.strayOf(ctx, r, e.Address)
		if err != nil {
			return nil, err
		}
		if s != nil && s.uid != uid {
			return because(mend, "%s is the main address of the %s %s in another domain of BlueMind, %s", e.Address, kindOfEntry(s.kind), s.name, s.domain), nil
		}
	}
	return nil, nil
}

// forms are the addresses that one stands for; the one under the domain's uid
// comes last, as people may never have seen it.
func (r *realm) forms(e bmapi.Email) []string {
	forms := []string{e.Address}
	if !e.AllAliases {
		return forms
	}
	names := slices.DeleteFunc(r.all(), func(n string) bool { return n == r.uid })
	for _, n := range append(names, r.uid) {
		if a := localOf(e.Address) + "@" + n; !slices.Contains(forms, a) {
			forms = append(forms, a)
		}
	}
	return forms
}

// holder is the entry of the domain that has an address; nil: none.
func (m *Maker) holder(ctx context.Context, r *realm, address string) (*bmapi.DirEntry, error) {
	if r.is() == nil {
		return nil, nil
	}
	e, ok, err := found(m.Admin.EntryByEmail(ctx, r.uid, address))
	if err != nil {
		return nil, fmt.Errorf("look for %s in the directory: %w", address, err)
	}
	if !ok && r.wouldBe(address) {
		box, is, err := m.boxByEmail(ctx, r, address)
		if err != nil || !is {
			return nil, err
		}
		e, ok, err = found(m.Admin.Entry(ctx, r.uid, box.UID))
		if err != nil {
			return nil, fmt.Errorf("look for %s in the directory: %w", address, err)
		}
	}
	if !ok {
		return nil, nil
	}
	return e, nil
}

// takenName says who else has the name of a mailbox.
func (m *Maker) takenName(ctx context.Context, r *realm, uid, name string) (*refusal, error) {
	if r.is() == nil {
		return nil, nil
	}
	box, ok, err := found(m.Admin.MailboxByName(ctx, r.uid, name))
	if err != nil {
		return nil, fmt.Errorf("look for mailbox %s: %w", name, err)
	}
	if ok && box.UID != uid {
		own := box.DefaultEmail()
		if own == "" {
			return because("write another name in the row", "%q is the name of another %s in BlueMind, which has no address", name, kindOfBox(box.Type)), nil
		}
		return because("add the address to that one in BlueMind, or write another login or name in the row",
			"%q is the name of another %s in BlueMind (%s)", name, kindOfBox(box.Type), own), nil
	}
	return nil, nil
}

// elsewhere says why an address is none of the domain's.
func (m *Maker) elsewhere(ctx context.Context, r *realm, address string) (*refusal, error) {
	name := domainOf(address)
	if r.has(name) {
		return nil, nil
	}
	d, ok, err := found(m.Admin.LookupDomain(ctx, name))
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for domain %s: %w", name, err)
	case ok:
		return because("correct the row, or write it under that domain", "%s is in another domain of BlueMind, %s", address, d.UID), nil
	}
	return because(fmt.Sprintf("correct the row, or add %s to the aliases of the domain in bmsync.yaml", name),
		"%s is in no domain of BlueMind: %s has not the alias %s", address, r.uid, name), nil
}

// dropped says which address of a user BlueMind would drop without a word: one
// under the uid of a domain that is known by other names alone, unless it is the
// login's or counts under all names.
func (r *realm) dropped(login string, emails []bmapi.Email) *refusal {
	d := r.is()
	if d == nil || d.DefaultAlias == "" || strings.EqualFold(d.DefaultAlias, r.uid) || slices.Contains(tidied(d.Aliases), r.uid) {
		return nil
	}
	for _, e := range emails {
		if !e.AllAliases && domainOf(e.Address) == r.uid && localOf(e.Address) != login {
			return because(fmt.Sprintf("add %s to the aliases of the domain, or write the address under another of its names", r.uid),
				"BlueMind keeps no address %s: %s is neither an alias of the domain nor its default one", e.Address, r.uid)
		}
	}
	return nil
}

// widen adds the wanted addresses to those of an entry, but for those that can't
// be: of these it says why. also is what else may stand against one.
func (m *Maker) widen(ctx context.Context, r *realm, uid string, have, want []bmapi.Email, also func(bmapi.Email) *refusal) ([]bmapi.Email, []*refusal, error) {
	names, out := r.all(), have
	var bad []*refusal
	for _, w := range want {
		if reached(out, w, names) {
			continue
		}
		no := also(w)
		if no == nil {
			var err error
			if no, err = m.takenAddress(ctx, r, uid, []bmapi.Email{w}); err != nil {
				return nil, nil, err
			}
		}
		if no != nil {
			bad = append(bad, no)
			continue
		}
		out, _ = joinEmails(out, []bmapi.Email{w}, names)
	}
	return out, bad, nil
}
