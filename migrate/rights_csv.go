package migrate

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// RightRow is one line of rights.csv: what somebody may do with a mailbox.
type RightRow struct {
	File string // name given to ReadRights
	Line int

	Mailbox string // address, in lower case
	Grantee Mention
	Verbs   []string // BlueMind's; empty: nothing, whatever the source gives
}

// BlueMind's verbs for mailboxes that a migration gives. Write includes Read;
// All includes everything.
const (
	VerbRead         = "Read"
	VerbWrite        = "Write"
	VerbSendOnBehalf = "SendOnBehalf"
	VerbSendAs       = "SendAs"
	VerbManage       = "Manage"
	VerbAll          = "All"
)

var mailboxVerbs = []string{VerbRead, VerbWrite, VerbSendOnBehalf, VerbSendAs, VerbManage, VerbAll}

// The columns of rights.csv. Order is free.
const (
	colMailbox = "mailbox"
	colGrantee = "grantee"
	colRight   = "right"
)

var rightSheet = &sheetKind{
	columns:   []string{colMailbox, colGrantee, colRight, colNote},
	mandatory: []string{colMailbox, colGrantee, colRight},
	also:      map[string]string{"rights": colRight},
	secrets:   "rights need none",
}

// ReadRights reads rights.csv, in all the forms that ReadAccounts knows, and
// checks it as a file; Inputs.Problems checks it against the rest. Rows for
// one mailbox and grantee are joined.
func ReadRights(r io.Reader, name string) ([]RightRow, error) {
	t := &rights{at: map[string]int{}}
	s, err := readSheet(r, name, rightSheet, t.row)
	if err != nil {
		return nil, err
	}
	return t.rows, NewInputError(s.problems)
}

type rights struct {
	rows []RightRow
	at   map[string]int // mailbox and grantee → index
}

func (t *rights) row(r *rowReader) {
	before := len(r.s.problems)
	row := RightRow{File: r.s.file, Line: r.line}
	if s := r.mandatory(colMailbox); s != "" {
		address, err := parseMailAddress(s)
		if err != nil {
			r.fault(colMailbox, err)
		}
		row.Mailbox = address
	}
	mentions := r.mentions(colGrantee)
	switch {
	case len(mentions) == 1:
		row.Grantee = mentions[0]
	case len(mentions) > 1:
		r.add(colGrantee, "names more than one", "write a row for each, or a group")
	case len(r.s.problems) == before:
		r.add(colGrantee, "is missing", "every row needs it")
	}
	words := r.list(colRight, "|,; \t\u00a0")
	if len(words) == 0 && r.raw(colRight) == "" {
		r.add(colRight, "is missing", "write "+Alternatives(mailboxVerbs)+", or none")
	}
	for _, word := range words {
		verbs, err := ParseRight(word)
		if err != nil {
			r.fault(colRight, err)
			continue
		}
		if len(verbs) == 0 && len(words) > 1 {
			r.add(colRight, "none doesn't go with other rights", "keep one of them")
		}
		row.Verbs = joinVerbs(row.Verbs, verbs)
	}
	if len(mentions) == 1 && row.Grantee.Kind == "" && len(row.Verbs) > 0 {
		r.add(colRight, "what only the source knows gets no right in BlueMind", "write none: it is decided, and nothing is set; or name a user or a group")
	}
	if len(r.s.problems) > before {
		return
	}
	key := row.Mailbox + "\x00" + row.Grantee.Kind + "\x00" + strings.ToLower(row.Grantee.Name)
	if i, ok := t.at[key]; ok {
		have := &t.rows[i]
		if (len(have.Verbs) == 0) != (len(row.Verbs) == 0) {
			r.add(colRight, fmt.Sprintf("line %d says otherwise of %s and %s", have.Line, row.Mailbox, row.Grantee.Name), "keep one of the two rows")
		}
		have.Verbs = joinVerbs(have.Verbs, row.Verbs)
		return
	}
	t.at[key] = len(t.rows)
	t.rows = append(t.rows, row)
}

// joinVerbs adds verbs in the order of mailboxVerbs, each once and without
// those that another holds.
func joinVerbs(a, b []string) []string {
	has := func(v string) bool { return slices.Contains(a, v) || slices.Contains(b, v) }
	if has(VerbAll) {
		return []string{VerbAll}
	}
	var out []string
	for _, v := range mailboxVerbs {
		held := v == VerbRead && has(VerbWrite) || v == VerbSendOnBehalf && has(VerbSendAs)
		if has(v) && !held {
			out = append(out, v)
		}
	}
	return out
}

// ParseRight reads one right as rights.csv has it: a verb of BlueMind in any
// case, the letters of RFC 4314 beginning with l, as in lrswipkxte, or none,
// which is no verb at all. Its error is a Problem.
func ParseRight(s string) ([]string, error) {
	if strings.EqualFold(s, "none") {
		return nil, nil
	}
	for _, v := range mailboxVerbs {
		if strings.EqualFold(s, v) {
			return []string{v}, nil
		}
	}
	// Not any word of such letters: "raed" would give the right to administer.
	if letters := strings.ToLower(s); letters[0] == 'l' && strings.Trim(letters, rightLetters) == "" {
		verbs, lost := verbsOf(letters)
		if len(verbs) == 0 {
			return nil, Problem{Text: quoteShort(s) + " gives nothing that BlueMind has", Mend: "write " + Alternatives(mailboxVerbs) + ", or none"}
		}
		if lost != "" {
			return nil, Problem{Text: fmt.Sprintf("%s has no like in BlueMind: %s", quoteShort(s), lost), Mend: "write " + Alternatives(mailboxVerbs)}
		}
		return verbs, nil
	}
	mend := "known are " + strings.Join(mailboxVerbs, ", ") + ", none, and the letters of RFC 4314 from l on, as in lrs"
	if near := Nearest(s, append(slices.Clone(mailboxVerbs), "none")); near != "" {
		mend = "did you mean " + near + "?"
	}
	return nil, Problem{Text: quoteShort(s) + " is not a right", Mend: mend}
}
