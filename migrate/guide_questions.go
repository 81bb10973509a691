package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// Question is a rule that waits for a person's answer.
type Question struct {
	Rule
	Text string // what must be so here, with what is known of this server
}

// Questions are the rules that a person has still to answer, in the order of
// the table.
func (r CheckResult) Questions() []Question {
	var out []Question
	for _, one := range r.Rules {
		if one.Outcome == Unanswered {
			out = append(out, Question{Rule: one.Rule, Text: one.Text})
		}
	}
	return out
}

// Confirm is the command that answers all open questions; it wants a name. ""
// if none is open.
func (r CheckResult) Confirm() string {
	var rules []string
	for _, one := range r.Questions() {
		rules = append(rules, one.ID)
	}
	if len(rules) == 0 {
		return ""
	}
	return confirmCommand(r.Target, rules...)
}

// ask goes through the rules that can't be looked at: whether each concerns
// this target, whether its time has come, and what was said of it.
func (c *checkup) ask(ctx context.Context) {
	path := AnswersPath(c.StateDir, c.Target.Name)
	var list []Answer
	if c.StateDir != "" {
		var unreadable int
		var err error
		list, unreadable, err = ReadAnswers(path)
		if err != nil {
			c.found.add(checkState, Blocker, "the answers could not be read: "+err.Error(), "make it a file that this user can read")
		}
		if unreadable > 0 {
			c.found.add(checkState, Warning, fmt.Sprintf("%s has %d lines that are no answer; they are left out", path, unreadable), "answer again what is asked")
		}
	}
	reached := c.facts.Installation != ""
	valid := standing(list, c.facts.Installation, c.facts.Major)
	for _, r := range ruleTable {
		if r.How != Operator {
			continue
		}
		id := checkRule(r.ID)
		a, answered := valid[r.ID]
		switch {
		case !reached:
			text := "the target could not be asked"
			if a, ok := lastConfirmed(list, r.ID); ok {
				text += ", so that nobody knows whether an answer is of this server: " + a.words()
			}
			c.found.add(id, Skipped, text, "")
		case c.moot(r) != "":
			c.found.add(id, Moot, c.moot(r), "")
		case !c.Phase.Includes(r.Phase):
			c.found.add(id, Later, "asked later: --phase "+string(r.Phase), "")
		case r.ID == string(checkSpoolCount) && !c.copied(ctx):
			c.found.add(id, Later, "asked once mail has been copied", "")
		case answered && c.outgrown(a):
			c.found.add(id, Unanswered, fmt.Sprintf("%s (%s has confirmed it for %s, and the plan has grown)", c.question(r), a.By, AboutSize(a.Bytes)), c.confirm(r.ID))
		case answered:
			c.answers[r.ID] = a
			c.found.add(id, Ok, a.words(), "")
		default:
			text := c.question(r)
			if old, ok := lastOther(list, r.ID, c.facts.Installation, c.facts.Major); ok {
				text += fmt.Sprintf(" (%s has confirmed it on %s, of another installation or version)", old.By, old.At.Local().Format(time.DateOnly))
			}
			c.found.add(id, Unanswered, text, c.confirm(r.ID))
		}
	}
}

// words say who confirmed a rule, and when.
func (a Answer) words() string {
	text := fmt.Sprintf("confirmed by %s on %s", a.By, a.At.Local().Format("2006-01-02 15:04"))
	if a.Note != "" {
		text += ": " + a.Note
	}
	return text
}

// confirm is what to type about a question.
func (c *checkup) confirm(rules ...string) string { return confirmCommand(c.Target.Name, rules...) }

func confirmCommand(target string, rules ...string) string {
	return fmt.Sprintf("bmsync check --target %s --confirm %s --by NAME", target, strings.Join(rules, ","))
}

// growth is by how much a plan may grow, as a fraction, before its disk space
// is asked for again.
const growth = 0.1

// outgrown says whether an answer was about a smaller plan than there is now.
func (c *checkup) outgrown(a Answer) bool {
	return checkRule(a.Rule) == checkDisk && c.facts.Sizing != nil && float64(c.facts.Sizing.Bytes) > float64(a.Bytes)*(1+growth)
}

// moot says why a question doesn't concern this target, "" if it does.
func (c *checkup) moot(r Rule) string {
	major, minor := c.platform.version.Major, c.platform.version.Minor
	switch id := checkRule(r.ID); {
	case r.Only == 4 && major != 4:
		return fmt.Sprintf("BlueMind %d has neither Cyrus nor its replication", major)
	case id == checkNoVirtual && minor > 0:
		return "since 4.1, folders inside the inbox are real ones"
	case id == checkMemory && major != 4:
		return "only an upgrade from 3.5 to 4 needs it"
	case id == checkDirectoryLink && !c.linked():
		return "no domain of the accounts has an LDAP or AD connection"
	}
	return ""
}

