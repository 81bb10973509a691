package migrate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/state"
)

// ruleCase makes one rule fire, or shows where it has to be silent.
type ruleCase struct {
	rule, title string
	fires       migrate.Severity // "": it is silent, that is: ok, or no concern of this migration
	text        string           // part of what it says
	accounts    []string
	items       int64
	check       func(t *testing.T) migrate.CheckResult
}

// ruleCases are all of them, by what the rules are about.
func ruleCases() []ruleCase {
	return slices.Concat(installationCases(), subscriptionCases(), historyCases(), rowCases(), domainCases(), mailboxCases(), directoryCases(),
		groupCases(), rightCases(), shareCases(), limitCases(), blankCases(), probeCases(), version4Cases(), planCases(), sourceCases(), autodiscoverCases())
}

// TestEveryAutomaticRule makes each rule of the table fire that bmsync looks
// at by itself, and lets each be silent; of the others TestEachQuestion… does
// so.
func TestEveryAutomaticRule(t *testing.T) {
	fired, silent := map[string]bool{}, map[string]bool{}
	for _, c := range ruleCases() {
		if c.fires == "" {
			silent[c.rule] = true
		} else {
			fired[c.rule] = true
		}
		t.Run(c.rule+"/"+c.title, func(t *testing.T) {
			t.Parallel()
			c.judge(t, c.check(t))
		})
	}
	for _, r := range migrate.Rules() {
		if r.How == migrate.Automatic && !fired[r.ID] {
			t.Errorf("nothing makes rule %s fire", r.ID)
		}
		if r.How == migrate.Automatic && !silent[r.ID] {
			t.Errorf("nothing lets rule %s be silent", r.ID)
		}
	}
}

func (c ruleCase) judge(t *testing.T, res migrate.CheckResult) {
	t.Helper()
	at := slices.IndexFunc(res.Rules, func(r migrate.RuleResult) bool { return r.ID == c.rule })
	if at < 0 {
		t.Fatalf("there is no rule %s", c.rule)
	}
	got := res.Rules[at]
	if c.fires == "" {
		if got.Outcome != migrate.Ok && got.Outcome != migrate.Moot || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %s, want silence with %q in%s", got.Outcome, got.Text, c.text, described(res))
		}
		return
	}
	f := fires(t, res, got.Name, c.fires, c.text, c.accounts...)
	if c.fires == migrate.Blocker && got.Outcome != migrate.Blocker || got.Outcome == migrate.Ok || got.Outcome == migrate.Moot {
		t.Errorf("the rule's outcome is %s", got.Outcome)
	}
	if f.Items != c.items || c.items > 0 && !strings.HasSuffix(f.Text, fmt.Sprintf(", %d in all", c.items)) {
		t.Errorf("%d in all in %q, want %d", f.Items, f.Text, c.items)
	}
	if f.Phase != got.Phase || f.How != migrate.Automatic || f.ID != c.rule || f.Count < len(c.accounts) {
		t.Errorf("%+v", f)
	}
}

// sim is a case of a BlueMind with that configuration.
func sim(conf bmsim.Config, do func(w *world) migrate.CheckResult, users ...string) func(t *testing.T) migrate.CheckResult {
	return func(t *testing.T) migrate.CheckResult {
		w := newWorld(t, conf, users...)
		return do(w)
	}
}

// plain looks, without more.
func plain(w *world) migrate.CheckResult { return w.check() }

// edited looks with other options.
func edited(edit func(o *migrate.CheckOptions)) func(*world) migrate.CheckResult {
	return func(w *world) migrate.CheckResult { return w.check(edit) }
}

// people are users of the domain, each by an address of the domain.
func people(names ...string) bmsim.Config {
	var users []bmsim.User
	for _, name := range names {
		users = append(users, bmsim.User{Login: name})
	}
	return with(users...)
}

func addresses(names ...string) (out []string) {
	for _, name := range names {
		out = append(out, name+"@"+domain)
	}
	return out
}

