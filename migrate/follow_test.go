package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// at is a folder of ada's at the source.
func (w *world) at(folder string) *imaptest.Mailbox {
	w.t.Helper()
	box := w.source.User("ada@old.example").Mailbox(folder)
	if box == nil {
		w.t.Fatalf("no source folder %q", folder)
	}
	return box
}

// uids are the UIDs of a source folder's messages.
func (w *world) sourceUIDs(folder string) (out []uint32) {
	for _, m := range w.at(folder).Messages() {
		out = append(out, m.UID)
	}
	return out
}

// stored is how many messages were appended to the target.
func (w *world) uploads() int { return len(w.sim.Journal().Appends()) }

// fated gives ada's rows of a source folder, by source UID.
func (w *world) fated(folder string) map[uint32]state.Message {
	w.t.Helper()
	s, err := state.OpenReadOnly(w.t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		w.t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.AccountByAddress(w.t.Context(), "ada@"+w.domain)
	if err != nil || len(rows) != 1 {
		w.t.Fatal(rows, err)
	}
	found, err := s.FindMessages(w.t.Context(), rows[0].ID, state.Query{Source: folder})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[uint32]state.Message{}
	for _, f := range found {
		out[f.Message.SrcUID] = f.Message
	}
	return out
}

// proven wants a proof without a finding.
func (w *world) proves() {
	w.t.Helper()
	if res := w.verify(migrate.RereadAll); res.OK != res.Accounts {
		w.t.Errorf("verify: %+v", res.Failed)
	}
}

// idle wants a run that has nothing to do.
func (w *world) idle() {
	w.t.Helper()
	stored := w.uploads()
	if res := w.complete(); res.Copied+res.Moved+res.Deleted > 0 {
		w.t.Errorf("the next run: %d copied, %d moved, %d deleted", res.Copied, res.Moved, res.Deleted)
	}
	if n := w.uploads() - stored; n > 0 {
		w.t.Errorf("the next run stored %d messages", n)
	}
}

// TestFollowMoves: 200 moves in one go are copied on the target, and uploaded by
// nobody; moves and a flag change at once, there and back, within a folder, and of
// one of two true duplicates.
func TestFollowMoves(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("INBOX", 0, 250)
	w.letters("Archive", 1000, 5)
	twins := w.letters("Twins", 2000, 1)
	twins.Append(message(2000))
	w.plan()
	w.complete()
	stored := w.uploads()

	inbox, archive := w.at("INBOX"), w.at("Archive")
	moved := w.sourceUIDs("INBOX")[:200]
	inbox.Move(archive, moved...)
	flagged := archive.Messages()[7]
	archive.SetFlags(flagged.UID, `\Flagged`, "$Label1")
	twins.Move(archive, w.sourceUIDs("Twins")[0])
	there := w.sourceUIDs("INBOX")[0] // there and back
	inbox.Move(twins, there)
	twins.Move(inbox, w.sourceUIDs("Twins")[1])

	res := w.complete()
	if res.Moved != 202 || res.Copied != 0 || res.Deleted != 0 {
		t.Errorf("%d moved, %d copied, %d deleted", res.Moved, res.Copied, res.Deleted)
	}
	if n := w.uploads() - stored; n != 0 {
		t.Errorf("%d messages were uploaded", n)
	}
	w.same(w.opts.Target)
	if m := w.fated("INBOX")[moved[3]]; m.State != state.Vanished || !m.DstGone || !m.Removed || !strings.Contains(m.Note, `moved to "Archive"`) {
		t.Errorf("a moved message's row: %+v", m)
	}
	w.proves()
	w.idle()
}

// TestFollowDeletions: what the source deletes is deleted on the target, but for
// what somebody changed there; and what isn't ours stays.
func TestFollowDeletions(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 30)
	w.plan()
	w.complete()
	w.deliver("Letters", 500, 2)
	gone := w.sourceUIDs("Letters")[10:20]
	rows := w.fated("Letters")
	w.asHer(func(dst *imap.Target) error {
		if _, err := dst.Select(t.Context(), "Letters"); err != nil {
			return err
		}
		return dst.StoreFlags(t.Context(), []uint32{rows[gone[0]].DstUID}, []string{`\Seen`}, imap.AddFlags)
	})
	box.Expunge(gone...)
	if res := w.complete(); res.Deleted != 10 || res.Copied+res.Moved != 0 {
		t.Errorf("%+v", res)
	}
	got := w.read(w.opts.Target, "ada@"+domain)["Letters"]
	if len(got) != 23 {
		t.Errorf("%d messages are on the target, want 20 of the source, one that was touched and two of others", len(got))
	}
	rows = w.fated("Letters")
	if m := rows[gone[0]]; !m.Left || m.DstGone || !strings.Contains(m.Note, "flags were changed") {
		t.Errorf("the touched one's row: %+v", m)
	}
	if m := rows[gone[1]]; !m.Removed || !m.DstGone || !strings.Contains(m.Note, "deleted at the source") {
		t.Errorf("a deleted one's row: %+v", m)
	}
	w.proves()
	w.idle()
	w.deliver("Letters", 700, 1) // the target moves
	w.complete()
}

