package objects

import (
	"slices"
	"strings"

	"bmsync/bmapi"
)

// wantedEmails are the addresses of a row, the first one as default. Where they
// count under all names of the domain, a left part stands once.
func wantedEmails(address string, aliases []string, all bool) []bmapi.Email {
	var out []bmapi.Email
	for _, a := range append([]string{address}, aliases...) {
		if slices.ContainsFunc(out, func(e bmapi.Email) bool { return e.Address == a || all && localOf(e.Address) == localOf(a) }) {
			continue
		}
		out = append(out, bmapi.Email{Address: a, AllAliases: all, IsDefault: len(out) == 0})
	}
	return out
}

// reached tells whether mail to a wanted address arrives where have is. names
// are those of the domain.
func reached(have []bmapi.Email, want bmapi.Email, names []string) bool {
	return slices.ContainsFunc(have, func(h bmapi.Email) bool {
		if h.AllAliases && localOf(h.Address) == localOf(want.Address) {
			return slices.Contains(names, domainOf(want.Address))
		}
		return !want.AllAliases && strings.EqualFold(h.Address, want.Address)
	})
}

// joinEmails is have and what lacks of want, and what was added, in words.
// Nothing gets lost: where an address comes to count under all names, others of
// the same left part go into it, as BlueMind takes a left part once then. The
// default address stays.
func joinEmails(have, want []bmapi.Email, names []string) (out []bmapi.Email, added []bmapi.Email) {
	out = slices.Clone(have)
	for _, w := range want {
		if reached(out, w, names) {
			continue
		}
		e := bmapi.Email{Address: w.Address, AllAliases: w.AllAliases}
		if w.AllAliases {
			out, e = absorb(out, e)
		}
		out, added = append(out, e), append(added, w)
	}
	if !slices.ContainsFunc(out, func(e bmapi.Email) bool { return e.IsDefault }) && len(want) > 0 {
		out = withDefault(out, want[0].Address)
	}
	return out, added
}

// absorb takes the addresses of the same left part out of list, and makes e the
// default if one of them was it; e is then written as that one.
func absorb(list []bmapi.Email, e bmapi.Email) ([]bmapi.Email, bmapi.Email) {
	list = slices.DeleteFunc(list, func(h bmapi.Email) bool {
		if localOf(h.Address) != localOf(e.Address) {
			return false
		}
		if h.IsDefault {
			e.Address, e.IsDefault = h.Address, true
		}
		return true
	})
	return list, e
}

// withDefault makes the one that has the address, or its left part under all
// names, the only default. Without one nothing changes.
func withDefault(list []bmapi.Email, address string) []bmapi.Email {
	at := slices.IndexFunc(list, func(e bmapi.Email) bool { return e.Address == address })
	if at < 0 {
		at = slices.IndexFunc(list, func(e bmapi.Email) bool { return e.AllAliases && localOf(e.Address) == localOf(address) })
	}
	if at < 0 {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].IsDefault = i == at
	}
	return list
}

// defaultOf is the default address, "" if there is none.
func defaultOf(list []bmapi.Email) string {
	for _, e := range list {
		if e.IsDefault {
			return e.Address
		}
	}
	return ""
}

// sameDefault tells whether the default is the wanted one, under whichever name
// of the domain it is written.
func sameDefault(list []bmapi.Email, address string) bool {
	return slices.ContainsFunc(list, func(e bmapi.Email) bool {
		return e.IsDefault && (e.Address == address || e.AllAliases && localOf(e.Address) == localOf(address))
	})
}

// inWords lists addresses; one that counts under all names has a star.
func inWords(list []bmapi.Email) string {
	var words []string
	for _, e := range list {
		if e.AllAliases {
			words = append(words, localOf(e.Address)+"@*")
		} else {
			words = append(words, e.Address)
		}
	}
	return strings.Join(words, ", ")
}
