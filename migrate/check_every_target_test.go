package migrate_test

import (
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// seen is a case with a plan whose survey is said to have seen that.
func seen(conf bmsim.Config, survey func(a *migrate.PlanAccount), change func(w *world), users ...string) func(t *testing.T) migrate.CheckResult {
	return sim(conf, func(w *world) migrate.CheckResult {
		if change != nil {
			change(w)
		}
		w.planned(survey)
		return w.check()
	}, users...)
}

// bytes is a survey of an account of that size.
func bytesOf(n int64) func(a *migrate.PlanAccount) {
	return func(a *migrate.PlanAccount) { a.Survey.Bytes = n }
}

func limitCases() []ruleCase {
	const gb = 1 << 30
	quota := func(kib int64) bmsim.Config { return with(bmsim.User{Login: "ada", QuotaKiB: kib}) }
	settings := func(key, value string) bmsim.Config {
		return bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Settings: map[string]string{key: value}}}}
	}
	asks := func(bytes int64) func(w *world) {
		return func(w *world) { w.rows[0].Quota = migrate.Quota{Stated: true, Bytes: bytes} }
	}
	largest := func(above migrate.SizesAbove, sizes ...int64) func(a *migrate.PlanAccount) {
		return func(a *migrate.PlanAccount) {
			a.Survey.Largest, a.Survey.Bytes = sizes[0], sizes[0]
			if above != (migrate.SizesAbove{}) {
				a.Survey.Above = &above
			}
			for i, size := range sizes {
				if size > migrate.SizeLimitDefault {
					a.Survey.Large = append(a.Survey.Large, migrate.LargeMessage{Folder: "INBOX", UID: uint32(i + 1), Size: size})
				}
			}
		}
	}
	limit := func(n int64) bmsim.Config {
		conf := people("ada")
		conf.MessageSizeLimit = n
		return conf
	}
	ten := []int64{30e6, 29e6, 28e6, 27e6, 26e6, 25e6, 24e6, 23e6, 22e6, 21e6}
	slow4 := people("ada")
	slow4.Version = 4
	return []ruleCase{
		{rule: "quota", title: "none", text: "no quota", check: seen(people("ada"), bytesOf(gb), nil, "ada")},
		{rule: "quota", title: "enough", text: "room enough", check: seen(quota(2<<20), bytesOf(gb), nil, "ada")},
		{rule: "quota", title: "too small", fires: migrate.Blocker, text: "too small", accounts: addresses("ada"), check: seen(quota(1<<19), bytesOf(gb), nil, "ada")},
		{rule: "quota", title: "a run will raise it", text: "room enough", check: seen(quota(1<<19), bytesOf(gb), asks(2*gb), "ada")},
		{rule: "quota", title: "a run may not raise it", fires: migrate.Blocker, text: "too small", accounts: addresses("ada"), check: seen(quota(1<<19), bytesOf(gb), func(w *world) {
			asks(2 * gb)(w)
			w.policy.Users.Update = false
		}, "ada")},
		{rule: "quota", title: "the default of new users", fires: migrate.Blocker, text: "too small", accounts: addresses("ada"), check: seen(settings(bmapi.SettingDefaultUserQuota, "1024"), bytesOf(gb), nil, "ada")},
		{rule: "quota", title: "planned after the source", text: "room enough", check: seen(settings(bmapi.SettingDefaultUserQuota, "1024"), func(a *migrate.PlanAccount) {
			a.Survey.Bytes, a.QuotaKiB, a.QuotaStated = gb, 2<<20, true
		}, nil, "ada")},
		{rule: "quota", title: "above the domain's maximum", fires: migrate.Blocker, text: "above what domain example.org allows", accounts: addresses("ada"), check: seen(settings(bmapi.SettingMaxUserQuota, "1024"), bytesOf(1), asks(gb), "ada")},
		{rule: "quota", title: "unlimited, where there is a maximum", fires: migrate.Blocker, text: "above what domain example.org allows", accounts: addresses("ada"), check: seen(settings(bmapi.SettingMaxUserQuota, "1024"), bytesOf(1), asks(0), "ada")},
		{rule: "quota", title: "a share's maximum", fires: migrate.Blocker, text: "above what domain example.org allows", accounts: addresses("support"), check: seen(settings(bmapi.SettingMaxShareQuota, "1024"), bytesOf(1), func(w *world) {
			w.rows = nil
			w.sharedRow("support", "ada@"+domain)
			asks(gb)(w)
		}, "ada")},

		{rule: "message-size", title: "small ones", text: "no message is above", check: seen(people("ada"), largest(migrate.SizesAbove{}, 9e6), nil, "ada")},
		{rule: "message-size", title: "above the default", fires: migrate.Warning, text: "messages are above BlueMind's limit of 10.0 MB", accounts: addresses("ada"), items: 2, check: seen(people("ada"), largest(migrate.SizesAbove{Over10M: 2}, 12e6, 11e6), nil, "ada")},
		{rule: "message-size", title: "a raised limit", text: "no message is above", check: seen(limit(20e6), largest(migrate.SizesAbove{Over10M: 2}, 12e6, 11e6), nil, "ada")},
		{rule: "message-size", title: "counted one by one", fires: migrate.Warning, text: "messages are above BlueMind's limit of 11.5 MB", accounts: addresses("ada"), items: 1, check: seen(limit(11_500_000), largest(migrate.SizesAbove{Over10M: 2}, 12e6, 11e6), nil, "ada")},
		{rule: "message-size", title: "counted by steps", fires: migrate.Warning, text: "messages are above BlueMind's limit of 20.0 MB", accounts: addresses("ada"), items: 40, check: seen(limit(20e6), largest(migrate.SizesAbove{Over10M: 90, Over20M: 40}, ten...), nil, "ada")},

		{rule: "throttle", title: "small ones", text: "less than an hour", check: seen(people("ada"), bytesOf(gb), nil, "ada")},
		{rule: "throttle", title: "BlueMind 4", text: "concerns BlueMind 5 only", check: seen(slow4, bytesOf(50*gb), nil, "ada")},
		{rule: "throttle", title: "a large one", fires: migrate.Warning, text: "need more than an hour", accounts: addresses("ada"), check: seen(people("ada"), bytesOf(20*gb), nil, "ada")},
		{rule: "throttle", title: "shares by one key", fires: migrate.Warning, text: "need more than an hour", accounts: addresses("ada"), check: seen(people("ada"), bytesOf(3*gb), func(w *world) { w.sharedRow("support", "ada@"+domain) }, "ada")},
	}
}

