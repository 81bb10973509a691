package migrate

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// GuidePage is BlueMind's roll-out guide, rule by rule, with how each was
// checked on a target, what came of it, and who confirmed what can't be
// looked at; and the recipes that an operator needs, filled in.
type GuidePage struct {
	Language     string         `json:"language"`
	Written      time.Time      `json:"written"`
	Target       string         `json:"target"`
	URL          string         `json:"url"`
	Version      string         `json:"version,omitempty"`
	Installation string         `json:"installation,omitempty"` // "": the target could not be asked
	Phase        Phase          `json:"phase"`
	Accounts     int            `json:"accounts"`
	Chapters     []GuideChapter `json:"chapters"`
	Beside       []GuideCheck   `json:"beside"` // rules of the table that the guide says nothing of
	Open         []GuideCheck   `json:"open"`   // questions that wait for an answer
	Confirm      string         `json:"confirm,omitempty"`
	Recipes      []GuideRecipe  `json:"recipes"`
}

// GuideChapter is a chapter of the guide.
type GuideChapter struct {
	Title string      `json:"title"`
	Rules []GuideRule `json:"rules"`
}

// GuideRule is a rule of the guide. Its outcome is the worst of its checks
// that concern this server.
type GuideRule struct {
	Text    string       `json:"text"`
	Outcome Severity     `json:"outcome"`
	Checks  []GuideCheck `json:"checks"`
}

// GuideCheck is a rule of the preflight table with its result.
type GuideCheck struct {
	ID      string   `json:"id"`
	Asks    string   `json:"asks"`
	How     How      `json:"how"`
	Probe   bool     `json:"probe,omitempty"`
	Phase   Phase    `json:"phase"`
	Outcome Severity `json:"outcome"`
	Text    string   `json:"text,omitempty"` // in bmsync's words, in English
	Count   int      `json:"count,omitempty"`
	By      string   `json:"by,omitempty"`
	At      string   `json:"at,omitempty"` // RFC 3339
	Note    string   `json:"note,omitempty"`
}

// GuideRecipe tells an operator what to do and to type.
type GuideRecipe struct {
	Rule  string `json:"rule,omitempty"`
	Title string `json:"title"`
	Text  string `json:"text"` // Markdown
}

// GuideOptions say how a page is written.
type GuideOptions struct {
	Language string         // en or fr; "": en
	Written  time.Time      // now
	Location *time.Location // nil: local
}

// NewGuide makes a page from what a check has found. It works for a target
// that could not be reached, too, and says so.
func NewGuide(r CheckResult, o GuideOptions) (GuidePage, error) {
	o.Language = cmp.Or(o.Language, "en")
	if _, ok := guideLanguages[o.Language]; !ok {
		return GuidePage{}, errUnknownLanguage
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	chapters, err := guideChapters(o.Language)
	if err != nil {
		return GuidePage{}, err
	}
	g := GuidePage{Language: o.Language, Written: o.Written.In(o.Location), Target: r.Target, URL: r.URL, Version: r.Version, Installation: r.Installation,
		Phase: r.Phase, Accounts: r.Accounts, Chapters: []GuideChapter{}, Beside: []GuideCheck{}, Open: []GuideCheck{}}
	checks := map[string]GuideCheck{}
	for _, one := range r.Rules {
		if checkRule(one.ID) == checkUsable && one.Outcome == Ok && !r.Probed {
			// A page that is signed says no more than what was tried.
			one.Outcome, one.Text = Skipped, "nobody is suspended; logins by a key are tried with --probe only"
		}
		checks[one.ID] = guideCheck(one, o)
	}
	said := map[string]bool{}
	for _, chapter := range chapters {
		out := GuideChapter{Title: chapter.title}
		for _, sentence := range chapter.rules {
			rule := GuideRule{Text: sentence.text}
			for _, id := range sentence.ids {
				check, ok := checks[id]
				if !ok {
					return GuidePage{}, fmt.Errorf("guide: the check has no rule %s", id)
				}
				said[id] = true
				rule.Checks = append(rule.Checks, check)
			}
			rule.Outcome = worst(rule.Checks)
			out.Rules = append(out.Rules, rule)
		}
		g.Chapters = append(g.Chapters, out)
	}
	for _, one := range r.Rules {
		if !said[one.ID] {
			g.Beside = append(g.Beside, checks[one.ID])
		}
		if one.Outcome == Unanswered {
			g.Open = append(g.Open, checks[one.ID])
		}
	}
	g.Confirm = r.Confirm()
	g.Recipes, err = recipesFor(r, o.Language)
	return g, err
}

func guideCheck(r RuleResult, o GuideOptions) GuideCheck {
	return GuideCheck{ID: r.ID, Asks: r.Asked(o.Language), How: r.How, Probe: r.Probe, Phase: r.Phase, Outcome: r.Outcome, Text: r.Text, Count: r.Count,
		By: r.By, At: r.At, Note: r.Note}
}

// worst is what a rule of the guide comes to. What doesn't concern this server
// counts only where nothing else does.
func worst(checks []GuideCheck) Severity {
	out := Moot
	for _, c := range checks {
		if c.Outcome.rank() < out.rank() {
			out = c.Outcome
		}
	}
	return out
}

// guideRecipe is a recipe: for a rule, or for a version of BlueMind alone.
type guideRecipe struct {
	name string
	only int // major version; 0: all
}

// recipeOrder is the order in which an operator needs them.
var recipeOrder = [...]guideRecipe{
	{"clean-server", 0}, {"directory-link", 0}, {"disk", 0}, {"memory", 4}, {"archives-3.5", 0}, {"virtual-folders", 4}, {"no-pst", 0},
	{"cyrus-tree", 4}, {"mail-servers", 4}, {"replication-console", 4}, {"max-child", 4}, {"spool-count", 4}, {"idle-mailboxes", 4}, {"no-replication", 5},
	{"mapi-first", 0}, {"outlook-connector", 0}, {"compatibility", 0}, {"autodiscover", 0}, {"workstation-urls", 0}, {"outlook-profile", 0}, {"outlook-registry", 0},
}

// recipesFor fills in the recipes that concern a target; of one that could not
// be asked, all of them.
func recipesFor(r CheckResult, language string) ([]GuideRecipe, error) {
	t, err := guideRecipes(language)
	if err != nil {
		return nil, err
	}
	facts := recipeFacts(r, guideLanguages[language])
	out := []GuideRecipe{}
	for _, recipe := range recipeOrder {
		if recipe.only != 0 && r.Major != 0 && recipe.only != r.Major {
			continue
		}
		if at := slices.IndexFunc(r.Rules, func(one RuleResult) bool { return one.ID == recipe.name }); at >= 0 && r.Rules[at].Outcome == Moot {
			continue
		}
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, recipe.name, facts); err != nil {
			return nil, fmt.Errorf("guide: %w", err)
		}
		title, text, _ := strings.Cut(strings.TrimSpace(b.String()), "\n")
		out = append(out, GuideRecipe{Rule: recipe.name, Title: title, Text: text})
	}
	return out, nil
}

