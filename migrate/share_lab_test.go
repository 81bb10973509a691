package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/migrate"
	"bmsync/state"
)

// letters are a few messages of a folder, each of its own.
func letters(folder string, n int) []labtest.Message {
	var out []labtest.Message
	for i := range n {
		out = append(out, labtest.Message{
			Body:  fmt.Appendf(nil, "From: a@x.test\r\nMessage-ID: <%d.%x@x.test>\r\nSubject: letter %d\r\n\r\n%s\r\n", i, folder, i, strings.Repeat("word ", i%50)),
			Flags: [][]string{{`\Seen`}, {`\Flagged`, "$label1"}, nil}[i%3], InternalDate: time.Date(2010, 1, 1, 0, 0, i, 0, time.FixedZone("", 7200))})
	}
	return out
}

// TestLabShares fills shares of a real Cyrus from a login of their own and from
// Dovecot's public folders, beside the writers' own mailboxes.
func TestLabShares(t *testing.T) {
	conf := sharing()
	conf.ReplicationLag = 200 * time.Millisecond
	w, lab := labWorldWith(t, conf, "ada", "bruno", "support")
	w.renamed = true
	ada, bruno, support := w.rows[0].Login, w.rows[1].Login, w.rows[2].Login
	w.rows = w.rows[:2]
	_, source, _ := strings.Cut(ada, "@")
	for _, login := range []string{ada, bruno, support} {
		for _, folder := range []string{"INBOX", "Sent", "Brouillons", "A/B", "Été"} {
			lab.WriteMaildir(t, login, folder, letters(login+folder, 20))
		}
	}
	long := strings.Repeat("x", 230)
	for _, folder := range []string{"Compta", "Compta/2019/été", "Compta/Éléments envoyés", "Compta/a%b;c", "Compta/" + long + "/" + long[:120], "Compta/2019/" + long[:200] + "/" + long[:120] + "/" + long[:90], "Old", "Old/INBOX/x", "Old/inbox"} {
		lab.WriteMaildir(t, "public@"+source, folder, letters(folder, 20))
	}
	w.share(support, "", "support", "robot")
	w.share(ada, "Public/Compta", "compta", "ada")
	w.share(bruno, "Public/Old", "archive", "robot")
	w.plan()
	w.complete()
	w.sameShares()
	if res := w.complete(); res.Copied != 0 {
		t.Errorf("the second run copied %d", res.Copied)
	}
	if res := w.verify(migrate.RereadAll); res.OK != len(w.rows) || res.Reread != res.Messages || res.Messages < 400 {
		t.Errorf("verify: %+v", res)
	}
	w.byKeysOnly()

	admin := w.admin()
	d, zoe, box := w.uids(admin, "zoe", "support")
	if err := admin.SetACL(t.Context(), box, []bmapi.AccessEntry{{Subject: zoe, Verb: bmapi.VerbRead}}); err != nil {
		t.Fatal(err)
	}
	if res := w.verify(migrate.RereadNone); res.OK != len(w.rows) {
		t.Errorf("verify through the eyes of a reader: %+v", res)
	}
	if _, err := admin.Mailbox(t.Context(), d, box); err != nil {
		t.Error(err)
	}
	w.byKeysOnly()
}

// TestLabShareWithoutRight: Cyrus refuses who may not write, and no message is
// taken for refused.
func TestLabShareWithoutRight(t *testing.T) {
	w, lab := labWorldWith(t, sharing(), "support")
	login := w.rows[0].Login
	w.rows = nil
	lab.WriteMaildir(t, login, "INBOX", letters("INBOX", 300))
	w.share(login, "", "support", "robot")
	w.plan()
	admin := w.admin()
	_, robot, box := w.uids(admin, "robot", "support")
	var once sync.Once
	w.opts.Limits.BatchMessages = 8
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress { // while it is being filled
			once.Do(func() {
				if err := admin.SetACL(t.Context(), box, []bmapi.AccessEntry{{Subject: robot, Verb: bmapi.VerbRead}}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "Permission denied") || !strings.Contains(res.Notable[0].Mend, "may not be written to") {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	w.opts.Events = nil
	s, err := state.OpenReadOnly(t.Context(), migrate.StatePath(w.opts.StateDir, "test"))
	if err != nil {
		t.Fatal(err)
	}
	totals, err := s.Totals(t.Context())
	if err != nil || totals.Messages[state.Refused].Messages > 0 {
		t.Errorf("%+v, %v", totals, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := admin.SetACL(t.Context(), box, []bmapi.AccessEntry{{Subject: robot, Verb: bmapi.VerbWrite}}); err != nil {
		t.Fatal(err)
	}
	w.complete()
	w.sameShares()
	w.byKeysOnly()
}

// TestLabShareRightsLost: what BlueMind 4 says of rights, and never told Cyrus,
// is repaired.
func TestLabShareRightsLost(t *testing.T) {
	w, lab := labWorldWith(t, sharing(), "support")
	login := w.rows[0].Login
	w.rows = nil
	lab.WriteMaildir(t, login, "INBOX", letters("INBOX", 20))
	w.share(login, "", "support", "zoe")
	w.plan()
	w.sim.Faults().Add(bmsim.Fault{Kind: bmsim.HookRights})
	w.complete()
	w.sameShares()
	if res := w.verify(migrate.RereadNone); res.OK != 1 {
		t.Errorf("verify: %+v", res)
	}
	w.byKeysOnly()
}

// TestLabShareAfterCuts goes on where Cyrus's connections broke.
func TestLabShareAfterCuts(t *testing.T) {
	w, lab := labWorldWith(t, sharing(), "support", "archive")
	rows := slices.Clone(w.rows)
	w.rows = nil
	for _, row := range rows {
		lab.WriteMaildir(t, row.Login, "INBOX", letters("INBOX"+row.Login, 150))
		lab.WriteMaildir(t, row.Login, "A/B", letters("A"+row.Login, 150))
		name, _, _ := strings.Cut(row.Login, "@")
		w.share(row.Login, "", name, "robot")
	}
	w.plan()
	w.opts.Limits.Settle = 4 * time.Second
	stop := make(chan struct{})
	w.opts.Stop = stop
	var once sync.Once
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress {
			once.Do(func() { close(stop) })
		}
	}
	if res := w.run(); res.Outcome() != migrate.Interrupted {
		t.Fatalf("ended with %v", res.Outcome())
	}
	w.byKeysOnly()
	w.opts.Stop, w.opts.Events = nil, nil
	w.complete()
	w.sameShares()
	if res := w.verify(migrate.RereadNone); res.OK != 2 {
		t.Errorf("verify: %+v", res)
	}
	w.byKeysOnly()
}
