package migrate_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// labLetters are messages of their own, as a Dovecot has them.
func labLetters(first, n int) (list []labtest.Message) {
	for i := range n {
		m := message(first + i)
		list = append(list, labtest.Message{Body: m.Body, InternalDate: m.InternalDate})
	}
	return list
}

// TestLabC26UIDValidityChanged has a real Dovecot number a folder anew, and a
// real Cyrus.
func TestLabC26UIDValidityChanged(t *testing.T) {
	w, lab := labWorld(t, "ada")
	row := w.rows[0]
	const there = 83
	lab.WriteMaildir(t, row.Login, "Letters", append(labLetters(0, 80), append(labLetters(7777, 1), append(labLetters(7777, 1), labLetters(7777, 1)...)...)...))
	w.plan()
	w.complete()
	w.expungeOnTarget(row.Address, "Letters", 3, 81)
	check := func(when string, want int) {
		t.Helper()
		if n := len(w.read(w.opts.Target, row.Address)["Letters"]); n != want {
			t.Errorf("%s: %d messages on the target, want %d", when, n, want)
		}
		w.balanced(when)
		if res := w.verify(migrate.RereadAll); res.OK != 1 || res.Messages != int64(want) {
			t.Errorf("%s: verified %+v", when, res)
		}
		if res := w.complete(); res.Copied != 0 {
			t.Errorf("%s: the next run copied %d", when, res.Copied)
		}
	}
	status := func() imap.Status {
		source := w.opts.Sources["old"]
		cred, err := source.Credentials(t.Context(), row.Login)
		if err != nil {
			t.Fatal(err)
		}
		src, err := imap.DialSource(t.Context(), source.Server, cred, imap.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		st, err := src.Status(t.Context(), "Letters")
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	validity := status().UIDValidity
	lab.SetUIDValidity(t, row.Login, "Letters", validity+17)
	if st := status(); st.UIDValidity != validity+17 || st.Messages != there {
		t.Fatalf("Dovecot says %+v, UIDVALIDITY was %d", st, validity)
	}
	w.complete()
	check("the source numbered anew", there-2)

	w.remake(row.Address, "Letters", func(int) bool { return true })
	lab.WriteMaildir(t, row.Login, "Letters", labLetters(200, 4))
	if res := w.complete(); res.Copied != 4 {
		t.Errorf("copied %d, want the four that came", res.Copied)
	}
	check("the target numbered anew", there+2)

	w.remake(row.Address, "Letters", func(int) bool { return false })
	w.appendAs(row.Address, "Letters", []imaptest.Message{message(400), message(401)})
	res := w.run()
	if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, "the folder was made anew, and holds 0 of the") {
		t.Errorf("another's folder: %v, %+v", res.Outcome(), res.Notable)
	}
	w.byKeysOnly()
}

// TestLabTooManyIdentical: a Cyrus with conversations, as BlueMind 4 has it, takes
// ten identical messages a folder. Those that follow are refused by name, and none
// that was sent together with them is.
func TestLabTooManyIdentical(t *testing.T) {
	w, lab := labWorld(t, "ada")
	if !lab.Conversations {
		t.Skip("the lab's Cyrus has no conversations: LAB_CONVERSATIONS=1 examples/lab/up")
	}
	var list []labtest.Message
	for i := range 60 {
		list = append(list, labLetters(i, 1)...)
		if i%4 == 0 {
			list = append(list, labLetters(7777, 1)...)
		}
	}
	lab.WriteMaildir(t, w.rows[0].Login, "Letters", list)
	w.plan()
	res := w.run()
	if res.Outcome() != migrate.Partial || res.Refused != 5 || res.Copied != 70 {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res)
	}
	refused := w.refused()
	if len(refused) != 5 || slices.ContainsFunc(refused, func(r string) bool { return !strings.Contains(r, "Too many identical") }) {
		t.Errorf("refused: %q", refused)
	}
	bodies := map[string]int{}
	for _, i := range w.read(w.opts.Target, w.rows[0].Address)["Letters"] {
		bodies[i.SHA256]++
	}
	if len(bodies) != 61 {
		t.Errorf("%d different messages arrived, want 61", len(bodies))
	}
	w.balanced("refused")
	if again := w.complete(); again.Copied != 0 || again.NewRefusals {
		t.Errorf("the next run: %+v", again)
	}
}

// TestLabC2StateLost: a real Cyrus tells by DIGEST.SHA1 what it holds already; a
// copy that an earlier tool gave a header line is known by its date and text.
func TestLabC2StateLost(t *testing.T) {
	w, lab := labWorld(t, "ada")
	row := w.rows[0]
	lab.WriteMaildir(t, row.Login, "Letters", labLetters(0, 70))
	w.policy.IntoNonEmpty = true
	w.plan()
	w.complete()
	w.expungeOnTarget(row.Address, "Letters", 3, 40, 41)
	changed := message(40)
	changed.Body = append([]byte("X-Old: 40\r\n"), changed.Body...)
	w.appendAs(row.Address, "Letters", []imaptest.Message{changed})
	for run, want := range []int{2, 0, 0} {
		w.opts.StateDir = filepath.Join(w.dir, fmt.Sprint("state ", run))
		if res := w.complete(); res.Copied != want {
			t.Errorf("run %d copied %d, want %d", run, res.Copied, want)
		}
	}
	if n := len(w.read(w.opts.Target, row.Address)["Letters"]); n != 70 {
		t.Errorf("%d messages on the target", n)
	}
	if res := w.verify(migrate.RereadAll); res.OK != 1 || res.Messages != 70 {
		t.Errorf("verified %+v", res)
	}
	w.byKeysOnly()
}
