package migrate_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

var updateGuide = flag.Bool("update-guide", false, "write testdata/guide-*.md anew")

// guideResult is what a check of a BlueMind 4 might have found: rules that
// hold, one that blocks, questions that are open and one that is answered.
func guideResult(major int) migrate.CheckResult {
	r := migrate.CheckResult{Target: "production", URL: "https://bm.example.org", Version: "4.9.2", Phase: migrate.PhaseBefore, Accounts: 300,
		Facts: migrate.Facts{Installation: "0123456789abcdef", Major: major, ExternalURL: "mail.example.org", MailServers: []string{"imap1.example.org", "imap2.example.org"},
			Domains: []migrate.CheckDomain{{Name: "example.org", UID: "18f0a.internal", Aliases: []string{"example.net"}}, {Name: "example.com", UID: "example.com"}},
			Sizing: &migrate.Sizing{Version: major, Accounts: 300, Messages: 1_234_567, Bytes: 1e12, Low: 165e10, High: 170e10, Elasticsearch: 15e8,
				Disks: []migrate.SizingLine{{Where: "/var/spool/cyrus/data", Low: 1e12, High: 1e12, Share: "100 %"},
					{Where: "/var/spool/bm-replication", Low: 25e10, High: 25e10, Share: "25 %", Free: true},
					{Where: "/var/spool/bm-elasticsearch", Low: 20e10, High: 25e10, Share: "20–25 %"}}}}}
	if major == 5 {
		r.Version, r.MailServers = "5.1", []string{"bm.example.org"}
		r.Sizing.Elasticsearch, r.Sizing.Longest = 0, migrate.Longest{Address: "ada@example.org", Bytes: 20 << 30, Least: 20471 * time.Second}
	}
	for _, rule := range migrate.Rules() {
		one := migrate.RuleResult{Rule: rule, Outcome: migrate.Ok, Text: "as it should be"}
		switch {
		case rule.Only != 0 && rule.Only != major:
			one.Outcome, one.Text = migrate.Moot, "not on this version"
		case !r.Phase.Includes(rule.Phase):
			one.Outcome, one.Text = migrate.Later, "asked later: --phase "+string(rule.Phase)
		case rule.How == migrate.Operator:
			one.Outcome, one.Text = migrate.Unanswered, rule.Asks
		case rule.Probe:
			one.Outcome, one.Text = migrate.Skipped, "looked at with --probe only"
		}
		switch rule.ID {
		case "autodiscover":
			one.Text = "leads to this server for 0 of 3 names; before the DNS change it can't be otherwise"
		case "no-pst":
			one = migrate.RuleResult{Rule: rule, Outcome: migrate.Ok, Answer: migrate.AnswerConfirmed, By: "Ada *Martin*", At: "2026-11-24T09:12:00Z", Note: "told to all <b>"}
		case "domain":
			one.Outcome, one.Text, one.Count = migrate.Blocker, "domain example.com is unknown in BlueMind", 12
		}
		r.Rules = append(r.Rules, one)
	}
	return r
}

// unreached is what is left of a check where nobody answers.
func unreached() migrate.CheckResult {
	r := guideResult(4)
	r.Version, r.Facts = "", migrate.Facts{}
	for i := range r.Rules {
		one := &r.Rules[i]
		*one = migrate.RuleResult{Rule: one.Rule, Outcome: migrate.Skipped, Text: "the target could not be asked"}
		if one.ID == "target" {
			one.Outcome, one.Text = migrate.Blocker, "dial tcp: connection refused"
		}
	}
	return r
}

func TestGuidePages(t *testing.T) {
	written := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, language string
		result         migrate.CheckResult
	}{
		{"guide-4.en.md", "en", guideResult(4)}, {"guide-4.fr.md", "fr", guideResult(4)},
		{"guide-5.en.md", "en", guideResult(5)}, {"guide-5.fr.md", "fr", guideResult(5)},
		{"guide-unreached.en.md", "en", unreached()}, {"guide-unreached.fr.md", "fr", unreached()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := migrate.NewGuide(tt.result, migrate.GuideOptions{Language: tt.language, Written: written, Location: time.FixedZone("CET", 3600)})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := page.Markdown(&b); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", tt.name)
			if *updateGuide {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("differs from %s; see with: go test ./migrate -run TestGuidePages -update-guide && git diff", path)
			}
			wellPrinted(t, b.String())
		})
	}
}

