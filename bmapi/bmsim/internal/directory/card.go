package directory

import "strings"

// Card is a VCard: the parts read here have methods, all others are kept as
// they came.
type Card map[string]any

func (c Card) part(path ...string) map[string]any {
	m := map[string]any(c)
	for _, p := range path {
		m, _ = m[p].(map[string]any)
	}
	return m
}

func (c Card) name(field string) string {
	s, _ := c.part("identification", "name")[field].(string)
	return strings.TrimSpace(s)
}

// FamilyNames is identification.name.familyNames.
func (c Card) FamilyNames() string { return c.name("familyNames") }

// FormattedName is identification.formatedName.value (the wire's spelling).
func (c Card) FormattedName() string {
	s, _ := c.part("identification", "formatedName")["value"].(string)
	return strings.TrimSpace(s)
}

// filled returns a card that has a formatted name where the names give one, and
// an address where it had none.
func (c Card) filled(email string) Card {
	out := Card{}
	for k, v := range c {
		if v != nil {
			out[k] = v
		}
	}
	id := cloned(out.part("identification"))
	if c.FormattedName() == "" {
		var names []string
		for _, f := range []string{"givenNames", "additionalNames", "familyNames"} {
			if n := c.name(f); n != "" {
				names = append(names, n)
			}
		}
		if len(names) > 0 {
			id["formatedName"] = map[string]any{"value": strings.Join(names, " "), "parameters": []any{}}
		}
	}
	out["identification"] = id
	com := cloned(out.part("communications"))
	if mails, _ := com["emails"].([]any); len(mails) == 0 && email != "" {
		com["emails"] = []any{map[string]any{"value": email, "parameters": []any{}}}
	}
	out["communications"] = com
	return out
}

func cloned(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}
