package migrate_test

import (
	"fmt"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestC25BigMessages copies fifty accounts at once, each with a message that is
// too large for memory among others that are not: whatever they hold together,
// only so much of it is in memory as the limit says.
func TestC25BigMessages(t *testing.T) {
	const accounts, messages, limit = 50, 9, 2 << 20
	var users []string
	for i := range accounts {
		users = append(users, fmt.Sprintf("u%d", i))
	}
	w := newWorld(t, bmsim.Config{Dir: t.TempDir()}, users...)
	source := imaptest.NewSynthetic(imaptest.SyntheticOptions{
		Messages: func(string, string) uint32 { return messages },
		Size: func(_, _ string, uid uint32) int64 {
			if uid == 5 {
				return 2_500_000
			}
			return 150_000
		}})
	addr, wait, err := source.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wait) // the test's context has ended by then
	old := w.opts.Sources["old"]
	old.Server, old.Connections = imap.Server{Addr: addr, Security: imap.Plaintext}, 2*accounts
	w.opts.Sources["old"], w.opts.Target.Connections = old, 2*accounts
	w.opts.Limits = migrate.Limits{Accounts: accounts, Memory: limit, BatchMessages: 64, BatchBytes: 512 << 10, Settle: w.opts.Limits.Settle, Retries: 3}
	w.plan()
	res := w.complete()
	if res.Copied != accounts*messages || len(w.sim.Journal().Appends()) != accounts*messages {
		t.Errorf("%d messages were copied, and %d arrived", res.Copied, len(w.sim.Journal().Appends()))
	}
	if res.MemoryMost > limit || res.MemoryMost < limit/2 {
		t.Errorf("%d octets of messages were in memory together; the limit is %d", res.MemoryMost, limit)
	}
}
