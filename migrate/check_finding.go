package migrate

import (
	"cmp"
	"slices"
	"strings"
	"sync"
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
)

// Finding is one thing that Check has to say, about the whole or about the
// accounts that it holds for.
type Finding struct {
	Rule     int      `json:"rule,omitempty"` // number in the preflight table; 0: not in it
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`
	Mend     string   `json:"mend,omitempty"`
	Count    int      `json:"count,omitempty"`    // accounts that it holds for
	Accounts []string `json:"accounts,omitempty"` // the first 20 of them, in the order of accounts.csv; none where all is well
	Notes    []string `json:"notes,omitempty"`    // what there is to say of each of Accounts; "" for nothing
}

// shownAccounts bounds the accounts that a finding names.
const shownAccounts = 20

// checkRule is a rule that can be looked at, in the order of the result.
type checkRule int

const (
	checkAPI checkRule = iota
	checkCertificate
	checkVersion
	checkRunning
	checkAdmin
	checkState
	checkPlan
	checkNames
	checkDomain
	checkMailbox
	checkRouting
	checkUsable
	checkQuota
	checkSize
	checkBlank
	checkSource
)

// table gives each rule its number in the preflight table, 0 for none, and
// its name.
func (r checkRule) table() (number int, name string) {
	rules := [...]struct {
		number int
		name   string
	}{
		{0, "target"}, {0, "certificate"}, {1, "version"}, {25, "running"}, {0, "administrator"}, {0, "state"}, {0, "plan"},
		{4, "addresses"}, {5, "domain"}, {6, "mailbox"}, {8, "routing"}, {9, "usable"}, {10, "quota"}, {11, "message size"},
		{12, "blank target"}, {0, "source login"},
	}
	return rules[r].number, rules[r].name
}

// member is an account that a finding holds for.
type member struct {
	row     int // in the order of accounts.csv
	address string
	note    string
	weight  int64 // of a group the highest is kept
}

type findingKey struct {
	rule     checkRule
	severity Severity
	text     string
}

type group struct {
	mend    string
	count   int
	members []member // the first by row
	weight  int64
}

// findings gathers what goroutines find, grouped by rule and reason, so that
// 50,000 accounts need no more than a page. It is safe for concurrent use.
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
	if s == Ok {
		return
	}
	at, _ := slices.BinarySearchFunc(g.members, m.row, func(have member, row int) int { return cmp.Compare(have.row, row) })
	if at < shownAccounts {
		g.members = slices.Insert(g.members, at, m)
		g.members = g.members[:min(len(g.members), shownAccounts)]
	}
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

// list orders findings by rule, the worst first.
func (f *findings) list() []Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	keys := make([]findingKey, 0, len(f.groups))
	for key := range f.groups {
		keys = append(keys, key)
	}
	order := []Severity{Blocker, Warning, Skipped, Ok}
	slices.SortFunc(keys, func(a, b findingKey) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(slices.Index(order, a.severity), slices.Index(order, b.severity)),
			cmp.Compare(f.groups[b].count, f.groups[a].count), strings.Compare(a.text, b.text))
	})
	out := make([]Finding, 0, len(keys))
	for _, key := range keys {
		g := f.groups[key]
		one := Finding{Severity: key.severity, Text: key.text, Mend: g.mend, Count: g.count}
		one.Rule, one.Name = key.rule.table()
		noted := false
		for _, m := range g.members {
			one.Accounts = append(one.Accounts, m.address)
			one.Notes = append(one.Notes, m.note)
			noted = noted || m.note != ""
		}
		if !noted {
			one.Notes = nil
		}
		out = append(out, one)
	}
	return out
}
