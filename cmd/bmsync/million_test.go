package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

const millionDomain = "million.example"

// TestC24MillionMessages fills one folder of very many messages, in runs of
// which the first is killed, and has every command tell of it. What is known is
// not asked for again. With BMSYNC_LONG set, which takes minutes, there are a
// million, and no command may take more than 250 MB.
func TestC24MillionMessages(t *testing.T) {
	t.Parallel()
	messages, program := uint32(30_000), ""
	if os.Getenv("BMSYNC_LONG") != "" {
		messages, program = 1_000_000, filepath.Join(t.TempDir(), "bmsync")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			t.Fatalf("go build: %v: %s", err, out)
		}
	}
	source := imaptest.NewSynthetic(imaptest.SyntheticOptions{ModSeq: true, Messages: func(string, string) uint32 { return messages }})
	ctx, cancel := context.WithCancel(context.Background())
	at, wait, err := source.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); wait() })
	sim := startSim(t, "--domain", millionDomain)
	from := origin{yaml: "tls: none, imap: " + at, secret: "any", logins: map[string]string{"ada": "ada"}}
	m := newMigration(t, from, sim, millionDomain, "settle: 1s")
	most := int64(0)
	do := func(args ...string) *process {
		t.Helper()
		p := m.command(args...)
		if program != "" {
			p.cmd.Path = program
		}
		p.start()
		peak := p.peak()
		if code := p.code(); code != 0 {
			t.Fatalf("exit code %d: %s", code, p)
		}
		if most = max(most, peak); program != "" {
			t.Logf("%s: %d MB", args[0], peak>>20)
		}
		return p
	}

	first := m.command("run", "--target", "test")
	if program != "" {
		first.cmd.Path = program
	}
	copying := first.told.first(migrate.EventProgress)
	first.start()
	<-copying
	time.Sleep(time.Duration(messages) * 20 * time.Microsecond)
	first.kill()

	listed, fetched := source.Listed.Load(), source.Fetched.Load()
	if !first.killed() || fetched == int64(messages) {
		t.Logf("the run was over before it was killed: %d fetched", fetched)
	}
	do("run", "--target", "test")
	if again := source.Fetched.Load() - int64(messages); again > 4096 {
		t.Errorf("%d messages were fetched twice, more than can have been under way", again)
	}
	if n := source.Listed.Load() - listed; n > 2*int64(messages) { // once their UIDs alone: have any vanished?
		t.Errorf("to resume, %d messages were listed of %d", n, messages)
	}

	listed, fetched = source.Listed.Load(), source.Fetched.Load()
	if p := do("run", "--target", "test"); p.copied() != 0 || source.Listed.Load() != listed || source.Fetched.Load() != fetched {
		t.Errorf("the next run copied %d, had %d listed and %d fetched", p.copied(), source.Listed.Load()-listed, source.Fetched.Load()-fetched)
	}
	all := fmt.Sprint(messages)
	for _, args := range [][]string{{"verify"}, {"status"}, {"report", "--format", "json"}} {
		p := do(append(args, "--target", "test")...)
		if !strings.Contains(strings.ReplaceAll(p.stdout.String(), ",", ""), all) {
			t.Errorf("%s doesn't tell of %s messages: %.2000s", args[0], all, p.stdout.String())
		}
	}
	p := do("where", m.address("ada"), "--target", "test", "--message-id", fmt.Sprintf("<%d.ada>", messages/2))
	if out := p.stdout.String(); !strings.Contains(out, migrate.NowThere) || !strings.Contains(out, fmt.Sprint(messages/2)) {
		t.Errorf("where says %s", out)
	}
	if program != "" && most > 250<<20 {
		t.Errorf("a command took %d MB", most>>20)
	}
}

// peak waits for the end of a process and gives how much memory it had at most:
// Linux's VmHWM, in octets. Elsewhere that is 0.
func (p *process) peak() (most int64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return most
		case <-tick.C:
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) // none: it has ended
		if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				most = max(most, kib<<10)
			}
		}
	}
}