// TestFollowAsks: above the threshold nothing is deleted before a person has said
// so; new mail is copied all the same, and moves are followed.
func TestFollowAsks(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 80)
	w.letters("Other", 500, 20)
	w.plan()
	w.complete()
	box.Expunge(w.sourceUIDs("Letters")[:60]...)
	box.Move(w.at("Other"), w.sourceUIDs("Letters")[:3]...)
	w.letters("Other", 900, 2)
	dry, err := migrate.DryRun(t.Context(), w.opts)
	if err != nil || len(dry.Notable) != 1 || dry.Outcome() != migrate.Blocked {
		t.Fatalf("%+v, %v", dry, err)
	}
	if list := dry.Notable[0].Departing; len(list) != 63 || list[0].UID != 1 || list[0].Target != "Letters" || list[0].TargetUID == 0 || list[0].Date.IsZero() || list[0].Moved || !list[60].Moved || list[60].To != "Other" {
		t.Errorf("the dry list has %d: %+v", len(list), list[:min(len(list), 2)])
	}
	res := w.run()
	if res.Outcome() != migrate.Blocked || res.Copied != 2 || res.Moved != 3 || res.Deleted != 0 {
		t.Fatalf("%+v", res)
	}
	if n := res.Notable[0]; !strings.Contains(n.Reason, "60 of the 102 ") || !strings.Contains(n.Mend, "--allow-deletions") {
		t.Errorf("%+v", n)
	}
	if got := w.read(w.opts.Target, "ada@"+domain); len(got["Letters"]) != 77 || len(got["Other"]) != 25 {
		t.Errorf("%d and %d messages are on the target", len(got["Letters"]), len(got["Other"]))
	}
	w.run() // asks again
	w.opts.AllowDeletions, w.opts.Only = true, []string{"ada@" + domain}
	if res := w.complete(); res.Deleted != 60 {
		t.Errorf("%+v", res)
	}
	w.same(w.opts.Target)
	w.opts.AllowDeletions = false
	w.proves()
	w.idle()
}

// TestFollowAll: an account that would lose all it has asks however little that
// is.
func TestFollowAll(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 12)
	w.plan()
	w.complete()
	box.Expunge(w.sourceUIDs("Letters")...)
	if res := w.run(); res.Outcome() != migrate.Blocked || res.Deleted != 0 {
		t.Errorf("%+v", res)
	}
	if got := w.read(w.opts.Target, "ada@"+domain)["Letters"]; len(got) != 12 {
		t.Errorf("%d of 12 are left", len(got))
	}
}