// linked says whether any domain of the accounts gets its users from a
// directory.
func (c *checkup) linked() bool {
	for _, d := range c.domains {
		if d.found != nil && objects.IsDirectoryDomain(d.found) {
			return true
		}
	}
	return false
}

// copied says whether a run has put mail on this target.
func (c *checkup) copied(ctx context.Context) bool {
	if c.store == nil {
		return false
	}
	totals, err := c.store.Totals(ctx)
	return err == nil && totals.Messages[state.Copied].Messages > 0
}

// question is what must be so, with what is known of this server.
func (c *checkup) question(r Rule) string {
	switch checkRule(r.ID) {
	case checkDisk:
		if s := c.facts.Sizing; s != nil {
			return fmt.Sprintf("%s About %s are needed in all, by the plan (estimated)", r.Asks, s.total())
		}
		return r.Asks + " There is no plan yet to estimate it by: bmsync plan"
	case checkMailServers:
		if n := len(c.facts.MailServers); n > 0 {
			return fmt.Sprintf("%s %d active replications are to be seen: %s", r.Asks, n, strings.Join(c.facts.MailServers, ", "))
		}
	}
	return r.Asks
}

// learn gathers what questions, recipes and the guide's page need to know of a
// target that has let us in.
func (c *checkup) learn(ctx context.Context) {
	p := c.platform
	c.facts.Installation, c.facts.Major = p.id, p.version.Major
	if conf, err := p.admin.Configuration(ctx); err == nil { // another administrator than admin0 may not
		c.facts.ExternalURL = conf.ExternalURL()
	}
	servers, err := p.admin.Servers(ctx)
	if err != nil {
		c.Logger.Info("servers could not be listed", "error", err)
	}
	for _, s := range servers {
		if s.Has(bmapi.TagIMAP) {
			c.facts.MailServers = append(c.facts.MailServers, cmp.Or(s.FQDN, s.Name, s.IP, s.UID))
		}
	}
}

// guess keeps what can be known of a target that could not be asked: the
// configured version, and the domains as they are planned.
func (c *checkup) guess() {
	switch {
	case c.platform != nil && c.platform.version.Major != 0:
		c.facts.Major = c.platform.version.Major
	case c.Target.Version != "":
		c.facts.Major, _ = strconv.Atoi(c.Target.Version) // anything else than 4 and 5 was refused
	case c.Policy.TargetVersion != TargetBoth:
		c.facts.Major, _ = strconv.Atoi(string(c.Policy.TargetVersion))
	}
	seen := map[string]bool{}
	for _, row := range c.Rows {
		_, name, _ := strings.Cut(row.Address, "@")
		if seen[name] {
			continue
		}
		seen[name] = true
		planned := c.planned(name)
		d := CheckDomain{Name: c.Target.domain(planned.Name)}
		for _, alias := range planned.Aliases {
			d.Aliases = append(d.Aliases, c.Target.domain(alias))
		}
		if !slices.ContainsFunc(c.facts.Domains, func(have CheckDomain) bool { return have.Name == d.Name }) {
			c.facts.Domains = append(c.facts.Domains, d)
		}
	}
	c.estimate()
}

// tellDomains notes the domains of the accounts as the target has them.
func (c *checkup) tellDomains() {
	for _, name := range slices.Sorted(maps.Keys(c.domains)) {
		d := CheckDomain{Name: c.domains[name].name}
		if found := c.domains[name].found; found != nil {
			d.Name, d.UID = cmp.Or(found.DefaultAlias, found.Name), found.UID
			for _, alias := range append([]string{found.Name}, found.Aliases...) {
				if alias != d.Name && alias != d.UID && !slices.Contains(d.Aliases, alias) {
					d.Aliases = append(d.Aliases, alias)
				}
			}
		}
		if !slices.ContainsFunc(c.facts.Domains, func(have CheckDomain) bool { return have.Name == d.Name && have.UID == d.UID }) {
			c.facts.Domains = append(c.facts.Domains, d)
		}
	}
}

// answered writes into the results of rules what people have said of them.
func (c *checkup) answered(rules []RuleResult) {
	for i := range rules {
		if a, ok := c.answers[rules[i].ID]; ok {
			rules[i].Answer, rules[i].By, rules[i].At, rules[i].Note = a.Answer, a.By, a.At.Format(time.RFC3339), a.Note
		}
	}
}

// errUnknownLanguage is of a page that is asked for in another language than
// there is.
var errUnknownLanguage = errors.New("languages are en and fr")
