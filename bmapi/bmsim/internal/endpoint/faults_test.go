package endpoint_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

func (r *rig) fault(faults ...endpoint.Fault) {
	r.t.Helper()
	if err := r.faults.Add(faults...); err != nil {
		r.t.Fatal(err)
	}
}

func appends(from, to int) string {
	var all strings.Builder
	for i := from; i < to; i++ {
		all.WriteString(appendLine(fmt.Sprint("t", i), "INBOX", message(i)))
	}
	return all.String()
}

func TestConnectionIsCutBeforeTheAnswer(t *testing.T) {
	for _, tc := range []struct {
		kind   endpoint.FaultKind
		stored int
	}{{endpoint.DropStored, 2}, {endpoint.DropLost, 1}} {
		t.Run(string(tc.kind), func(t *testing.T) {
			r := start(t, mail.Options{}, nil)
			r.fault(endpoint.Fault{Kind: tc.kind, Skip: 1, Times: 1})
			c := r.login("alice")
			c.send(appends(0, 2))
			c.play("S~ t0 OK .*\nS.")
			waitFor(t, "the end", func() bool { return len(r.journal(endpoint.Left)) == 1 })
			if n := len(r.records(alice, "INBOX")); n != tc.stored {
				t.Errorf("%d stored", n)
			}
			got := r.journal(endpoint.Appended)
			if last := got[len(got)-1]; len(got) != tc.stored || last.Unanswered != (tc.stored == 2) {
				t.Errorf("journal: %+v", got)
			}
			r.login("alice").play("C> " + strings.ReplaceAll(appends(2, 3), "\r\n", `\r\n`) + "\nS~ t2 OK .*")
		})
	}
}

func TestLateCommit(t *testing.T) {
	const delay, gap = 300 * time.Millisecond, 100 * time.Millisecond
	r := start(t, mail.Options{}, nil)
	r.fault(endpoint.Fault{Kind: endpoint.LateCommit, Skip: 1, Times: 1, Count: 3, Delay: delay, Gap: gap, Folder: "INBOX"})
	c := r.login("alice")
	c.send(appends(0, 1))
	c.play("S~ t0 OK .*")
	c.send(appends(1, 5)) // the fifth comes too late to be received
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("something was answered")
	}
	cut := time.Now()

	// Whoever looks now sees one message, and thinks it is all.
	other := r.login("alice")
	other.play("C: a STATUS INBOX (MESSAGES UIDNEXT)\nS: * STATUS \"INBOX\" (MESSAGES 1 UIDNEXT 2)\nS: a OK Completed")
	waitFor(t, "the first late message", func() bool { return len(r.records(alice, "INBOX")) > 1 })
	if took := time.Since(cut); took < delay/2 {
		t.Errorf("it came after %v", took)
	}
	other.send(appends(9, 10)) // in between
	other.play("S~ t9 OK .*")
	waitFor(t, "all late messages", func() bool { return len(r.journal(endpoint.Appended)) == 5 })
	var late []string
	for _, e := range r.journal(endpoint.Appended) {
		if e.Late {
			late = append(late, fmt.Sprint(e.UID))
		}
	}
	if got := strings.Join(late, " "); got != "2 4 5" {
		t.Errorf("late UIDs: %s", got)
	}
}

func TestLateCommitTakesWhatThereIs(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.fault(endpoint.Fault{Kind: endpoint.LateCommit, Times: 1, Count: 100, Wait: 50 * time.Millisecond})
	c := r.login("alice")
	c.send(appends(0, 2) + "n NOOP\r\n")
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("something was answered")
	}
	waitFor(t, "two messages", func() bool { return len(r.records(alice, "INBOX")) == 2 })
}

func TestLateCommitEndsWithServe(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.fault(endpoint.Fault{Kind: endpoint.LateCommit, Delay: time.Hour})
	c := r.login("alice")
	c.send(appends(0, 1))
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("something was answered")
	}
	r.stop()
	if n := len(r.records(alice, "INBOX")); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestCutInsideALiteral(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.fault(endpoint.Fault{Kind: endpoint.CutLiteral, Times: 1, Bytes: 10, Login: "ALICE@mail.example.org"})
	bob := r.login("bob")
	bob.send(appends(0, 1))
	bob.play("S~ t0 OK .*")
	c := r.login("alice")
	c.play("C: a APPEND INBOX () {100}\nS: + OK")
	c.send(strings.Repeat("x", 50))
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("something was answered")
	}
	if n := len(r.records(alice, "INBOX")); n != 0 {
		t.Errorf("%d messages", n)
	}
	again := r.login("alice")
	again.send(appends(0, 1))
	again.play("S~ t0 OK .*")
}