// TestFollowNot: nothing is followed when the policy says so, once the account is
// live, in adopted mailboxes, into or out of folders that several feed, and in a
// dry run.
func TestFollowNot(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"policy":  func(w *world) { w.policy.Presync.Follow = false },
		"adopted": func(w *world) { w.policy.IntoNonEmpty = true },
		"shared": func(w *world) {
			w.policy.Folders.Map = map[string]string{"Letters": "Both", "Other": "Both"}
		},
		"live": nil,
		"dry":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "ada")
			box := w.letters("Letters", 0, 20)
			w.letters("Other", 100, 5)
			w.letters("Third", 200, 5)
			if set != nil {
				set(w)
			}
			w.plan()
			if name == "adopted" {
				w.makeUser()
				w.deliver("INBOX", 900, 8)
			}
			if name == "live" {
				w.opts.Final = true
			}
			w.complete()
			w.opts.Final = false
			before := w.held()
			box.Move(w.at("Other"), w.sourceUIDs("Letters")[:2]...)
			box.Move(w.at("Third"), w.sourceUIDs("Letters")[:2]...)
			box.Expunge(w.sourceUIDs("Letters")[:3]...)
			if name == "dry" {
				if _, err := migrate.DryRun(t.Context(), w.opts); err != nil {
					t.Fatal(err)
				}
			} else if res := w.complete(); res.Moved+res.Deleted > 0 || res.Copied != map[bool]int{false: 4}[name == "live"] {
				t.Errorf("%+v", res) // of a live account, what moved is known, and stays where it is
			}
			after := w.held()
			for _, line := range before {
				if !slices.Contains(after, line) {
					t.Errorf("%s is gone from the target", line)
				}
			}
			if name == "dry" && len(after) != len(before) {
				t.Errorf("%d and then %d messages", len(before), len(after))
			}
		})
	}
}

// held lists what ada has on the target.
func (w *world) held() (out []string) {
	for folder, items := range w.read(w.opts.Target, "ada@"+w.domain) {
		for _, i := range items {
			out = append(out, fmt.Sprintf("%s %d %s", folder, i.UID, i.SHA256))
		}
	}
	return out
}

// TestFollowUsersWork: what a user of the target removed doesn't come back when
// the source moves it, and what he changed stays where it is.
func TestFollowUsersWork(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 30)
	w.letters("Other", 100, 5)
	w.plan()
	w.complete()
	uids, rows := w.sourceUIDs("Letters"), w.fated("Letters")
	w.asHer(func(dst *imap.Target) error {
		ctx := t.Context()
		if _, err := dst.Select(ctx, "Letters"); err != nil {
			return err
		}
		if err := dst.StoreFlags(ctx, []uint32{rows[uids[0]].DstUID}, []string{`\Flagged`}, imap.AddFlags); err != nil {
			return err
		}
		remove := []uint32{rows[uids[1]].DstUID}
		if err := dst.StoreFlags(ctx, remove, []string{`\Deleted`}, imap.AddFlags); err != nil {
			return err
		}
		return dst.UIDExpunge(ctx, remove)
	})
	box.Move(w.at("Other"), uids[:3]...)
	if res := w.complete(); res.Moved != 1 || res.Copied != 1 {
		t.Errorf("%+v", res)
	}
	got := w.read(w.opts.Target, "ada@"+domain)
	if len(got["Letters"]) != 28 || len(got["Other"]) != 7 {
		t.Errorf("%d and %d messages, want 27 and the one that he flagged, 5 and 2 that moved", len(got["Letters"]), len(got["Other"]))
	}
	w.proves()
	w.idle()
	box.Expunge(w.sourceUIDs("Letters")[0]) // afterwards too
	w.complete()
}

// TestFollowCopyThenDelete: a client that copies first and expunges a day later
// makes a copy and then a deletion, which needs nobody's word: nothing is lost.
func TestFollowCopyThenDelete(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 70)
	w.letters("Other", 500, 1)
	w.plan()
	w.complete()
	for i := range 60 {
		w.at("Other").Append(message(i))
	}
	w.complete()
	box.Expunge(w.sourceUIDs("Letters")[:60]...)
	if res := w.complete(); res.Deleted != 0 || res.Copied != 0 {
		t.Errorf("%+v", res)
	}
	if got := w.read(w.opts.Target, "ada@"+domain)["Letters"]; len(got) != 10 {
		t.Errorf("%d are left", len(got))
	}
	w.same(w.opts.Target)
	w.proves()
	w.idle()
}

