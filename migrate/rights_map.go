package migrate

import "strings"

// rightLetters are the rights of RFC 4314 §2.1 and, c and d, of RFC 2086.
const rightLetters = "lrswipkxteacd"

// verbsOf translates the rights that somebody has on a whole mailbox into
// BlueMind's verbs. BlueMind has two steps for mail, Read and Write, where the
// RFC has ten; nobody gets more than the source gave:
//
//   - Read needs r. With s alone, which is "seen", it stays Read: BlueMind keeps
//     one state of reading for a share in any case.
//   - Write needs both to add messages (i) and to remove them (t, or the old d),
//     because Write allows both. Who had one of the two gets Read, and lost
//     says so: a person decides.
//   - a, which changes rights, is Manage.
//   - k, x, e and w come with Write and mean nothing without it. l without r has
//     no like. p has none either: everybody may send to a BlueMind address.
//   - Neither SendAs nor SendOnBehalf has a letter. They come from rights.csv;
//     BlueMind itself adds SendAs to Write on a share.
//
// Lost says what was not translated, "" if nothing.
func verbsOf(letters string) (verbs []string, lost string) {
	has := func(any string) bool { return strings.ContainsAny(letters, any) }
	add, remove := has("i"), has("td")
	switch {
	case has("r") && add && remove:
		verbs = append(verbs, VerbWrite)
	case has("r"):
		verbs = append(verbs, VerbRead)
	}
	switch {
	case !has("r") && add:
		lost = "to add without reading"
	case !has("r") && has("l") && !has("a"):
		lost = "to see the folder without reading it"
	case add && !remove:
		lost = "to add without deleting"
	case remove && !add:
		lost = "to delete without adding"
	case has("w") && !add:
		lost = "to set flags without adding or deleting"
	}
	if has("a") {
		verbs = append(verbs, VerbManage)
	}
	return verbs, lost
}