func installationCases() []ruleCase {
	well := sim(people("ada"), plain, "ada")
	release := func(name string) func(t *testing.T) migrate.CheckResult {
		return sim(bmsim.Config{ReleaseName: name}, plain, "ada")
	}
	secret := func(secret string, err error) func(t *testing.T) migrate.CheckResult {
		return sim(bmsim.Config{}, edited(func(o *migrate.CheckOptions) {
			o.Target.AdminSecret = func(context.Context) (string, error) { return secret, err }
		}), "ada")
	}
	return []ruleCase{
		{rule: "target", title: "answers", text: "answers", check: well},
		{rule: "target", title: "is none", fires: migrate.Blocker, text: "404", check: func(t *testing.T) migrate.CheckResult {
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Target.URL = "http://" + speaker(t, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnginx")
			return w.check()
		}},
		{rule: "certificate", title: "valid", text: "valid", check: well},
		{rule: "certificate", title: "of nobody", fires: migrate.Blocker, text: "isn't trusted", check: func(t *testing.T) migrate.CheckResult {
			w := newWorld(t, bmsim.Config{}, "ada")
			w.opts.Target.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
			return w.check()
		}},
		{rule: "version", title: "5.1", text: "5.1", check: release("5.1")},
		{rule: "version", title: "4.5", text: "4.5", check: release("4.5.0")},
		{rule: "version", title: "before 4.5", fires: migrate.Blocker, text: "must be upgraded", check: release("4.4.9")},
		{rule: "version", title: "3.5", fires: migrate.Blocker, text: "not supported", check: release("3.5.12")},
		{rule: "running", title: "is", text: "CORE_STATE_RUNNING", check: well},
		{rule: "running", title: "maintenance", fires: migrate.Blocker, text: "CORE_STATE_MAINTENANCE", check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.sim.SetState(bmsim.Maintenance)
			return w.check()
		}, "ada")},
		{rule: "administrator", title: "admin0", text: "may log in, and provision", check: well},
		{rule: "administrator", title: "wrong password", fires: migrate.Blocker, text: "wrong name or secret (it says Bad)", check: secret("no", nil)},
		{rule: "administrator", title: "no password", fires: migrate.Blocker, text: "ADMIN is not set", check: secret("", errors.New("ADMIN is not set"))},
		{rule: "administrator", title: "without the role", fires: migrate.Blocker, text: "has not the role systemManagement (it has: manageUser, sudo, selfChangePassword)", check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.overlay(map[string]func([]byte) []byte{"POST /auth/login": instead(`"systemManagement"`, `"manageUser","sudo"`)})
			return w.check()
		}, "ada")},
		{rule: "administrator", title: "a user", fires: migrate.Blocker, text: "has not the rights", check: sim(with(bmsim.User{Login: "boss", Password: "pw"}), edited(func(o *migrate.CheckOptions) {
			o.Target.Admin = "boss@" + domain
			o.Target.AdminSecret = func(context.Context) (string, error) { return "pw", nil }
		}), "ada")},
		{rule: "upgrade", title: "none", check: well},
		{rule: "upgrade", title: "half done", fires: migrate.Blocker, text: "isn't finished", check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.overlay(map[string]func([]byte) []byte{"GET /system/installation/version": instead(`"needsUpgrade":false`, `"needsUpgrade":true`)})
			return w.check()
		}, "ada")},
		{rule: "imap-processes", title: "few connections", text: "10 connections of 200", check: release("4.6.2")},
		{rule: "imap-processes", title: "BlueMind 5", text: "concerns BlueMind 4 only", check: well},
		{rule: "imap-processes", title: "more than half", fires: migrate.Warning, text: "101 connections of 200", check: sim(bmsim.Config{Version: 4}, edited(func(o *migrate.CheckOptions) { o.Target.Connections = 101 }), "ada")},
		{rule: "imap-processes", title: "nobody else could log in", fires: migrate.Blocker, text: "20 connections of 40", check: sim(bmsim.Config{Version: 4}, func(w *world) migrate.CheckResult {
			w.overlay(map[string]func([]byte) []byte{"GET /configuration": instead(`"default_domain"`, `"imap_max_child":"40","default_domain"`)})
			return w.check(func(o *migrate.CheckOptions) { o.Target.Connections = 20 })
		}, "ada")},
	}
}