// TestThrottleSaysWhatLiftsIt holds that users are named in both forms, the
// longest first, with the end.
func TestThrottleSaysWhatLiftsIt(t *testing.T) {
	conf := bmsim.Config{Domains: []bmsim.Domain{{UID: "18f0a.internal", Name: domain, Aliases: []string{domain}, Users: []bmsim.User{{Login: "al", Emails: addresses("ada")}}}}}
	w := newWorld(t, conf, "ada", "bob", "eve")
	w.planned(func(a *migrate.PlanAccount) {
		a.Survey.Bytes = map[string]int64{"ada": 10 << 30, "bob": 20 << 30, "eve": 1}[strings.TrimSuffix(a.Address, "@"+domain)]
	})
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	f := fires(t, w.check(func(o *migrate.CheckOptions) { o.Now = func() time.Time { return now } }), "throttle", migrate.Warning, "1 MiB/s", addresses("bob", "ada")...)
	if want := "bm-cli mail imap-rate-limit --bypass ada@example.org,al@18f0a.internal,bob@18f0a.internal,bob@example.org"; f.Command != want || !strings.Contains(f.Mend, "--reset") {
		t.Errorf("%s, and %s", f.Command, f.Mend)
	}
	if len(f.Notes) != 2 || !strings.Contains(f.Notes[0], "5 h 41 min, so not before Tue 24 Nov 13:41") || !strings.HasPrefix(f.Notes[1], "10.7 GB") {
		t.Errorf("notes %q", f.Notes)
	}
}

func TestMessageSizesSayWhatToRaise(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	w.planned(func(a *migrate.PlanAccount) {
		a.Survey.Largest, a.Survey.Above = 130<<20, &migrate.SizesAbove{Over10M: 4, Over20M: 3, Over50M: 2, Over100M: 1}
		a.Survey.Large = []migrate.LargeMessage{{Folder: "INBOX", UID: 1, Size: 130 << 20}}
	})
	f := fires(t, w.check(), "message size", migrate.Warning, "messages are above", "ada@"+domain)
	if f.Items != 4 || f.Command != "bm-cli sysconf set message_size_limit --value 104857600" || !strings.Contains(f.Mend, "no more than 100 MiB") || !strings.HasPrefix(f.Notes[0], "4 above, the largest 136 MB") {
		t.Errorf("%+v", f)
	}
}

// holds puts messages into ada's INBOX on the target, by a run that is then
// forgotten.
func holds(n int) func(w *world) {
	return func(w *world) {
		inbox := w.source.User(w.rows[0].Login).Mailbox("INBOX")
		for i := range n {
			inbox.Append(message(i))
		}
		w.plan()
		w.complete()
		w.opts.StateDir = w.t.TempDir()
	}
}

