package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bmsync/migrate"
	"bmsync/state"
)

// elsewhere copies a migration's folder to another path.
func (m *migration) elsewhere() *migration {
	m.t.Helper()
	other := *m
	other.dir = filepath.Join(m.t.TempDir(), "another place")
	if err := os.CopyFS(other.dir, os.DirFS(m.dir)); err != nil {
		m.t.Fatal(err)
	}
	err := filepath.WalkDir(other.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return &other
}

// ending runs a bmsync in another time zone and under another host's name.
func (m *migration) ending(code int, args ...string) *process {
	m.t.Helper()
	p := m.command(args...)
	p.cmd.Env = append(p.cmd.Env, "TZ=Asia/Kolkata", "HOSTNAME=elsewhere")
	p.start()
	if got := p.code(); got != code {
		m.t.Fatalf("exit code %d, want %d: %s", got, code, p)
	}
	return p
}

// rows is what the ledger says of every source message, but for the target's UIDs
// and for how it came to be known that the target has it.
func (m *migration) rows() (list []string) {
	m.t.Helper()
	ctx := m.t.Context()
	s, err := state.OpenReadOnly(ctx, migrate.StatePath(filepath.Join(m.dir, "state"), "test"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer s.Close()
	for a, err := range s.Accounts(ctx) {
		if err != nil {
			m.t.Fatal(err)
		}
		folders, err := s.Folders(ctx, a.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, f := range folders {
			for row, err := range s.Messages(ctx, f.ID, f.SrcUIDValidity) {
				if err != nil {
					m.t.Fatal(err)
				}
				fate := row.State.String()
				if row.State == state.Present {
					fate = state.Copied.String()
				}
				list = append(list, fmt.Sprint(a.SourceLogin, f.Source, row.SrcUID, fate, row.Size, row.InternalDate.Format(time.RFC3339), row.Flags, row.SHA256))
			}
		}
	}
	slices.Sort(list)
	return list
}

// TestStateGoesOnElsewhere: the folder of a migration is copied while a run is at
// work. The copy keeps away for as long as that run may be alive; then it goes on, at
// another path, in another time zone, and ends as an undisturbed run does. Should the
// original be run again, which knows nothing of that, nothing is copied twice.
func TestStateGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	sim := startSim(t, "--domain", killedDomain+","+calmDomain)
	from := embeddedOrigin(t, 400, "ada", "archive")
	from.shares = map[string]string{"archive": "ada"}
	m := newMigration(t, from, sim, killedDomain, simLimits)
	sim.faults(slow)
	p := m.command("run", "--target", "test")
	copying := p.told.first(migrate.EventProgress)
	p.start()
	m.await(p, copying, 300*time.Millisecond)
	if !p.signal(syscall.SIGSTOP) {
		t.Fatalf("the run has ended: %s", p)
	}
	sim.faults()
	time.Sleep(200 * time.Millisecond) // what it had sent is stored
	other, stored := m.elsewhere(), m.appends()

	beside := other.ending(exitBlocked, "run", "--target", "test")
	if !strings.Contains(beside.told.String(), "is at work on ada@"+killedDomain) {
		t.Errorf("it says %s", beside)
	}
	if n := m.appends() - stored; n > 0 {
		t.Errorf("a second host stored %d messages beside a live run", n)
	}
	if !maps.Equal(sim.journal().KeysAlive, map[string]int{"ada@" + killedDomain: 1}) {
		t.Errorf("keys alive: %v", sim.journal().KeysAlive)
	}
	p.kill()
	other.ending(exitBlocked, "run", "--target", "test") // nobody can tell that it is dead
	other.ending(0, "reset", "--tokens", "--target", "test")
	last := other.ending(0, "run", "--target", "test")
	if last.copied() == 0 {
		t.Error("nothing was left to be copied: the test shows nothing")
	}
	other.ending(0, "verify", "--target", "test")
	byKeysOnly(t, sim)

	calm := newMigration(t, from, sim, calmDomain, simLimits)
	calm.ends(0, "run", "--target", "test")
	content := other.content()
	equal(t, "an undisturbed run", calm.content(), content)
	equal(t, "the source", other.wanted(), content)
	if want, got := calm.rows(), other.rows(); !slices.Equal(want, got) {
		t.Errorf("the ledger has %d rows, that of an undisturbed run %d; or they differ", len(got), len(want))
	}

	stored = m.appends()
	m.ends(0, "run", "--target", "test")
	if n := m.appends() - stored; n > 0 {
		t.Errorf("the original, which is out of date, stored %d messages a second time", n)
	}
	equal(t, "the original run again", content, m.content())
	m.ends(0, "verify", "--target", "test")
	if want, got := calm.rows(), m.rows(); !slices.Equal(want, got) {
		t.Errorf("the original's ledger has %d rows, that of an undisturbed run %d; or they differ", len(got), len(want))
	}
}
