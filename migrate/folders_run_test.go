package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// dated is a message of its own that arrived at a time.
func dated(n int, date time.Time) imaptest.Message {
	m := message(n)
	m.InternalDate = date
	return m
}

// holds reads how many messages each folder of a target mailbox holds.
func (w *world) holds(address string) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for name, items := range w.read(w.opts.Target, address) {
		if len(items) > 0 {
			out[name] = len(items)
		}
	}
	return out
}

func (w *world) wantCounts(when string, want map[string]int) {
	w.t.Helper()
	got := w.holds("ada@" + domain)
	for name, n := range want {
		if got[name] != n {
			w.t.Errorf("%s: folder %q holds %d, want %d; all: %v", when, name, got[name], n, got)
		}
	}
	if len(got) != len(want) {
		w.t.Errorf("%s: folders %v, want %v", when, got, want)
	}
}

// proven verifies ada's account, and wants so many messages and no others.
func (w *world) proven(when string, messages int64) {
	w.t.Helper()
	res, err := migrate.Verify(w.t.Context(), migrate.VerifyOptions{RunOptions: w.opts, Reread: migrate.RereadAll})
	if err != nil {
		w.t.Fatal(err)
	}
	if res.OK != 1 || res.Messages != messages || res.Reread != messages {
		w.t.Errorf("%s: verified %+v, want %d messages", when, res, messages)
	}
}

// balanced wants every folder of the certificates balanced.
func (w *world) balanced(when string) (folders []migrate.FolderReport) {
	w.t.Helper()
	r, err := migrate.OpenReport(w.t.Context(), migrate.ReportOptions{Target: w.opts.Target, StateDir: w.opts.StateDir})
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	for c, err := range r.Certificates(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range c.Folders {
			if !f.Balanced {
				w.t.Errorf("%s: not balanced: %+v", when, f)
			}
		}
		folders = append(folders, c.Folders...)
	}
	return folders
}

// TestSplitByYear takes a folder apart by year, in the zone of each message's
// date, for one account's exception, and follows it over runs.
func TestSplitByYear(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.Folders.SplitByYear = []string{"Big"}
	ada := w.source.User("ada@old.example")
	big := ada.CreateMailbox("Big", imaptest.MailboxOptions{})
	west, east := time.FixedZone("", -5*3600), time.FixedZone("", 9*3600)
	big.Append(dated(1, time.Date(2019, 12, 31, 23, 30, 0, 0, west))) // 2020 in Greenwich
	big.Append(dated(2, time.Date(2020, 1, 1, 4, 0, 0, 0, east)))     // 2019 in Greenwich
	big.Append(dated(3, time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC)))
	odd := dated(4, time.Time{})
	odd.Odd.DateText = "yesterday"
	big.Append(odd)
	for n := range 30 {
		big.Append(dated(10+n, time.Date(2018+n%3, 2, 3, 4, 5, n, 0, time.UTC)))
	}
	child := ada.CreateMailbox("Big/2018", imaptest.MailboxOptions{}) // which takes the name
	child.Append(dated(5, time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)))
	w.plan()
	if got := w.mapping("ada@" + domain)["Big/2018"]; got != "Big/2018" {
		t.Errorf("the folder that is there goes to %q", got)
	}
	if dry, err := migrate.DryRun(t.Context(), w.opts); err != nil || dry.Copied != 35 {
		t.Fatalf("dry run: %d, %v", dry.Copied, err)
	}
	w.complete()
	want := map[string]int{"Big": 1, "Big/2018": 1, "Big/2018 (2)": 11, "Big/2019": 11, "Big/2020": 11}
	w.wantCounts("first run", want)
	w.proven("first run", 35)
	if folders := w.balanced("first run"); len(folders) < 5 {
		t.Errorf("folders of the certificate: %+v", folders)
	}
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("the second run copied %d", res.Copied)
	}
	for uid, target := range map[uint32]string{1: "Big/2019", 2: "Big/2020", 3: "Big/2018 (2)", 4: "Big"} {
		found := w.where(migrate.WhereOptions{Folder: "Big", UID: uid})
		if len(found.Fates) != 1 || found.Fates[0].Target != target || found.Fates[0].Now != migrate.NowThere {
			t.Errorf("UID %d: %+v", uid, found)
		}
	}

	// More for a year that is there, and for a new one; one is deleted.
	big.Append(dated(50, time.Date(2019, 5, 5, 5, 5, 5, 0, time.UTC)))
	big.Append(dated(51, time.Date(2021, 5, 5, 5, 5, 5, 0, time.UTC)))
	if dry, err := migrate.DryRun(t.Context(), w.opts); err != nil || dry.Copied != 2 {
		t.Errorf("dry run: %d, %v", dry.Copied, err)
	}
	if res := w.complete(); res.Copied != 2 {
		t.Errorf("copied %d", res.Copied)
	}
	want["Big/2019"], want["Big/2021"] = 12, 1
	w.wantCounts("a new year", want)
	w.proven("a new year", 37)
	late := 0
	for _, f := range w.balanced("a new year") {
		if f.Late {
			late++
			if f.Part != "2021" {
				t.Errorf("late: %+v", f)
			}
		}
	}
	if late != 1 {
		t.Errorf("%d folders are late", late)
	}

	// Planned anew, nothing changes; without the split, a person decides.
	w.plan()
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("copied %d after planning again", res.Copied)
	}
	w.policy.Folders.SplitByYear = nil
	w.plan()
	if res := w.run(); res.Outcome() != migrate.Blocked || !strings.Contains(fmt.Sprint(res.Notable), "split by year before") {
		t.Errorf("without the split: %v %+v", res.Outcome(), res.Notable)
	}
	w.wantCounts("without the split", want)
}

