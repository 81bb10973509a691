package migrate_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// full keeps nobody else.
func TestShareOverQuota(t *testing.T) {
	conf := sharing()
	conf.Domains[0].Users[3].QuotaKiB = 10
	conf.QuotaMemory = -1
	w := newWorld(t, conf)
	for _, name := range []string{"support", "archive"} {
		box := w.source.AddUser(name+"@old.example", "pw-"+name).CreateMailbox("Letters", imaptest.MailboxOptions{})
		for i := range 60 {
			m := message(i)
			m.Body = append(m.Body, strings.Repeat("long line\r\n", 500)...)
			box.Append(m)
		}
		w.share(name+"@old.example", "", name, "robot")
	}
	w.plan()
	admin := w.admin()
	d, _, box := w.uids(admin, "robot", "archive")
	m, err := admin.Mailshare(t.Context(), d, box)
	if err != nil {
		t.Fatal(err)
	}
	quota := int64(100)
	m.Quota = &quota
	if err := admin.UpdateMailshare(t.Context(), d, m); err != nil {
		t.Fatal(err)
	}
	res := w.run()
	if res.States[migrate.AccountBlocked] != 1 || res.States[migrate.AccountComplete] != 1 || !strings.Contains(res.Notable[0].Reason, sharedRoot+"archive") {
		t.Fatalf("one share over quota: %+v", res)
	}
	m.Quota = nil
	if err := admin.UpdateMailshare(t.Context(), d, m); err != nil {
		t.Fatal(err)
	}
	w.complete()
	w.sameShares()
	w.byKeysOnly()
}

// TestShareIsNotBlank: mail that is in a share already blocks it, or is adopted
// where the policy says so.
func TestShareIsNotBlank(t *testing.T) {
	w := newWorld(t, sharing())
	w.fillLogin("support")
	w.share("support@old.example", "", "support", "robot")
	w.plan()
	w.complete()
	w.opts.StateDir = filepath.Join(w.dir, "another")
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "messages already") {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	w.policy.IntoNonEmpty = true
	w.plan()
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("copied %d, want all adopted", res.Copied)
	}
	w.sameShares()
}

// TestShareClaims: a share is filled from one place only, by one row.
func TestShareClaims(t *testing.T) {
	w := publicWorld(t)
	w.rows = w.rows[3:4] // compta
	w.plan()
	w.complete()
	other := w.rows[0]
	other.Folder, other.Address = "Public/Old", "accounts@"+domain
	w.rows = append(w.rows, other)
	w.plan()
	res := w.run()
	if res.States[migrate.AccountBlocked] == 0 || res.Copied > 0 || !strings.Contains(res.Notable[0].Reason, "mailbox") {
		t.Errorf("two addresses of one share: %+v", res)
	}
	w.rows = w.rows[:1]
	w.rows[0].Folder = "Public/Compta/2019"
	w.plan()
	for _, recopy := range [][]string{nil, {w.rows[0].Address}} {
		w.opts.Recopy = recopy
		if res = w.run(); res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "was filled from folder") {
			t.Errorf("another source folder, --recopy %v: %+v", recopy, res.Notable)
		}
	}
	w.opts.Recopy = nil
	w.rows[0].Folder = "Public/Compta"
	w.plan()
	w.complete()
	w.byKeysOnly()
}

// TestCorrectedRows: what a row said before it was corrected holds nobody up,
// as long as nothing was filled by it; nor does a row that others have taken
// the place of.
func TestCorrectedRows(t *testing.T) {
	w := newWorld(t, sharing(), "ada", "bruno")
	w.fill(5)
	w.source.AddUser("ada@old.example", "changed")
	w.source.AddUser("bruno@old.example", "changed")
	w.planUnsurveyed()
	if res := w.run(); res.States[migrate.AccountBlocked] != 2 {
		t.Fatalf("wrong passwords: %+v", res)
	}
	w.source.AddUser("ada@old.example", "pw-ada")
	w.source.AddUser("bruno@old.example", "pw-bruno")
	w.rows[0].Address, w.rows[1].Address = w.rows[1].Address, w.rows[0].Address
	w.plan()
	w.complete()
	w.same(w.opts.Target)
	w.rows[0].Address, w.rows[1].Address = w.rows[1].Address, w.rows[0].Address
	w.plan()
	if res := w.run(); res.States[migrate.AccountBlocked] != 2 || !strings.Contains(res.Notable[0].Reason, "an earlier run filled") {
		t.Errorf("swapped once filled: %+v", res)
	}
}