func TestByeUnknownErrorSilence(t *testing.T) {
	r := start(t, mail.Options{}, nil)
	r.fault(
		endpoint.Fault{Kind: endpoint.UnknownError, Skip: 1, Times: 1, Text: "parsing took\ntoo long"},
		endpoint.Fault{Kind: endpoint.Silent, Verb: "status", Times: 1},
		endpoint.Fault{Kind: endpoint.Bye, Verb: "*", Times: 1, Skip: 6, Text: "going down"},
	)
	c := r.login("alice")
	c.send(appends(0, 3))
	c.play(`
		S: t0 OK [APPENDUID 1 1] APPEND completed f99b284cb073579e8fff83b6e2b7b1396b1ff102
		S: t1 NO unknown error: parsing took too long
		S~ t2 OK \[APPENDUID 1 3\] .*
		C: a STATUS INBOX (MESSAGES)`)
	// What comes while it is under way would be lost with it.
	waitFor(t, "the silence", func() bool { return len(r.journal(endpoint.Faulted)) == 2 })
	c.play(`
		C: b STATUS INBOX (MESSAGES)
		S: * STATUS "INBOX" (MESSAGES 2)
		S: b OK Completed
		C: c NOOP
		S: c OK Completed
		C: d NOOP
		S: d OK Completed
		C: e NOOP
		S: * BYE going down
		S.`)
	if left := r.faults.Active(); len(left) != 0 {
		t.Errorf("faults left: %+v", left)
	}
}

func TestLies(t *testing.T) {
	const hello, helln = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d", "7f09489c91d644167feb5370107ca7373f3e2dd6"
	for kind, want := range map[endpoint.FaultKind]struct {
		answer string // of "hello"
		stored string
	}{
		endpoint.WrongUID:      {`1001\] APPEND completed ` + hello, "hello"},
		endpoint.WrongSHA1:     {`1\] APPEND completed 55f4c61ddcc5e8a2dabede0f3b482cd9aea9434d`, "hello"},
		endpoint.Altered:       {`1\] APPEND completed ` + helln, "helln"},
		endpoint.AlteredHidden: {`1\] APPEND completed ` + hello, "helln"},
		endpoint.Lost:          {`1\] APPEND completed ` + hello, ""},
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := start(t, mail.Options{}, nil)
			r.fault(endpoint.Fault{Kind: kind, Times: 1})
			c := r.login("alice")
			c.play("C: a APPEND INBOX () {5+}\nC: hello\nS~ a OK \\[APPENDUID 1 " + want.answer)
			c.open("INBOX")
			if want.stored == "" {
				c.play("C: b UID FETCH 1:* UID\nS~ b OK .*")
			} else {
				c.play("C: b UID FETCH 1:* BODY[]\nS: * 1 FETCH (UID 1 BODY[] {5}\nS: " + want.stored + ")\nS~ b OK .*")
			}
			c.play("C: c APPEND Sent () {5+}\nC: other\nS~ c OK \\[APPENDUID 2 1\\] .*")
			c.send(appends(0, 1))
			for line := c.line(); ; line = c.line() {
				if strings.HasPrefix(line, "t0 ") {
					if !strings.HasPrefix(line, "t0 OK [APPENDUID 1 2]") {
						t.Error(line)
					}
					break
				}
			}
			if got := r.journal(endpoint.Faulted); len(got) != 1 || got[0].Fault != kind || got[0].Folder != "INBOX" {
				t.Errorf("journal: %+v", got)
			}
		})
	}
}

func TestFaultsComeAsJSON(t *testing.T) {
	var f []endpoint.Fault
	if err := json.Unmarshal([]byte(`[{"kind":"late-commit","count":3,"delay":2000000000,"login":"a@b","skip":2,"times":1}]`), &f); err != nil {
		t.Fatal(err)
	}
	var faults endpoint.Faults
	if err := faults.Add(f...); err != nil {
		t.Fatal(err)
	}
	got := faults.Active()
	if len(got) != 1 || got[0].Delay != 2*time.Second || got[0].Count != 3 || got[0].Skip != 2 || got[0].Wait == 0 {
		t.Errorf("got %+v", got)
	}
	if faults.Add(endpoint.Fault{Kind: "earthquake"}) == nil {
		t.Error("an unknown kind was taken")
	}
	if faults.Clear(); len(faults.Active()) != 0 {
		t.Error("faults left")
	}
}