// TestSplitOfAFilledFolder: what was copied whole isn't split later, for that
// would be copying it twice; a folder from which nothing went is.
func TestSplitOfAFilledFolder(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	big := w.source.User("ada@old.example").CreateMailbox("Big", imaptest.MailboxOptions{})
	w.plan()
	w.complete()
	big.Append(dated(1, time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC)))
	w.policy.Folders.SplitByYear = []string{"big"}
	w.plan()
	w.complete()
	w.wantCounts("split while empty", map[string]int{"Big/2018": 1})
	w.proven("split while empty", 1)

	w = newWorld(t, bmsim.Config{}, "ada")
	big = w.source.User("ada@old.example").CreateMailbox("Big", imaptest.MailboxOptions{})
	big.Append(dated(1, time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC)))
	w.plan()
	w.complete()
	w.policy.Folders.SplitByYear = []string{"Big"}
	w.plan()
	if res := w.run(); res.Outcome() != migrate.Blocked || !strings.Contains(fmt.Sprint(res.Notable), "copied whole before") {
		t.Errorf("split after it was filled: %v %+v", res.Outcome(), res.Notable)
	}
	w.wantCounts("split after it was filled", map[string]int{"Big": 1})
}

// TestSplitThroughTrouble cuts connections while parts are filled.
func TestSplitThroughTrouble(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.Folders.SplitByYear = []string{"role:inbox"}
	inbox := w.source.User("ada@old.example").Mailbox("INBOX")
	want := map[string]int{}
	for n := range 60 {
		year := 2000 + n%4
		inbox.Append(dated(n, time.Date(year, 2, 3, 4, 5, n, 0, time.UTC)))
		want[fmt.Sprintf("INBOX/%d", year)]++
	}
	w.plan()
	if err := w.sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.LateCommit, Times: 6, Skip: 3, Count: 9, Delay: 30 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		if res := w.run(); res.Outcome() == migrate.Complete {
			break
		} else if try > 8 {
			t.Fatalf("never complete: %+v", res.Notable)
		}
	}
	w.wantCounts("at last", want)
	w.proven("at last", 60)
	w.balanced("at last")
}

// TestMergedFolders fills one target folder from several source folders that
// hold the same messages, and knows each copy by its own source: also when the
// state is lost and everything is recognised by content.
func TestMergedFolders(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.IntoNonEmpty = true
	w.policy.Folders.Map = map[string]string{"Old": "Work"}
	w.policy.Folders.Rules = []migrate.FolderRule{{Match: "Old(er|est)", To: "Work"}}
	ada := w.source.User("ada@old.example")
	for _, name := range []string{"Work", "Old", "Older", "Oldest"} {
		mb := ada.CreateMailbox(name, imaptest.MailboxOptions{})
		for n := range 12 {
			mb.Append(message(n))
		}
		mb.Append(message(100 + len(name)))
	}
	w.plan()
	w.complete()
	want := map[string]int{"Work": 52}
	w.wantCounts("first run", want)
	w.proven("first run", 52)
	w.balanced("first run")
	appends := len(w.sim.Journal().Appends())

	ada.Mailbox("Older").Append(message(200))
	if res := w.complete(); res.Copied != 1 {
		t.Errorf("copied %d", res.Copied)
	}
	if err := os.RemoveAll(w.opts.StateDir); err != nil {
		t.Fatal(err)
	}
	w.complete()
	if n := len(w.sim.Journal().Appends()); n != appends+1 {
		t.Errorf("%d appends after the state was lost", n-appends-1)
	}
	want["Work"] = 53
	w.wantCounts("state lost", want)
	w.proven("state lost", 53)
	for name, uid := range map[string]uint32{"Work": 1, "Old": 1, "Older": 1, "Oldest": 1} {
		found := w.where(migrate.WhereOptions{Folder: name, UID: uid})
		if len(found.Fates) != 1 || found.Fates[0].Target != "Work" || found.Fates[0].TargetUID == 0 {
			t.Fatalf("%s: %+v", name, found)
		}
		back := w.where(migrate.WhereOptions{TargetFolder: "Work", TargetUID: found.Fates[0].TargetUID})
		if len(back.Fates) != 1 || back.Fates[0].Folder != name {
			t.Errorf("target UID %d is claimed by %+v, want %s alone", found.Fates[0].TargetUID, back.Fates, name)
		}
	}
	_, err := os.Stat(w.opts.StateDir)
	if errors.Is(err, os.ErrNotExist) {
		t.Error("no state")
	}
}
