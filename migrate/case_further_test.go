package migrate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestMessageWithoutOctets: BlueMind rejects it in the words that it has for a
// missing folder, too. It is refused by name, once, and costs nothing else.
func TestMessageWithoutOctets(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 3)
	uid := box.Append(imaptest.Message{Body: []byte{}, InternalDate: time.Unix(1e9, 0)})
	w.letters("Letters", 10, 3)
	w.plan()
	if res := w.run(); res.Outcome() != migrate.Partial || !res.NewRefusals || res.Copied != 6 || res.States[migrate.AccountComplete] != 1 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	uids, words := w.refusals()
	if got := uids["ada@"+domain+" Letters"]; !slices.Equal(got, []uint32{uid}) || !strings.HasPrefix(words[0], "NO Rejected") {
		t.Errorf("refused: UIDs %v, as %q", got, words)
	}
	w.balanced("with an empty message")
	if res := w.complete(); res.NewRefusals || res.Copied > 0 {
		t.Errorf("a second run: %+v", res)
	}
}

// TestTargetFolderGoesInMidRun: a user deletes the folder that is being filled.
// BlueMind rejects what comes then without saying why. What was copied into it is
// gone, so a person is asked, and no run ends green before.
func TestTargetFolderGoesInMidRun(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Letters", 0, 60)
	w.letters("Other", 100, 5)
	w.plan()
	w.opts.Limits.BatchMessages = 4
	gone := false
	w.opts.Events = func(e migrate.Event) {
		if e.Kind == migrate.EventProgress && e.Folder == "Letters" && !gone {
			gone = true
			w.deleteFolder("Letters")
		}
	}
	res := w.run()
	if !gone || res.Outcome() == migrate.Complete || res.States[migrate.AccountComplete] > 0 {
		t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
	}
	w.opts.Events = nil
	for range 2 {
		if res = w.run(); res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Mend, "--recopy") {
			t.Fatalf("a run after it ended with %v: %+v", res.Outcome(), res)
		}
	}
	w.opts.Recopy, w.policy.IntoNonEmpty = []string{"ada@" + domain}, true
	w.plan()
	w.complete()
	w.same(w.opts.Target)
}