// wellPrinted wants lines that fit on paper, but for what is typed and tables.
func wellPrinted(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if n := len([]rune(line)); n > 100 && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "|") || line != strings.TrimRight(line, " ") {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

// TestGuidePageAsJSON holds every rule of the table.
func TestGuidePageAsJSON(t *testing.T) {
	page, err := migrate.NewGuide(guideResult(4), migrate.GuideOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	var back migrate.GuidePage
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, chapter := range back.Chapters {
		for _, rule := range chapter.Rules {
			for _, check := range rule.Checks {
				ids = append(ids, check.ID)
			}
		}
	}
	for _, check := range back.Beside {
		if slices.Contains(ids, check.ID) {
			t.Errorf("%s is in the guide and beside it", check.ID)
		}
		ids = append(ids, check.ID)
	}
	for _, rule := range migrate.Rules() {
		if !slices.Contains(ids, rule.ID) {
			t.Errorf("%s is not on the page", rule.ID)
		}
	}
	if len(back.Open) == 0 || !strings.Contains(back.Confirm, back.Open[0].ID) || len(back.Recipes) < 15 {
		t.Errorf("open %d, confirm %q, %d recipes", len(back.Open), back.Confirm, len(back.Recipes))
	}
}

// TestGuideSaysNoMoreThanWasTried: without --probe nobody has logged in by a
// key, and the page ticks no such rule.
func TestGuideSaysNoMoreThanWasTried(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	for _, probe := range []bool{false, true} {
		page, err := migrate.NewGuide(w.check(func(o *migrate.CheckOptions) { o.Probe = probe }), migrate.GuideOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, chapter := range page.Chapters {
			for _, rule := range chapter.Rules {
				if strings.HasPrefix(rule.Text, "A key of the API is made") && (rule.Outcome == migrate.Ok) != probe {
					t.Errorf("probed %t: %s: %+v", probe, rule.Outcome, rule.Checks)
				}
			}
		}
	}
}

func TestGuideInAnUnknownLanguage(t *testing.T) {
	if _, err := migrate.NewGuide(guideResult(4), migrate.GuideOptions{Language: "de"}); err == nil {
		t.Error("a page in German")
	}
}

// TestGuideOfASimulatedServer makes the page from a real check: the domain's
// uid, the mail server and the people's answers are in it.
func TestGuideOfASimulatedServer(t *testing.T) {
	w := newWorld(t, bmsim.Config{Version: 4, ExternalURL: "mail.example.org", Domains: []bmsim.Domain{{UID: "18f0a.internal", Name: "18f0a.internal", Aliases: []string{domain}, DefaultAlias: domain}}}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	w.fill(3)
	w.plan()
	if _, err := w.answer([]string{"no-pst"}); err != nil {
		t.Fatal(err)
	}
	page, err := migrate.NewGuide(w.check(), migrate.GuideOptions{Written: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := page.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"    bm-cli maintenance repair --ops replication.parentUid 18f0a.internal\n", "`no-pst`, asked: confirmed by Ada Martin, ",
		"    autodiscover." + domain + ". CNAME mail.example.org.\n", "The plan has ", "rm /var/lib/cyrus/sync/core/log*"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "autodiscover.18f0a") {
		t.Error("a name that is in no DNS")
	}
	wellPrinted(t, b.String())
}

// TestGuideOfATargetThatCanNotBeReached still knows what is configured and
// planned.
func TestGuideOfATargetThatCanNotBeReached(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	w.fill(3)
	w.plan()
	w.opts.Target.URL, w.opts.Target.Version = "https://"+nobody(t), "4"
	res := w.check()
	page, err := migrate.NewGuide(res, migrate.GuideOptions{Written: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := page.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"**The target could not be asked.**", "replication.parentUid " + domain + "\n", "    autodiscover." + domain + ". CNAME ", "| /var/spool/bm-replication | 25 % |",
		"`no-pst`, asked: not looked at: the target could not be asked"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "## Questions that wait") {
		t.Error("it asks what nobody can answer now")
	}
	res = w.check(func(o *migrate.CheckOptions) {
		o.Plan, o.Domains = nil, []migrate.PlanDomain{{Name: domain, Aliases: []string{"example.net"}}}
	})
	if d := res.Domains; len(d) != 1 || d[0].Name != domain || !slices.Equal(d[0].Aliases, []string{"example.net"}) || d[0].UID != "" {
		t.Errorf("%+v", d)
	}
}