func blankCases() []ruleCase {
	return []ruleCase{
		{rule: "blank-target", title: "empty", text: "empty", check: sim(people("ada"), plain, "ada")},
		{rule: "blank-target", title: "welcome mail", fires: migrate.Warning, text: "taken for welcome mail", accounts: addresses("ada"), check: rows(people("ada"), holds(2), "ada")},
		{rule: "blank-target", title: "mail of others", fires: migrate.Blocker, text: "no run has put there", accounts: addresses("ada"), check: rows(people("ada"), holds(5), "ada")},
		{rule: "blank-target", title: "mail that is wanted there", fires: migrate.Warning, text: "recognised by content", accounts: addresses("ada"), check: rows(people("ada"), func(w *world) {
			holds(5)(w)
			w.policy.IntoNonEmpty = true
		}, "ada")},
		{rule: "blank-target", title: "our own mail", text: "filled by an earlier run", check: sim(people("ada"), func(w *world) migrate.CheckResult {
			dir := w.opts.StateDir
			holds(5)(w)
			w.opts.StateDir = dir
			return w.check()
		}, "ada")},
		{rule: "blank-target", title: "a share that is empty", text: "empty", check: func(t *testing.T) migrate.CheckResult {
			conf := people("ada")
			conf.Domains[0].Shares = []bmsim.Share{{Name: "support", Emails: addresses("support"), Writers: []string{"ada"}}}
			return rows(conf, func(w *world) { w.rows = nil; w.sharedRow("support", "ada@"+domain) }, "ada")(t)
		}},
	}
}

// probed is a case with --probe, and something between us and the server.
func probed(m *middle, change func(w *world)) func(t *testing.T) migrate.CheckResult {
	return sim(people("ada"), func(w *world) migrate.CheckResult {
		if change != nil {
			change(w)
		}
		if m != nil {
			w.tap(*m)
		}
		res := w.check(probing)
		if alive := w.sim.Journal().KeysAlive(); len(alive) > 0 {
			w.t.Errorf("keys alive: %v", alive)
		}
		w.opts.Target = w.target("test", w.sim, true)
		w.blank("ada")
		return res
	}, "ada")
}

func probeCases() []ruleCase {
	return []ruleCase{
		{rule: "usable", title: "logs in", text: "logs in by a key", check: probed(nil, nil)},
		{rule: "usable", title: "can't log in", fires: migrate.Blocker, text: "IMAP refuses the user", accounts: addresses("ada"), check: sim(people("ada"), func(w *world) migrate.CheckResult {
			w.tap(middle{answer: map[string]string{"LOGIN .*": "$ NO [AUTHENTICATIONFAILED] locked\r\n"}})
			return w.check(probing)
		}, "ada")},
		{rule: "dates", title: "come back", text: "as they were sent", check: probed(nil, nil)},
		{rule: "dates", title: "one day off", fires: migrate.Blocker, text: "another date", accounts: addresses("ada"), check: probed(&middle{up: [2]string{"31-Jul-1999", "01-Aug-1999"}}, nil)},
		{rule: "dates", title: "without a message", fires: migrate.Blocker, text: "doesn't keep an ordinary message", accounts: addresses("ada"), check: probed(&middle{answer: map[string]string{`UID FETCH 1:\* .*`: "$ OK nothing\r\n"}}, nil)},
		{rule: "dates", title: "without a folder", fires: migrate.Skipped, text: "a scratch folder could not be used", accounts: addresses("ada"), check: probed(&middle{answer: map[string]string{"CREATE .*": "$ NO not here\r\n"}}, nil)},
		{rule: "dates", title: "not tried", fires: migrate.Skipped, text: "with --probe only", check: sim(people("ada"), plain, "ada")},
		{rule: "header-bytes", title: "kept", text: "unchanged", check: probed(nil, nil)},
		{rule: "header-bytes", title: "replaced", fires: migrate.Warning, text: "are replaced", accounts: addresses("ada"), check: probed(&middle{up: [2]string{"caf\xe9", "cafX"}}, nil)},
	}
}

// replicated is a case of BlueMind 4, whose mail is kept by the simulator's own
// endpoint: REST follows at once. Partitions are told by whom stands between.
func replicated(release, partition string, m *middle, change func(w *world)) func(t *testing.T) migrate.CheckResult {
	conf := people("ada")
	conf.ReleaseName = release
	return sim(conf, func(w *world) migrate.CheckResult {
		if change != nil {
			change(w)
		}
		if m == nil {
			m = &middle{}
		}
		if m.answer == nil {
			m.answer = map[string]string{}
		}
		m.answer[`GETMETADATA "INBOX" .*`] = `* METADATA "INBOX" ("/shared/vendor/cmu/cyrus-imapd/partition" "` + partition + "\")\r\n$ OK done\r\n"
		m.answer[`GETMETADATA "bmsync-probe-.*`] = `* METADATA "x" ("/shared/vendor/cmu/cyrus-imapd/partition" "` + partition + "\")\r\n$ OK done\r\n"
		w.tap(*m)
		res := w.check(probing, func(o *migrate.CheckOptions) { o.ReplicationWait = 200 * time.Millisecond })
		w.opts.Target = w.target("test", w.sim, true)
		w.blank("ada")
		return res
	}, "ada")
}