// is shown only to who asks for it by name is found.
func TestShareSourceFolders(t *testing.T) {
	w := publicWorld(t)
	rows := w.rows
	for folder, words := range map[string]string{"Public/Comptabilité": "no folder", "PUBLIC/COMPTA/ENVOYÉS": "may be", "Public/C*": "no folder"} {
		w.rows = slices.Clone(rows[3:4])
		w.rows[0].Folder = folder
		path := filepath.Join(w.dir, "plan.jsonl")
		res, err := migrate.BuildPlan(t.Context(), migrate.PlanOptions{Path: path, Rows: w.rows, Sources: w.opts.Sources, Policy: w.policy})
		if err != nil || len(res.Unsurveyed) != 1 || !strings.Contains(res.Unsurveyed[0].Text, words) || !strings.Contains(res.Unsurveyed[0].Mend, "source_folder") {
			t.Errorf("%s: %v, %v", folder, res.Unsurveyed, err)
		}
		if w.opts.Plan, err = migrate.OpenPlan(path); err != nil {
			t.Fatal(err)
		}
		run := w.run()
		if run.Outcome() != migrate.Blocked || !strings.Contains(run.Notable[0].Reason, words) || !strings.Contains(run.Notable[0].Mend, "source_folder") {
			t.Errorf("%s: ended with %v: %+v", folder, run.Outcome(), run.Notable)
		}
	}
	w.source.SetQuirks(imaptest.Quirks{HideForeign: true})
	w.rows = rows[3:4]
	w.plan()
	w.complete()
	w.source.SetQuirks(imaptest.Quirks{})
	w.sameShares()
	if n := len(w.mapping("compta@" + domain)); n < 5 {
		t.Errorf("%d folders", n)
	}
}

// TestShareWriters: an administrator is no writer, and who is none at all
// blocks the share alone.
func TestShareWriters(t *testing.T) {
	for _, writer := range []string{"admin0", "bmhiddensysadmin"} {
		w := newWorld(t, sharing())
		w.fillLogin("support")
		w.share("support@old.example", "", "support", writer)
		w.plan()
		w.refusesAdministrators()
	}
}

// TestShareReaders: once the writer's right is gone, a share is proven through
// TestShareUnderFaults cuts connections again and again while shares of one
// writer, and the writer's own mailbox, are filled side by side.
func TestShareUnderFaults(t *testing.T) {
	tests := map[string]bmsim.IMAPFault{
		"late commits":       {Kind: bmsim.LateCommit, Times: 6, Skip: 3, Count: 9, Delay: 30 * time.Millisecond},
		"stored, not told":   {Kind: bmsim.DropStored, Times: 9, Skip: 2},
		"cut in the literal": {Kind: bmsim.CutLiteral, Times: 9, Skip: 2, Bytes: 20},
		"BYE at any command": {Kind: bmsim.Bye, Verb: "*", Times: 9, Skip: 7},
	}
	for name, fault := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := publicWorld(t)
			if err := w.sim.Faults().AddIMAP(fault); err != nil {
				t.Fatal(err)
			}
			for try := 0; ; try++ {
				res := w.run()
				if res.Outcome() == migrate.Complete {
					break
				}
				if try > 8 {
					t.Fatalf("never complete: %+v", res.Notable)
				}
			}
			w.sameShares()
			w.byKeysOnly()
			if res := w.verify(migrate.RereadNone); res.OK != len(w.rows) {
				t.Errorf("verify: %+v", res.Failed)
			}
		})
	}
}

// TestKilledRunOnShare leaves a key with the writer of a share, who has no
// account of his own: the next run deletes it, whatever it was asked for.
func TestKilledRunOnShare(t *testing.T) {
	w := newWorld(t, sharing(), "bruno")
	w.fillLogin("support")
	w.fill(5)
	w.share("support@old.example", "", "support", "robot")
	w.plan()
	w.complete()
	run := ""
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventRunStarted {
			run = e.Text
		}
	}
	w.complete()
	w.opts.Events = nil
	s, err := state.Open(t.Context(), migrate.StatePath(w.opts.StateDir, "test"), identityOf(t, w))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.AccountByAddress(t.Context(), "support@"+domain)
	if err != nil || len(rows) != 1 || rows[0].Writer != "robot@"+domain {
		t.Fatalf("%+v, %v", rows, err)
	}
	rows[0].State = migrate.AccountRunning
	if err := s.UpdateAccount(t.Context(), rows[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	robot, err := w.admin().Su(t.Context(), "robot", domain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := robot.CreateKey(t.Context(), fmt.Sprintf("bmsync %s until %s", run, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))); err != nil {
		t.Fatal(err)
	}
	w.opts.Only = []string{"bruno@" + domain}
	w.complete()
	w.byKeysOnly()
}