// licensed is a case of a BlueMind that says that of its subscription.
func licensed(text string, conf bmsim.Config, users ...string) func(t *testing.T) migrate.CheckResult {
	return sim(conf, func(w *world) migrate.CheckResult {
		w.overlay(map[string]func([]byte) []byte{"GET /system/installation/subscription": says(text)})
		return w.check(func(o *migrate.CheckOptions) { o.Phase = migrate.PhaseBefore })
	}, users...)
}

func subscriptionCases() []ruleCase {
	until := func(days int, more string) string {
		return fmt.Sprintf(`{"kind":"PROD","valid":true,"ends":%d%s}`, time.Now().AddDate(0, 0, days).UnixMilli(), more)
	}
	const full = `,"indicator":[{"kind":"FullUser","maxValue":10,"currentValue":9,"expiration":null}],"messages":[]`
	limited := func(key, n string, users ...bmsim.User) bmsim.Config {
		conf := with(users...)
		conf.Domains[0].Settings = map[string]string{key: n}
		return conf
	}
	return []ruleCase{
		{rule: "subscription", title: "long", text: "PROD, until", check: licensed(until(90, full), bmsim.Config{}, "ada")},
		{rule: "subscription", title: "without an end", text: "PROD, without an end", check: licensed(`{"kind":"PROD","valid":true,"ends":null}`, bmsim.Config{}, "ada")},
		{rule: "subscription", title: "none", fires: migrate.Warning, text: "no subscription", check: licensed(`{"kind":"NONE","valid":false,"ends":null,"customer":"None"}`, bmsim.Config{}, "ada")},
		{rule: "subscription", title: "over", fires: migrate.Warning, text: "has ended on", check: licensed(until(-2, ""), bmsim.Config{}, "ada")},
		{rule: "subscription", title: "nearly over", fires: migrate.Warning, text: "ends on", check: licensed(until(20, ""), bmsim.Config{}, "ada")},
		{rule: "subscription", title: "invalid", fires: migrate.Warning, text: "isn't valid", check: licensed(strings.Replace(until(90, ""), "true", "false", 1), bmsim.Config{}, "ada")},
		{rule: "subscription", title: "complains", fires: migrate.Warning, text: "says of its subscription: too many", check: licensed(until(90, `,"messages":[{"kind":"Error","code":"MaxAccounts","message":"too many"}]`), bmsim.Config{}, "ada")},
		{rule: "subscription", title: "too few users", fires: migrate.Warning, text: "for 10 users (FullUser): 9 are there, and 2 will be created", check: licensed(until(90, full), bmsim.Config{}, "ada", "bob")},
		{rule: "subscription", title: "not told", fires: migrate.Skipped, text: "doesn't tell", check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "PERMISSION_DENIED", Path: "/system/installation/subscription"})
			return w.check(func(o *migrate.CheckOptions) { o.Phase = migrate.PhaseBefore })
		}, "ada")},
		{rule: "subscription", title: "on a test server", fires: migrate.Later, text: "that people will use", check: sim(bmsim.Config{}, plain, "ada")},

		{rule: "user-count", title: "no limit", check: sim(people("ada"), plain, "ada", "bob")},
		{rule: "user-count", title: "just enough", check: sim(limited(bmapi.SettingMaxUsers, "3", bmsim.User{Login: "ada"}), plain, "ada", "bob", "eve")},
		{rule: "user-count", title: "one too many", fires: migrate.Blocker, text: "takes 2 users of type FULL: 1 are there, and 2 are to be created", check: sim(limited(bmapi.SettingMaxUsers, "2", bmsim.User{Login: "ada"}), plain, "ada", "bob", "eve")},
		{rule: "user-count", title: "of a type that isn't allowed", fires: migrate.Blocker, text: "takes 0 users of type SIMPLE", check: sim(bmsim.Config{}, func(w *world) migrate.CheckResult {
			w.rows[0].AccountType = migrate.AccountSimple
			return w.check()
		}, "ada")},
		{rule: "user-count", title: "of a type without a limit", check: sim(limited(bmapi.SettingMaxSimple, ""), func(w *world) migrate.CheckResult {
			w.rows[0].AccountType = migrate.AccountSimple
			return w.check()
		}, "ada")},
	}
}

