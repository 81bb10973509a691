package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bmsync/migrate"
)

// planView is a plan as a person reads it: what BlueMind must hold, then what
// becomes of folders.
type planView struct {
	Header  migrate.PlanHeader   `json:"header"`
	Totals  migrate.PlanTrailer  `json:"totals"`
	Domains []migrate.PlanDomain `json:"domains"`
	Groups  []planGroup          `json:"groups,omitempty"`
	Shares  []planShare          `json:"shares,omitempty"`
	Rights  []migrate.PlanRight  `json:"rights,omitempty"`

	Unresolved []migrate.PlanRight  `json:"unresolved,omitempty"` // rights that a person has to decide
	Public     []migrate.PlanPublic `json:"public,omitempty"`     // of everybody at a source, taken by no row

	Folders []planLine `json:"folders"`
	Same    int        `json:"same_name"` // folders that keep their name, not listed
	Missing []string   `json:"unsurveyed,omitempty"`

	all bool
}

// planGroup is a group, and how many users name it beside its members: in their
// rows, or by the policy.
type planGroup struct {
	migrate.PlanGroup
	Users int `json:"users"`
}

// planShare is a shared mailbox, where its mail comes from and by whom it is
// filled.
type planShare struct {
	Address  string `json:"address"`
	Name     string `json:"name"`
	Label    string `json:"label,omitempty"`
	Writer   string `json:"writer"`
	Source   string `json:"source"`
	Login    string `json:"source_login"`
	Folder   string `json:"source_folder,omitempty"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// planLine is one decision that isn't plain.
type planLine struct {
	Account  string `json:"account"`
	Source   string `json:"source"`
	Part     string `json:"part,omitempty"` // of a folder that is split by year
	Target   string `json:"target,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Messages int64  `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

func viewPlan(plan *migrate.Plan, all bool) (planView, error) {
	v := planView{Header: plan.Header, Totals: plan.Trailer, Domains: plan.Domains, Public: plan.Public, all: all}
	users := map[string]int{} // by name and domain of a group
	for acct, err := range plan.Accounts() {
		if err != nil {
			return v, err
		}
		if acct.Survey.Error != "" {
			v.Missing = append(v.Missing, acct.Address+": "+acct.Survey.Error)
		}
		if acct.Kind == migrate.KindShare {
			v.Shares = append(v.Shares, planShare{acct.Address, acct.Login, acct.Label, acct.Writer, acct.Source, acct.SourceLogin, acct.SourceFolder, acct.Survey.Messages, acct.Survey.Bytes})
		}
		for _, name := range acct.Groups {
			users[name+"@"+homeDomain(plan, acct.Address)]++
		}
		for _, r := range acct.Rights {
			if r.Unresolved {
				v.Unresolved = append(v.Unresolved, r)
			} else {
				v.Rights = append(v.Rights, r)
			}
		}
		for _, f := range acct.Folders {
			if !all && f.Source == f.Target && f.Reason == "" {
				v.Same++
				continue
			}
			if !all && f.Rule == migrate.RuleNoSelect {
				continue // holds no mail
			}
			v.Folders = append(v.Folders, planLine{acct.Address, f.Source, f.Part, f.Target, f.Rule, f.Reason, f.Survey.Messages, f.Survey.Bytes})
		}
	}
	for _, g := range plan.Groups {
		v.Groups = append(v.Groups, planGroup{g, users[g.Name+"@"+g.Domain]})
	}
	// Excluded mail first, then renamed folders, then the rest.
	slices.SortStableFunc(v.Folders, func(a, b planLine) int { return rank(a) - rank(b) })
	return v, nil
}

// homeDomain is the name of the domain in which an address lies.
func homeDomain(plan *migrate.Plan, address string) string {
	_, domain, _ := strings.Cut(address, "@")
	for _, d := range plan.Domains {
		if slices.Contains(d.Aliases, domain) {
			return d.Name
		}
	}
	return domain
}

func rank(l planLine) int {
	switch {
	case l.Rule != "" && l.Messages > 0:
		return 0
	case l.Rule == "" && (l.Source != l.Target || l.Reason != ""):
		return 1
	case l.Rule != "":
		return 2
	}
	return 3
}

func (v planView) text(w io.Writer) error {
	fmt.Fprintf(w, "plan of %s for BlueMind %s, policy %.12s\n", moment(v.Header.Created), forVersion(v.Header.TargetVersion), v.Header.PolicyDigest)
	fmt.Fprintf(w, "%s, %s, %s, %s\n", many(v.Totals.Accounts, "account"), many(v.Totals.Folders, "folder"), many(v.Totals.Messages, "message"), migrate.AboutSize(v.Totals.Bytes))
	v.objects(w)
	for _, f := range v.Folders {
		what := fmt.Sprintf("→ %q", f.Target)
		if f.Rule != "" {
			what = "excluded by rule " + f.Rule
		}
		if f.Reason != "" {
			what += " (" + f.Reason + ")"
		}
		source := strconv.Quote(f.Source)
		if f.Part != "" {
			source += ", " + f.Part + ","
		}
		fmt.Fprintf(w, "  %s: %s %s: %s, %s\n", f.Account, source, what, many(f.Messages, "message"), migrate.AboutSize(f.Bytes))
	}
	if v.Same > 0 {
		fmt.Fprintf(w, "%s with the same name on both sides; --all lists them\n", many(v.Same, "folder"))
	}
	few(w, "could not be looked at when this was planned", v.Missing)
	return nil
}

// objects writes what BlueMind must hold.
func (v planView) objects(w io.Writer) {
	for _, d := range v.Domains {
		fmt.Fprintln(w, "domain", domainLine(d))
	}
	for _, g := range v.Groups {
		fmt.Fprintln(w, "group", groupLine(g))
	}
	for _, s := range v.Shares {
		fmt.Fprintln(w, "share", s.line())
	}
	rights := make([]string, len(v.Rights))
	for i, r := range v.Rights {
		rights[i] = rightLine(r, strings.Join(r.Verbs, ", "))
	}
	v.list(w, "rights, set by run --final", rights)
	unresolved := make([]string, len(v.Unresolved))
	for i, r := range v.Unresolved {
		unresolved[i] = rightLine(r, "")
	}
	v.list(w, "rights that a person has to decide; a line in rights.csv does, also source:NAME with right none", unresolved)
	v.list(w, publicTitle, publicLines(v.Public))
}

// list is few, or all where that was asked for.
func (v planView) list(w io.Writer, title string, list []string) {
	if !v.all || len(list) == 0 {
		few(w, title, list)
		return
	}
	fmt.Fprintf(w, "%s: %d\n", title, len(list))
	for _, line := range list {
		fmt.Fprintln(w, "  "+line)
	}
}

func domainLine(d migrate.PlanDomain) string {
	var facts []string
	say := func(format string, v ...any) { facts = append(facts, fmt.Sprintf(format, v...)) }
	if d.Create {
		say("created if missing")
	}
	if len(d.Aliases) > 0 {
		say("aliases %s", strings.Join(d.Aliases, ", "))
	}
	if d.DefaultAlias != "" {
		say("default %s", d.DefaultAlias)
	}
	for _, q := range []struct {
		what string
		kib  *int64
	}{{"a new user has", d.UserQuotaKiB}, {"a user at most", d.UserQuotaMaxKiB}, {"a new share has", d.ShareQuotaKiB}, {"a share at most", d.ShareQuotaMaxKiB}} {
		switch {
		case q.kib == nil:
		case *q.kib == 0:
			say("%s no limit", q.what)
		default:
			say("%s %s", q.what, migrate.FormatSize(*q.kib<<10))
		}
	}
	if d.Language != "" {
		say("language %s", d.Language)
	}
	if d.MailServer != "" {
		say("mail on %s", d.MailServer)
	}
	return withFacts(d.Name, facts)
}

func groupLine(g planGroup) string {
	facts := []string{many(len(g.Members), "member") + " by groups.csv"}
	if g.Users > 0 {
		facts = append(facts, many(g.Users, "user")+" by accounts.csv and the policy")
	}
	if g.Address != "" {
		facts = append(facts, "mail to "+g.Address)
	}
	if g.Hidden {
		facts = append(facts, "hidden")
	}
	if !g.Create {
		facts = append(facts, "is in BlueMind already")
	}
	return withFacts(g.Name+" of "+g.Domain, facts)
}

func (s planShare) line() string {
	from := s.Login + " at " + s.Source
	if s.Folder != "" {
		from = fmt.Sprintf("%q of %s", s.Folder, from)
	}
	name := s.Address
	if s.Label != "" {
		name += fmt.Sprintf(" %q", s.Label)
	}
	return withFacts(name, []string{"from " + from, "filled by the key of " + s.Writer, many(s.Messages, "message"), migrate.AboutSize(s.Bytes)})
}

func withFacts(name string, facts []string) string {
	if len(facts) == 0 {
		return name
	}
	return name + " (" + strings.Join(facts, "; ") + ")"
}

// rightLine is a right as a person reads it. One without verbs is unresolved.
func rightLine(r migrate.PlanRight, verbs string) string {
	who := r.Grantee.Name
	if r.Grantee.Kind == migrate.RefGroup {
		who = "group " + who
	}
	text := r.Mailbox
	if who != "" {
		text += ": " + who
	}
	if verbs != "" {
		text += ": " + verbs
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text + " (" + r.From + ")"
}

const publicTitle = "mailboxes of everybody that no row takes; a row of kind share with the name as source_folder does"

func publicLines(list []migrate.PlanPublic) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = fmt.Sprintf("%q of source %s, seen by %s", p.Folder, p.Source, many(p.Logins, "login"))
	}
	return out
}

func forVersion(v migrate.TargetVersion) string {
	if v == migrate.TargetBoth {
		return "4 and 5"
	}
	return string(v)
}
