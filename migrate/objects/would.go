package objects

import (
	"slices"
	"sync"

	"bmsync/bmapi"
)

// would is what a dry run would have made in a domain: rows that follow may name
// it, or clash with it.
type would struct {
	mu     sync.Mutex
	names  map[string]*Entry   // logins, share names, and groups by "_" and name
	lefts  map[string][]claim  // by left part of the address
	loops  map[string][]string // group uid → uids of groups in it
	counts map[string]int      // users by account type
}

type claim struct {
	email bmapi.Email
	entry *Entry
}

// take notes an entry that would be made, unless it clashes with another one.
func (w *would) take(e *Entry, boxName string, emails []bmapi.Email) *refusal {
	w.mu.Lock()
	defer w.mu.Unlock()
	const mend = "correct one of the rows"
	if o := w.names[boxName]; o != nil && o.UID != e.UID {
		return because(mend, "the name %q goes to the %s %s in the same run", boxName, o.Kind, o.label())
	}
	for _, m := range emails {
		for _, c := range w.lefts[localOf(m.Address)] {
			if c.entry.UID != e.UID && (c.email.AllAliases || m.AllAliases || c.email.Address == m.Address) {
				return because(mend, "the address %s goes to the %s %s in the same run", m.Address, c.entry.Kind, c.entry.label())
			}
		}
	}
	if w.names == nil {
		w.names, w.lefts = map[string]*Entry{}, map[string][]claim{}
	}
	if boxName != "" {
		w.names[boxName] = e
	}
	for _, m := range emails {
		left := localOf(m.Address)
		w.lefts[left] = slices.DeleteFunc(w.lefts[left], func(c claim) bool { return c.entry.UID == e.UID && c.email == m })
		w.lefts[left] = append(w.lefts[left], claim{m, e})
	}
	return nil
}

// named finds an entry that would be made, by the name of its mailbox.
func (w *would) named(boxName string) *Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[boxName]
}

// addressed finds an entry that would be made, by an address.
func (w *would) addressed(address string) *Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.lefts[localOf(address)] {
		if c.email.AllAliases || c.email.Address == address {
			return c.entry
		}
	}
	return nil
}

// hold notes that a group has groups in it, beside those that BlueMind tells of.
func (w *would) hold(group string, in ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loops == nil {
		w.loops = map[string][]string{}
	}
	w.loops[group] = append(w.loops[group], in...)
}

func (w *would) holds(group string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.loops[group])
}

// add counts one more user of a type.
func (w *would) add(accountType string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[string]int{}
	}
	w.counts[accountType]++
}

func (w *would) counted(accountType string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[accountType]
}

// label is how people know an entry.
func (e *Entry) label() string {
	if e.Address != "" {
		return e.Address
	}
	return e.Name
}
