package migrate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Group is one group of groups.csv, which may stand on several lines: their
// members add up.
type Group struct {
	File string // name given to ReadGroups
	Line int    // of its first row

	Name        string
	Domain      string // as written after the name, in lower case; "" leaves it to address and members
	Address     string // in lower case; "": the group gets no mail
	Description string
	Hidden      bool
	Create      bool     // false: it is in BlueMind already
	SourceNames []string // what the sources call it, beside its name
	Members     []Mention

	Remarks []string // what was understood otherwise than written
}

// Mention names an entry of the directory somewhere in a CSV.
type Mention struct {
	PlanRef
	Existing bool // it is in BlueMind, and no row of a CSV is to be expected
	Line     int
	Column   int
}

// The columns of groups.csv. Order is free.
const (
	colGroup       = "group"
	colMailAddress = "address"
	colDescription = "description"
	colHidden      = "hidden"
	colMembers     = "members"
	colCreate      = "create"
	colSourceName  = "source_name"
)

var groupSheet = &sheetKind{
	columns:   []string{colGroup, colMailAddress, colDescription, colHidden, colMembers, colCreate, colSourceName, colNote},
	mandatory: []string{colGroup},
	also:      map[string]string{"name": colGroup},
	secrets:   "groups have none",
}

// ReadGroups reads groups.csv, in all the forms that ReadAccounts knows, and
// checks it as a file; Inputs.Problems checks it against the rest.
func ReadGroups(r io.Reader, name string) ([]Group, error) {
	g := &groups{at: map[string]int{}}
	s, err := readSheet(r, name, groupSheet, g.row)
	if err != nil {
		return nil, err
	}
	return g.list, NewInputError(s.problems)
}

type groups struct {
	list []Group
	at   map[string]int // name and domain → index
}

// groupKey is the name by which BlueMind tells groups of one domain apart.
func groupKey(name string) string { return strings.ToLower(name) }

// badGroupName says why a name can't be a group's, "" if it can. | , ; part
// names in a cell, @ parts them from their domain.
func badGroupName(name string) string {
	switch {
	case strings.ContainsAny(name, "|,;@"):
		return "has one of | , ; @"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "has a control character"
	case len(name) > 128:
		return "is longer than 128 octets"
	case strings.HasPrefix(name, groupPrefix), strings.HasPrefix(name, existingPrefix), strings.HasPrefix(name, sourcePrefix):
		return "begins like a reference"
	}
	return ""
}

func (g *groups) row(r *rowReader) {
	before := len(r.s.problems)
	group := Group{File: r.s.file, Line: r.line, Description: r.words(colDescription), Hidden: r.yes(colHidden, false), Create: r.yes(colCreate, true)}
	written := r.mandatory(colGroup)
	if written != "" {
		r.groupName(written, &group)
	}
	if s := r.exact(colMailAddress); s != "" {
		address, err := parseMailAddress(s)
		if err != nil {
			r.fault(colMailAddress, err)
		} else if group.Address = address; address != s {
			group.Remarks = append(group.Remarks, fmt.Sprintf("%s %s was written in lower case, as BlueMind wants it", colMailAddress, quoteShort(s)))
		}
	}
	group.SourceNames = r.list(colSourceName, "|,;")
	for _, m := range r.mentions(colMembers) {
		if m.Kind == "" {
			r.add(colMembers, sourcePrefix+m.Name+" is no member of a group in BlueMind", "write an address, or group:NAME; what a source calls the group goes to source_name")
			continue
		}
		group.Members = append(group.Members, m)
	}
	if len(r.s.problems) > before || group.Name == "" {
		return
	}
	key := groupKey(group.Name) + "@" + group.Domain
	if i, ok := g.at[key]; ok {
		g.join(r, i, group)
		return
	}
	g.at[key] = len(g.list)
	g.list = append(g.list, group)
}

func (r *rowReader) groupName(written string, group *Group) {
	name, domain, hasDomain := strings.Cut(written, "@")
	group.Name = strings.TrimSpace(name)
	if group.Name == "" {
		r.add(colGroup, "has no name before the @", "write name, or name@domain")
		return
	}
	if why := badGroupName(group.Name); why != "" {
		r.add(colGroup, fmt.Sprintf("%s %s", quoteShort(group.Name), why), "give the group another name")
	}
	if hasDomain {
		d, err := ParseDomain(strings.TrimSpace(domain))
		if err != nil {
			r.fault(colGroup, err)
		}
		group.Domain = d
	}
}