func version4Cases() []ruleCase {
	const right = "bm-master__example_org"
	behind := func(w *world) {
		w.overlay(map[string]func([]byte) []byte{"POST /mail_items/.*/_count": says(`{"total":0}`)})
	}
	deaf := func(w *world) {
		w.overlay(map[string]func([]byte) []byte{"POST /mail_items/.*/_count": says(`{"total":3}`)})
	}
	inside := func(a *migrate.PlanAccount) {
		a.Folders = append(a.Folders, migrate.PlanFolder{Source: "INBOX/x", Target: "INBOX/x"})
	}
	zero := people("ada")
	zero.ReleaseName = "4.0.8"
	return []ruleCase{
		{rule: "partition", title: "its own", text: "as server and domain want it", check: replicated("4.6.2", right, nil, nil)},
		{rule: "partition", title: "BlueMind 5", text: "concerns BlueMind 4 only", check: sim(people("ada"), plain, "ada")},
		{rule: "partition", title: "the default one", fires: migrate.Blocker, text: "replication would ignore it", accounts: addresses("ada"), check: replicated("4.6.2", "default", nil, nil)},
		{rule: "partition", title: "another server's", fires: migrate.Blocker, text: "replication would ignore it", accounts: addresses("ada"), check: replicated("4.6.2", "other__example_org", nil, nil)},
		{rule: "partition", title: "not told", fires: migrate.Skipped, text: "doesn't tell", accounts: addresses("ada"), check: replicated("4.6.2", "", nil, nil)},
		{rule: "partition", title: "not tried", fires: migrate.Skipped, text: "with --probe only", check: sim(bmsim.Config{Version: 4}, plain, "ada")},

		{rule: "replication", title: "follows", text: "are seen by the core", check: replicated("4.6.2", right, nil, nil)},
		{rule: "replication", title: "BlueMind 5", text: "concerns BlueMind 4 only", check: sim(people("ada"), plain, "ada")},
		{rule: "replication", title: "doesn't follow", fires: migrate.Warning, text: "has not seen new messages", accounts: addresses("ada"), check: replicated("4.6.2", right, nil, behind)},
		{rule: "replication", title: "doesn't see flags", fires: migrate.Warning, text: "has not seen a change of flags", accounts: addresses("ada"), check: replicated("4.6.2", right, nil, deaf)},
		{rule: "replication", title: "doesn't follow, before 4.5", fires: migrate.Blocker, text: "has not seen new messages", accounts: addresses("ada"), check: replicated("4.4.0", right, nil, behind)},
		{rule: "replication", title: "can't be asked", fires: migrate.Warning, text: "could not be asked", accounts: addresses("ada"), check: replicated("4.6.2", right, nil, func(w *world) {
			w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "FAILURE", Path: "/_count"})
		})},

		{rule: "idle-mailboxes", title: "all is known", text: "knows all folders", check: replicated("4.6.2", right, nil, nil)},
		{rule: "idle-mailboxes", title: "BlueMind 5", text: "concerns BlueMind 4 only", check: sim(people("ada"), plain, "ada")},
		{rule: "idle-mailboxes", title: "a folder that the core doesn't know", fires: migrate.Warning, text: "folders are not known", accounts: addresses("ada"), items: 1,
			check: replicated("4.6.2", right, &middle{answer: map[string]string{
				`LIST "" "\*"`:          "* LIST () \"/\" \"INBOX\"\r\n* LIST () \"/\" \"Old\"\r\n$ OK done\r\n",
				`STATUS "Old" .*`:       "* STATUS \"Old\" (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 1)\r\n$ OK done\r\n",
				`XLIST "" "\*"`:         "$ OK none\r\n",
				`GETANNOTATION "Old".*`: "$ NO none\r\n"}}, nil)},

		{rule: "inbox-subfolders", title: "4.1 and later", text: "holds folders inside INBOX", check: seen(people("ada"), inside, nil, "ada")},
		{rule: "inbox-subfolders", title: "4.0 without any", text: "no folders inside INBOX", check: seen(zero, func(*migrate.PlanAccount) {}, nil, "ada")},
		{rule: "inbox-subfolders", title: "4.0", fires: migrate.Blocker, text: "folders would go into INBOX", accounts: addresses("ada"), items: 1, check: seen(zero, inside, nil, "ada")},
	}
}