// rehearsed runs a rehearsal on the world's target that often, verifies it,
// and gives options for production.
func (w *world) rehearsed(runs int) (production func(o *migrate.CheckOptions)) {
	w.t.Helper()
	w.source.User(w.rows[0].Login).Mailbox("INBOX").Append(message(1))
	w.plan()
	for range runs {
		w.complete()
	}
	if runs > 0 {
		w.verify(migrate.RereadNone)
	}
	other := *w
	other.start(people("ada"))
	target := other.target("production", other.sim, false)
	return func(o *migrate.CheckOptions) { o.Target = target }
}

func historyCases() []ruleCase {
	after := func(runs int) func(t *testing.T) migrate.CheckResult {
		return sim(people("ada"), func(w *world) migrate.CheckResult { return w.check(w.rehearsed(runs)) }, "ada")
	}
	return []ruleCase{
		{rule: "state", title: "none yet", text: "nothing was run", check: sim(people("ada"), plain, "ada")},
		{rule: "state", title: "of another installation", fires: migrate.Blocker, text: "belongs to another target", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.rehearsed(1)
			w.start(people("ada"))
			return w.check()
		}, "ada")},
		{rule: "plan", title: "of this policy", text: "for this policy", check: sim(people("ada"), func(w *world) migrate.CheckResult { w.plan(); return w.check() }, "ada")},
		{rule: "plan", title: "none", fires: migrate.Skipped, text: "no plan", check: sim(people("ada"), plain, "ada")},
		{rule: "plan", title: "of another policy", fires: migrate.Warning, text: "another policy", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.plan()
			w.policy.Folders.Trash = migrate.Exclude
			return w.check()
		}, "ada")},
		{rule: "plan", title: "of other rows", fires: migrate.Warning, text: "say otherwise than the plan", accounts: addresses("ada"), check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.plan()
			w.rows[0].Aliases, w.rows[0].Quota = addresses("lovelace"), migrate.Quota{Stated: true, Bytes: 1 << 30}
			return w.check()
		}, "ada")},
		{rule: "plan", title: "of other domains", fires: migrate.Warning, text: "bmsync.yaml says of domains otherwise", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.plan()
			return w.check(func(o *migrate.CheckOptions) {
				o.Domains = []migrate.PlanDomain{{Name: domain, Create: true}}
			})
		}, "ada")},

		{rule: "rehearsal", title: "on another server", text: "rehearsed on 1 accounts, on test", check: after(1)},
		{rule: "rehearsal", title: "is one", text: "is the rehearsal", check: sim(people("ada"), plain, "ada")},
		{rule: "rehearsal", title: "none", fires: migrate.Blocker, text: "for kind user: no rehearsal was run yet", check: after(0)},
		{rule: "rehearsal", title: "on the same server", fires: migrate.Warning, text: "on this very BlueMind", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.rehearsed(1)
			return w.check(func(o *migrate.CheckOptions) { o.Target.Name, o.Target.Rehearsal = "production", false })
		}, "ada")},
		{rule: "second-pass", title: "found nothing", text: "target test: the last run found nothing", check: after(2)},
		{rule: "second-pass", title: "not made", fires: migrate.Warning, text: "target test: the last run copied 1 messages", check: after(1)},
		{rule: "second-pass", title: "on the rehearsal itself", fires: migrate.Warning, text: "copied 1 messages", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.rehearsed(1)
			return w.check()
		}, "ada")},
	}
}

// TestSecondPassReadsRunsAlone holds that verifications and resets, which are
// runs to the state, are not taken for passes.
func TestSecondPassReadsRunsAlone(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	production := w.rehearsed(2)
	s, err := state.OpenReadOnly(t.Context(), migrate.StatePath(w.opts.StateDir, "test"))
	if err != nil {
		t.Fatal(err)
	}
	runs, err := s.Runs(t.Context())
	s.Close()
	if err != nil || len(runs) != 3 || strings.HasSuffix(runs[2].Summary, "copied") {
		t.Fatalf("%+v, %v", runs, err)
	}
	silent(t, w.check(production), "second pass")
}
