package imap_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
)

// A real Dovecot's word for what has changed leads to the same ledger and target
// as its full listing, whatever another client does to the folder.
func TestLabDeltaIsWhatAListingGives(t *testing.T) {
	lab := labtest.Open(t)
	login, password := lab.AddDovecotUser(t, "delta")
	client, err := labtest.Enter(t.Context(), labtest.Login{Addr: lab.DovecotIMAP, User: login, Secret: password})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	do := func(format string, args ...any) {
		t.Helper()
		if err := client.Do(format, args...); err != nil {
			t.Fatalf(format+": %v", append(args, err)...)
		}
	}
	do(`CREATE "Box"`)
	do(`SELECT "Box"`)
	fast := newPair(t)
	fast.srcAddr, fast.enter = lab.DovecotIMAP, imap.Credentials{Login: login, Secret: password}
	full := fast.sibling()
	full.enter = fast.enter
	fast.opts.Window, full.opts.ListEvery = 13, time.Nanosecond
	r := rand.New(rand.NewPCG(3, 4))
	uid, deltas := 0, 0
	for step := range 40 {
		for range r.IntN(5) {
			some := fmt.Sprintf("%d:%d", 1+r.IntN(uid+1), 1+r.IntN(uid+1))
			switch r.IntN(5) {
			case 0, 1:
				uid++
				flags := [][]string{nil, {`\Seen`}, {`\Deleted`}, {"Mixed", `\Flagged`}}[r.IntN(4)]
				if err := client.Append("Box", labtest.Message{Body: letter(uid, ""), Flags: flags, InternalDate: time.Date(2001+uid%20, 3, 4, 5, 6, uid%60, 0, time.UTC)}); err != nil {
					t.Fatal(err)
				}
			case 2:
				do(`UID STORE %s %sFLAGS.SILENT (%s)`, some, []string{"+", "-", ""}[r.IntN(3)], []string{`\Seen`, `\Flagged Mixed`, `\Deleted`}[r.IntN(3)])
			case 3:
				one := 1 + r.IntN(uid+1)
				do(`UID STORE %d +FLAGS.SILENT (\Deleted)`, one)
				do(`UID EXPUNGE %d`, one)
			case 4:
				do("NOOP")
			}
		}
		if step%7 == 6 {
			fast.opts.Rules.CopyDeleted = !fast.opts.Rules.CopyDeleted
			full.opts.Rules = fast.opts.Rules
		}
		a, b := fast.mustCopy(), full.mustCopy()
		if !a.Unmoved && !a.InFull {
			deltas++
		}
		if x, y := fast.ledger.lines(), full.ledger.lines(); !slices.Equal(x, y) {
			t.Fatalf("step %d: the ledgers differ (in full %v):\n%s", step, a.InFull, firstDifference(x, y))
		}
		if x, y := picture(fast.to, false), picture(full.to, false); !slices.Equal(x, y) {
			t.Fatalf("step %d: the targets differ:\n%s", step, firstDifference(x, y))
		}
		if !a.Unmoved && a.Listed != b.Listed {
			t.Fatalf("step %d: %d messages are listed, %d in full", step, a.Listed, b.Listed)
		}
	}
	if deltas < 15 {
		t.Errorf("only %d passes went by the changes", deltas)
	}
}

// TestLabDeltaOfABigFolder is what a second pass over 20,000 messages of a real
// Dovecot costs, with fifteen changes and with none.
func TestLabDeltaOfABigFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 20,000 messages")
	}
	lab := labtest.Open(t)
	login, password := lab.AddDovecotUser(t, "bigdelta")
	msgs := make([]labtest.Message, 20_000)
	for i := range msgs {
		msgs[i] = labtest.Message{Body: letter(i, ""), InternalDate: time.Date(2001+i%20, 3, 4, 5, 6, i%60, 0, time.UTC)}
	}
	lab.WriteMaildir(t, login, "Box", msgs)
	p := newPair(t)
	src := new(traffic)
	p.srcAddr, p.enter, p.opts.Batch = lab.DovecotIMAP, imap.Credentials{Login: login, Secret: password}, 500
	p.dialing = map[string]imap.Options{"source": src.options()}
	p.mustCopy()
	src.reset()
	if got := p.mustCopy(); !got.Unmoved {
		t.Errorf("%+v", got)
	}
	t.Log("untouched:", src)
	client, err := labtest.Enter(t.Context(), labtest.Login{Addr: lab.DovecotIMAP, User: login, Secret: password})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var faults []string
	for i := range 5 {
		for _, err := range []error{client.Do(`SELECT "Box"`), client.Do(`UID STORE %d +FLAGS.SILENT (\Deleted)`, 3_000*i+1), client.Do(`UID EXPUNGE %d`, 3_000*i+1),
			client.Do(`UID STORE %d +FLAGS.SILENT (\Flagged k%d)`, 3_000*i+100, i), client.Append("Box", labtest.Message{Body: letter(30_000+i, ""), InternalDate: time.Unix(1e9, 0)})} {
			if err != nil {
				faults = append(faults, err.Error())
			}
		}
	}
	if len(faults) > 0 {
		t.Fatal(strings.Join(faults, "\n"))
	}
	src.reset()
	if got := p.mustCopy(); got.InFull || got.Copied != 5 || got.Vanished != 5 || got.Flagged != 5 || got.Listed != 20_000 {
		t.Errorf("got %+v", got)
	}
	t.Log("by what changed:", src)
	if src.received > 20_000 || src.trips > 10 {
		t.Errorf("source: %s", src)
	}
}
