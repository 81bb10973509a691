package objects

import (
	"slices"
	"strings"

	"bmsync/bmapi"
)

// verb is a right, and the rights that it holds directly.
type verb struct {
	name  string
	holds []string
}

// verbs5 are those of BlueMind 5, verbs4 of BlueMind 4, which knows no SendAs and
// no ReadExtended, and whose Write holds SendOnBehalf (bluemind/api.md 6.2, 13).
var (
	verbs5 = []verb{
		{"Invitation", nil}, {"Freebusy", []string{"Invitation"}}, {bmapi.VerbSendOnBehalf, nil}, {bmapi.VerbSendAs, []string{bmapi.VerbSendOnBehalf}},
		{bmapi.VerbRead, []string{"Freebusy"}}, {"ReadExtended", []string{bmapi.VerbRead}}, {bmapi.VerbWrite, []string{bmapi.VerbRead}},
		{bmapi.VerbManage, nil}, {bmapi.VerbAll, []string{bmapi.VerbWrite, bmapi.VerbManage, bmapi.VerbSendOnBehalf, bmapi.VerbSendAs, "ReadExtended"}},
	}
	verbs4 = []verb{
		{"Invitation", nil}, {"Freebusy", []string{"Invitation"}}, {bmapi.VerbSendOnBehalf, nil}, {bmapi.VerbRead, []string{"Freebusy"}},
		{bmapi.VerbWrite, []string{bmapi.VerbRead, bmapi.VerbSendOnBehalf}}, {bmapi.VerbManage, nil}, {bmapi.VerbAll, []string{bmapi.VerbWrite, bmapi.VerbManage}},
	}
)

// verbs are those of the version; what is not known is taken for 5.
func (m *Maker) verbs() []verb {
	if m.Version.Major == 4 {
		return verbs4
	}
	return verbs5
}

// expand lists verbs with all that they hold, in the version's order.
func expand(known []verb, list ...string) []string {
	in := map[string]bool{}
	var add func(string)
	add = func(name string) {
		at := slices.IndexFunc(known, func(v verb) bool { return v.name == name })
		if at < 0 || in[name] {
			return
		}
		in[name] = true
		for _, h := range known[at].holds {
			add(h)
		}
	}
	for _, name := range list {
		add(name)
	}
	var out []string
	for _, v := range known {
		if in[v.name] {
			out = append(out, v.name)
		}
	}
	return out
}

// compact leaves out what others of the list hold.
func compact(known []verb, list []string) []string {
	return slices.DeleteFunc(expand(known, list...), func(name string) bool {
		return slices.ContainsFunc(list, func(other string) bool {
			return other != name && slices.Contains(expand(known, other), name)
		})
	})
}

// spelled puts verbs into BlueMind's spelling; those it does not have are apart.
// SendAs, which version 4 lacks, is SendOnBehalf there.
func (m *Maker) spelled(list []string) (good, bad []string) {
	known := m.verbs()
	for _, word := range list {
		at := slices.IndexFunc(verbs5, func(v verb) bool { return strings.EqualFold(v.name, strings.TrimSpace(word)) })
		switch {
		case at < 0:
			bad = append(bad, word)
			continue
		case slices.ContainsFunc(known, func(v verb) bool { return v.name == verbs5[at].name }):
			good = append(good, verbs5[at].name)
		case verbs5[at].name == bmapi.VerbSendAs:
			good = append(good, bmapi.VerbSendOnBehalf)
		default: // ReadExtended: Read is what version 4 has of it
			good = append(good, bmapi.VerbRead)
		}
	}
	return compact(known, good), bad
}

// verbsOf are a subject's verbs in a list of rights.
func verbsOf(acl []bmapi.AccessEntry, subject string) []string {
	var out []string
	for _, a := range acl {
		if a.Subject == subject {
			out = append(out, a.Verb)
		}
	}
	return out
}