// recipeData is what the recipes' texts may name.
type recipeData struct {
	Target       string
	Host         string // the name that people know the server by
	Major        int    // 0: not known
	Replications int
	MailServers  string
	DomainUIDs   []string
	Names        []string // domains and aliases, as autodiscover is asked for
	Sizing       *recipeSizing
}

type recipeSizing struct {
	Version                          int
	Accounts, Messages, Bytes, Total string
	Memory                           string // "": none more
	Disks                            []recipeDisk
	Longest, LongestSize, Least      string // Least "": less than a minute, or not limited
}

type recipeDisk struct {
	Where, Share, Size string
	Free               bool
}

func recipeFacts(r CheckResult, w guideWords) recipeData {
	d := recipeData{Target: r.Target, Host: r.ExternalURL, Major: r.Major, Replications: len(r.MailServers), MailServers: strings.Join(r.MailServers, ", ")}
	if u, err := url.Parse(r.URL); err == nil && d.Host == "" {
		d.Host = u.Hostname()
	}
	for _, domain := range r.Domains {
		d.DomainUIDs = append(d.DomainUIDs, cmp.Or(domain.UID, domain.Name))
	}
	d.Names = r.names()
	if len(d.DomainUIDs) == 0 {
		d.DomainUIDs = []string{"DOMAIN_UID"}
	}
	if r.Sizing != nil {
		d.Sizing = w.sizing(r.Sizing)
	}
	return d
}

// sizing writes an estimate in the words of a language.
func (w guideWords) sizing(s *Sizing) *recipeSizing {
	out := &recipeSizing{Version: s.Version, Accounts: w.number(int64(s.Accounts)), Messages: w.number(s.Messages), Bytes: w.size(s.Bytes),
		Total: w.between(s.Low, s.High), Longest: s.Longest.Address, LongestSize: w.size(s.Longest.Bytes)}
	if s.Elasticsearch > 0 {
		out.Memory = w.size(s.Elasticsearch)
	}
	if minutes := int64(s.Longest.Least / time.Minute); minutes > 0 {
		out.Least = fmt.Sprintf("%s h %d min", w.number(minutes/60), minutes%60)
	}
	for _, l := range s.Disks {
		out.Disks = append(out.Disks, recipeDisk{Where: l.Where, Share: l.Share, Size: w.between(l.Low, l.High), Free: l.Free})
	}
	return out
}

// names are the domains and aliases of the DNS that the accounts live in.
func (f Facts) names() []string {
	var out []string
	for _, domain := range f.Domains {
		for _, name := range append([]string{domain.Name}, domain.Aliases...) {
			if inDNS(name) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}
