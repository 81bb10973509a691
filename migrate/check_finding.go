package migrate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Severity says what follows from a finding.
type Severity string

// The severities. A blocker makes a run stop or block accounts, so that a
// person must decide first; a warning does not.
const (
	Ok      Severity = "ok"
	Warning Severity = "warning"
	Blocker Severity = "blocker"
	Skipped Severity = "skipped" // not looked at; Text says why

	Unanswered Severity = "unanswered" // a person has not said yet whether it holds
	Moot       Severity = "moot"       // doesn't concern this migration; Text says why
	Later      Severity = "later"      // its phase hasn't come
)

// rank orders severities, the worst first.
func (s Severity) rank() int {
	return slices.Index([]Severity{Blocker, Unanswered, Warning, Skipped, Later, Ok, Moot}, s)
}

// Finding is one thing that Check has to say, about the whole or about the
// accounts that it holds for.
type Finding struct {
	ID       string   `json:"id"`             // of the rule in Rules
	Rule     int      `json:"rule,omitempty"` // number in the preflight table; 0: not in it
	Name     string   `json:"name"`
	Phase    Phase    `json:"phase"`
	How      How      `json:"how"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Mend     string   `json:"mend,omitempty"`
	Command  string   `json:"command,omitempty"`  // the mend, where it can be typed as it stands
	Items    int64    `json:"items,omitempty"`    // messages, folders … that Text counts at its end
	Count    int      `json:"count,omitempty"`    // accounts that it holds for
	Accounts []string `json:"accounts,omitempty"` // all of them, in the order of accounts.csv; none where all is well
	Notes    []string `json:"notes,omitempty"`    // what there is to say of each of Accounts; "" for nothing
}

// member is an account that a finding holds for.
type member struct {
	row     int // in the order of accounts.csv
	address string
	note    string
	weight  int64 // of a group the highest is kept
	items   int64 // of a group the sum stands behind its text
}

type findingKey struct {
	rule     checkRule
	severity Severity
	text     string
}

type group struct {
	mend    string
	command string
	count   int
	members []member
	ranked  bool // members have an order of their own; else it is that of the rows
	weight  int64
	items   int64
}

// findings gathers what goroutines find, grouped by rule and reason, so that
// 50,000 accounts need no more than a page, if each group is cut short. It is
// safe for concurrent use.
type findings struct {
	mu     sync.Mutex
	groups map[findingKey]*group
}

func newFindings() *findings { return &findings{groups: map[findingKey]*group{}} }

// add says something about the whole.
func (f *findings) add(r checkRule, s Severity, text, mend string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[findingKey{r, s, text}] = &group{mend: mend}
}

// account says the same of one more account.
func (f *findings) account(r checkRule, s Severity, text, mend string, m member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := findingKey{r, s, text}
	g := f.groups[key]
	if g == nil {
		g = &group{mend: mend}
		f.groups[key] = g
	}
	g.count++
	g.weight = max(g.weight, m.weight)
	g.items += m.items
	if s != Ok {
		g.members = append(g.members, m)
	}
}

// ranked says the same of accounts in an order of its own, all of them at once.
func (f *findings) ranked(r checkRule, s Severity, text, mend, command string, members []member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := &group{mend: mend, command: command, count: len(members), ranked: true}
	if s != Ok {
		g.members = members
	}
	f.groups[findingKey{r, s, text}] = g
}

// said tells whether a rule has anything to say.
func (f *findings) said(r checkRule) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.groups {
		if key.rule == r {
			return true
		}
	}
	return false
}

// blocks tells whether a rule has a blocker to tell.
func (f *findings) blocks(r checkRule) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.groups {
		if key.rule == r && key.severity == Blocker {
			return true
		}
	}
	return false
}

// list orders findings by rule, the worst first.
func (f *findings) list() []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := make([]findingKey, 0, len(f.groups))
	for key := range f.groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b findingKey) int {
		_, i := a.rule.table()
		_, j := b.rule.table()
		return cmp.Or(cmp.Compare(i, j), cmp.Compare(a.severity.rank(), b.severity.rank()),
			cmp.Compare(f.groups[b].count, f.groups[a].count), strings.Compare(a.text, b.text))
	})
	out := make([]Finding, 0, len(keys))
	for _, key := range keys {
		g := f.groups[key]
		r, _ := key.rule.table()
		one := Finding{ID: r.ID, Rule: r.Number, Name: r.Name, Phase: r.Phase, How: r.How,
			Severity: key.severity, Text: visible(key.text), Mend: visible(g.mend), Command: visible(g.command), Items: g.items, Count: g.count}
		if g.items > 0 {
			one.Text = fmt.Sprintf("%s, %d in all", one.Text, g.items)
		}
		noted := false
		if !g.ranked {
			slices.SortStableFunc(g.members, func(a, b member) int { return cmp.Compare(a.row, b.row) })
		}
		for _, m := range g.members {
			one.Accounts = append(one.Accounts, visible(m.address))
			one.Notes = append(one.Notes, visible(m.note))
			noted = noted || m.note != ""
		}
		if !noted {
			one.Notes = nil
		}
		out = append(out, one)
	}
	return out
}

// visible is a text without what a terminal would obey: names of folders,
// servers and people come from strangers, who could write lines of ours.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// outcomes gives every rule of the table its result, by the worst of its
// findings. Of a rule that has none the caller has to say why.
func outcomes(list []Finding) []RuleResult {
	out := make([]RuleResult, 0, len(ruleTable))
	for _, r := range ruleTable {
		res := RuleResult{Rule: r, Outcome: Skipped, Text: "nothing was found out"}
		first := true
		for _, f := range list { // of a rule the worst come first
			if f.ID != r.ID {
				continue
			}
			if first {
				res.Outcome, res.Text, first = f.Severity, f.Text, false
			}
			if f.Severity != Ok && f.Severity != Moot {
				res.Count += f.Count
			}
		}
		out = append(out, res)
	}
	return out
}

// command gives a finding its mend as something that can be typed as it stands.
func (f *findings) command(r checkRule, s Severity, text, command string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.groups[findingKey{r, s, text}]; g != nil {
		g.command = command
	}
}