// join adds a further row to a group. What it says beside members must be what
// was said, or nothing.
func (g *groups) join(r *rowReader, i int, more Group) {
	have := &g.list[i]
	differs := func(column string, a, b *string) {
		switch {
		case *b == "":
		case *a == "":
			*a = *b
		case *a != *b:
			r.add(column, fmt.Sprintf("the group %s has another %s on line %d", quoteShort(have.Name), column, have.Line), "keep one of the two")
		}
	}
	differs(colMailAddress, &have.Address, &more.Address)
	differs(colDescription, &have.Description, &more.Description)
	have.Hidden = have.Hidden || more.Hidden
	if r.raw(colCreate) != "" && more.Create != have.Create {
		r.add(colCreate, fmt.Sprintf("line %d says otherwise of the group %s", have.Line, quoteShort(have.Name)), "keep one of the two")
	}
	for _, name := range more.SourceNames {
		if !slices.Contains(have.SourceNames, name) {
			have.SourceNames = append(have.SourceNames, name)
		}
	}
	have.Members = append(have.Members, more.Members...)
	have.Remarks = append(have.Remarks, more.Remarks...)
}

// What stands before a reference: to a group, to something that is in BlueMind
// and in no CSV, or, in rights.csv, to what a source calls somebody.
const (
	groupPrefix    = "group:"
	existingPrefix = "existing:"
	sourcePrefix   = "source:"
)

// mentions reads a cell of addresses and group:NAME, which spaces and | , ;
// part. The name of a group reaches up to what can't belong to it.
func (r *rowReader) mentions(column string) []Mention {
	at := Problem{Line: r.line}
	if i, ok := r.s.index[column]; ok && i < len(r.record) {
		at.Line, at.Column = r.s.csv.FieldPos(i)
	}
	var out []Mention
	seen := map[PlanRef]bool{}
	for _, part := range r.list(column, "|,;") {
		for _, s := range splitMentions(part) {
			ref, existing, err := parseMention(s)
			if err != nil {
				r.fault(column, err)
				continue
			}
			if !seen[ref] {
				seen[ref] = true
				out = append(out, Mention{ref, existing, at.Line, at.Column})
			}
		}
	}
	return out
}

// splitMentions parts "a@x group:Two Words b@x" in three.
func splitMentions(s string) []string {
	var out []string
	inGroup := false
	for _, word := range strings.Fields(s) {
		bare := strings.TrimPrefix(word, existingPrefix)
		begins := bare != word || strings.HasPrefix(bare, groupPrefix) || strings.HasPrefix(bare, sourcePrefix)
		if inGroup && !begins && !strings.Contains(word, "@") {
			out[len(out)-1] += " " + word
			continue
		}
		inGroup = strings.HasPrefix(bare, groupPrefix) || strings.HasPrefix(bare, sourcePrefix)
		out = append(out, word)
	}
	return out
}

// parseMention reads one reference: an address, group:NAME, or either of them
// after existing:. Whether the address is a user's is not known here. What
// stands after source: has no kind.
func parseMention(s string) (ref PlanRef, existing bool, err error) {
	if name, ok := strings.CutPrefix(s, sourcePrefix); ok {
		if name == "" {
			err = Problem{Text: "source: has no name behind it", Mend: "write what bmsync plan show says, as in source:anyone"}
		}
		return PlanRef{Name: name}, false, err
	}
	s, existing = strings.CutPrefix(s, existingPrefix)
	if name, ok := strings.CutPrefix(s, groupPrefix); ok {
		name = strings.TrimSpace(name)
		if name == "" {
			return ref, existing, Problem{Text: "group: has no name behind it", Mend: "write group:NAME, as in groups.csv"}
		}
		if why := badGroupName(name); why != "" {
			return ref, existing, Problem{Text: fmt.Sprintf("the group %s %s", quoteShort(name), why), Mend: "write group:NAME, without its domain"}
		}
		return PlanRef{RefGroup, name}, existing, nil
	}
	address, err := parseMailAddress(s)
	if err != nil && !strings.Contains(s, "@") {
		return ref, existing, Problem{Text: quoteShort(s) + " is not an e-mail address: it has no @", Mend: "write an address, or group:" + s + " for a group"}
	}
	return PlanRef{RefUser, address}, existing, err
}