// TestFollowReturned: a source that hid messages and shows them again gets them
// copied again.
func TestFollowReturned(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Letters", 0, 40)
	w.plan()
	w.complete()
	hidden := w.sourceUIDs("Letters")[5:9]
	w.source.SetQuirks(imaptest.Quirks{OmitUIDs: hidden})
	w.letters("Letters", 300, 1) // it moves
	if res := w.run(); res.Outcome() != migrate.Partial || res.Deleted != 0 {
		t.Errorf("a listing that is short of EXISTS: %+v", res)
	}
	if got := w.read(w.opts.Target, "ada@"+domain)["Letters"]; len(got) != 41 {
		t.Errorf("%d are left", len(got))
	}
	w.source.SetQuirks(imaptest.Quirks{})
	w.complete()
	w.same(w.opts.Target)
	w.source.SetQuirks(imaptest.Quirks{Window: 37}) // the first four, and no number tells
	if res := w.complete(); res.Deleted != 4 {
		t.Errorf("%+v", res)
	}
	w.source.SetQuirks(imaptest.Quirks{})
	if res := w.complete(); res.Copied != 4 {
		t.Errorf("%+v", res)
	}
	w.same(w.opts.Target)
	w.idle()
}

// TestFollowIntoExcluded: what is moved into a folder that isn't copied is deleted.
func TestFollowIntoExcluded(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	box := w.letters("Letters", 0, 40)
	w.letters("Private", 500, 1)
	w.policy.Folders.Exclude = []string{"Private"}
	w.plan()
	w.complete()
	box.Move(w.at("Private"), w.sourceUIDs("Letters")[:4]...)
	if res := w.complete(); res.Deleted != 4 {
		t.Errorf("%+v", res)
	}
	w.same(w.opts.Target)
	w.idle()
}

// TestFollowSplit moves messages into, out of and between the parts of a folder
// that is split by year.
func TestFollowSplit(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.policy.Folders.SplitByYear = []string{"Big"}
	big := w.letters("Big", 0, 20)
	for i := range 20 {
		m := message(100 + i)
		m.InternalDate = m.InternalDate.AddDate(3, 0, 0)
		big.Append(m)
	}
	w.letters("Other", 500, 5)
	w.plan()
	w.complete()
	stored := w.uploads()
	big.Move(w.at("Other"), w.sourceUIDs("Big")[0], w.sourceUIDs("Big")[25])
	w.at("Other").Move(big, w.sourceUIDs("Other")[:2]...)
	big.Move(big, w.sourceUIDs("Big")[3]) // the same message, under another UID
	if res := w.complete(); res.Moved != 5 || res.Copied+res.Deleted != 0 || w.uploads() != stored {
		t.Errorf("%d uploads, %+v", w.uploads()-stored, res)
	}
	count := map[string]int{}
	for folder, items := range w.read(w.opts.Target, "ada@"+domain) {
		count[folder] = len(items)
	}
	if count["Big/2010"] != 21 || count["Big/2013"] != 19 || count["Other"] != 5 {
		t.Errorf("%v", count)
	}
	w.proves()
	w.idle()
}

// TestC6RenameBetweenRuns: a folder that the source renames, with a name that no
// earlier run can know it by, deletes nothing.
func TestC6RenameBetweenRuns(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.letters("Projects", 0, 60)
	w.letters("Other", 500, 60)
	w.plan()
	w.complete()
	stored, before := w.uploads(), len(w.held())
	user := w.source.User("ada@old.example")
	user.RenameMailbox("Projects", "Work")
	w.at("Work").SetUIDValidity(w.at("Work").UIDValidity() + 1)
	res := w.run()
	if res.Deleted != 0 {
		t.Errorf("%+v", res)
	}
	t.Log(res.Outcome(), w.uploads()-stored, len(w.held())-before)
	var ours []string
	for _, items := range w.read(w.opts.Target, "ada@"+domain) {
		for _, i := range items {
			ours = append(ours, i.SHA256)
		}
	}
	for folder, items := range w.readSource(w.rows[0]) {
		for _, i := range items {
			if !slices.Contains(ours, i.SHA256) {
				t.Errorf("a message of %q isn't on the target any more", folder)
			}
		}
	}
}
