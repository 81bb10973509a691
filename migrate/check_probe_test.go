package migrate_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/migrate"
)

// full is a BlueMind with some of everything, two domains, one of them with a
// directory, and rows for it: people who are there and who aren't, shares,
// groups, rights.
func full(t *testing.T, version int) (*world, func(o *migrate.CheckOptions)) {
	t.Helper()
	directory := bmsim.Domain{UID: "18f0b.internal", Name: "example.com", Aliases: []string{"example.com"}, Directory: &bmsim.Directory{People: []bmsim.Person{
		{Login: "jdupont", Emails: []string{"jean.dupont@example.com"}, Waits: true}, {Login: "amartin", Emails: []string{"ada.martin@example.com"}}}}}
	conf := bmsim.Config{Version: version, Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada", QuotaKiB: 1 << 20}},
		Shares: []bmsim.Share{{Name: "support", Emails: addresses("support"), Writers: []string{"ada"}}}}, directory}}
	w := newWorld(t, conf, "ada", "bob", "jean.dupont", "ada.martin")
	w.rows[2].Address, w.rows[3].Address = "jean.dupont@example.com", "ada.martin@example.com"
	w.rows[1].Aliases, w.rows[1].Groups = addresses("robert"), []string{"staff"}
	w.sharedRow("support", "ada@"+domain)
	w.sharedRow("sales", "ada@"+domain)
	groups, err := migrate.ReadGroups(strings.NewReader("group;address;members\nstaff@example.org;staff@example.org;ada@example.org\n"), "groups.csv")
	if err != nil {
		t.Fatal(err)
	}
	rights, err := migrate.ReadRights(strings.NewReader("mailbox;grantee;right\nsales@example.org;bob@example.org;Write\nsales@example.org;group:staff;Read\nsupport@example.org;group:staff;Read\n"), "rights.csv")
	if err != nil {
		t.Fatal(err)
	}
	w.planned(bytesOf(1000))
	return w, func(o *migrate.CheckOptions) {
		o.Groups, o.Rights = groups, rights
		o.Domains = []migrate.PlanDomain{{Name: domain, Aliases: []string{"example.net"}, Create: true}, {Name: "example.com"}}
	}
}

func TestPlainCheckWritesNothing(t *testing.T) {
	for _, version := range []int{4, 5} {
		w, all := full(t, version)
		res := w.check(all, after)
		if res.Accounts != 6 || len(res.Fixes) == 0 {
			t.Errorf("version %d: %s", version, described(res))
		}
		silent(t, res, "groups", "rights", "shares", "login", "quota")
		if calls := w.writes(); len(calls) > 0 {
			t.Errorf("version %d writes: %q", version, calls)
		}
		if n := len(w.sim.Journal().Logins()); n > 0 {
			t.Errorf("version %d: %d IMAP logins", version, n)
		}
	}
}

func TestProbeWritesInAFolderOfItsOwn(t *testing.T) {
	w, all := full(t, 5)
	res := w.check(all, probing)
	silent(t, res, "dates", "header bytes")
	for _, call := range w.writes() {
		if path := strings.Fields(call)[1]; !strings.HasPrefix(path, "/auth/keys") && path != "/auth/_su" {
			t.Error(call)
		}
	}
	folders := map[string]int{}
	for _, a := range w.sim.Journal().Appends() {
		if !strings.HasPrefix(a.Folder, "bmsync-probe-check-") {
			t.Errorf("a message went to %s", a.Folder)
		}
		folders[a.Who]++
	}
	if len(folders) != 2 { // one user of each domain: each has its own mail server as far as partitions go
		t.Errorf("messages were tried by %v", folders)
	}
	w.blank("ada")
	w.byKeysOnly()
}

// slowly lets commands of the IMAP side take long.
func (w *world) slowly(verb string, delay time.Duration) {
	w.t.Helper()
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.SlowIMAP, Verb: verb, Delay: delay, Times: 1}); err != nil {
		w.t.Fatal(err)
	}
}

func TestProbeCleansUpWhenItIsStopped(t *testing.T) {
	for _, verb := range []string{"SELECT", "UID FETCH", "UID STORE", "DELETE"} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, people("ada"), "ada")
			w.slowly(verb, time.Second)
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for len(w.sim.Journal().Appends()) < 3 && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
				time.Sleep(50 * time.Millisecond) // the command is under way
				close(stop)
			}()
			_, err := migrate.Check(t.Context(), migrate.CheckOptions{Rows: w.rows, Sources: w.opts.Sources, Target: w.opts.Target, Policy: w.policy, Probe: true, Stop: stop})
			if <-done; !errors.Is(err, imap.ErrStopped) {
				t.Errorf("got %v", err)
			}
			w.sim.Faults().Clear()
			w.byKeysOnly()
			w.blank("ada")
		})
	}
}

func TestProbeCleansUpAfterItsSessionWasCut(t *testing.T) {
	for _, verb := range []string{"SELECT", "UID FETCH", "UID STORE", "UID EXPUNGE", "DELETE"} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, people("ada"), "ada")
			if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.Bye, Verb: verb, Times: 1}); err != nil {
				t.Fatal(err)
			}
			w.check(probing)
			w.sim.Faults().Clear()
			w.byKeysOnly()
			w.blank("ada")
		})
	}
}

func TestProbeTellsOfAFolderThatStays(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	w.tap(middle{answer: map[string]string{"DELETE .*": "$ NO delete failed\r\n"}})
	f := fires(t, w.check(probing), "usable", migrate.Warning, "could not be taken away", "ada@"+domain)
	if len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "bmsync-probe-check-") {
		t.Errorf("notes %q", f.Notes)
	}
	w.byKeysOnly()
	w.opts.Target = w.target("test", w.sim, true)
	w.check(probing) // and the next check takes it away
	w.blank("ada")
}

// TestProbeTakesAwayWhatAKilledOneLeft holds that such a folder is no mail of
// others, and goes with the next probe.
func TestProbeTakesAwayWhatAKilledOneLeft(t *testing.T) {
	w := newWorld(t, people("ada"), "ada")
	admin := w.admin()
	user, err := admin.Su(t.Context(), "ada", domain)
	if err != nil {
		t.Fatal(err)
	}
	key, err := user.CreateKey(t.Context(), "another's")
	if err != nil {
		t.Fatal(err)
	}
	s, err := imap.DialTarget(t.Context(), w.opts.Target.IMAP, imap.Token{Address: "ada@" + domain, Secret: key.SID}, imap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var left []imap.Append
	for _, text := range []string{"1", "2", "3", "4", "5"} {
		body := "Subject: " + text + "\r\n\r\n"
		left = append(left, imap.Append{Size: int64(len(body)), Body: bytes.NewReader([]byte(body))})
	}
	if _, err := s.Scratch(t.Context(), "bmsync-probe-check-20200101T000000Z-abcdef", left); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := user.Client().DropKey(t.Context(), key.SID); err != nil {
		t.Fatal(err)
	}
	silent(t, w.check(), "blank target")
	silent(t, w.check(probing), "blank target", "dates")
	w.blank("ada")
}

// TestProbeOfAnotherVersionsUser holds that a probe of BlueMind 4 without a
// mail server behind its proxy is told, and leaves nothing.
func TestProbeOfVersion4WithoutIMAP(t *testing.T) {
	w, all := full(t, 4)
	res := w.check(all, probing)
	if res.Blockers == 0 {
		t.Error(described(res))
	}
	w.byKeysOnly()
	if _, err := w.admin().UserByLogin(t.Context(), "18f0b.internal", "jdupont"); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("jdupont: %v", err)
	}
}
