package directory

import (
	"fmt"
	"slices"
	"strings"
)

// Query selects directory entries.
type Query struct {
	NameFilter        string   `json:"nameFilter"`
	EmailFilter       string   `json:"emailFilter"`
	NameOrEmailFilter string   `json:"nameOrEmailFilter"`
	HiddenFilter      *bool    `json:"hiddenFilter"` // leave hidden entries out; default true
	SystemFilter      *bool    `json:"systemFilter"` // leave system entries out; default true
	StateFilter       string   `json:"stateFilter"`  // Archived, Active, All
	KindsFilter       []string `json:"kindsFilter"`
	EntryUIDFilter    []string `json:"entryUidFilter"`
	Entries           []string `json:"entries"`
	AccountTypeFilter string   `json:"accountTypeFilter"`
	DataLocation      string   `json:"dataLocation"`
	From              int      `json:"from"`
	Size              *int     `json:"size"` // -1, the default: no limit
}

var kinds = strings.Fields("USER GROUP RESOURCE MAILSHARE CALENDAR ADDRESSBOOK DOMAIN ORG_UNIT EXTERNALUSER")

// Check refuses words that the wire's enumerations don't have.
func (q Query) Check() error {
	for _, k := range q.KindsFilter {
		if !slices.Contains(kinds, k) {
			return fmt.Errorf("%q is no kind of entry", k)
		}
	}
	return nil
}

// Search lists entries by display name, and the number there would be without
// from and size.
func (s *Store) Search(domainUID string, q Query) ([]Item[DirEntry], int) {
	all := []Item[DirEntry]{}
	for _, e := range append(s.Entries(domainUID), s.innate(domainUID)...) {
		if d := e.DirEntry(); q.matches(e, d) {
			all = append(all, Item[DirEntry]{Value: d, Meta: e.Meta})
		}
	}
	total := len(all)
	all = all[min(max(q.From, 0), total):]
	if q.Size != nil && *q.Size >= 0 {
		all = all[:min(*q.Size, len(all))]
	}
	return all, total
}

func (q Query) matches(e *Entry, d DirEntry) bool {
	on := func(b *bool) bool { return b == nil || *b }
	has := func(text, part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	among := func(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }
	mail := func(part string) bool {
		return slices.ContainsFunc(e.Emails(), func(m Email) bool { return has(m.Address, part) })
	}
	switch {
	case on(q.HiddenFilter) && d.Hidden, on(q.SystemFilter) && d.System:
		return false
	case q.StateFilter == "Archived" && !d.Archived, q.StateFilter == "Active" && d.Archived:
		return false
	case !among(q.KindsFilter, d.Kind), !among(q.EntryUIDFilter, d.EntryUID), !among(q.Entries, d.EntryUID):
		return false
	case q.AccountTypeFilter != "" && q.AccountTypeFilter != string(d.AccountType):
		return false
	case q.DataLocation != "" && q.DataLocation != string(d.DataLocation):
		return false
	case q.NameFilter != "" && !has(string(d.DisplayName), q.NameFilter):
		return false
	case q.EmailFilter != "" && !mail(q.EmailFilter):
		return false
	case q.NameOrEmailFilter != "" && !has(string(d.DisplayName), q.NameOrEmailFilter) && !mail(q.NameOrEmailFilter):
		return false
	}
	return true
}
