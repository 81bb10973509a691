package migrate_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/migrate"
	"bmsync/state"
)

func (b *books) report(o migrate.ReportOptions) (*migrate.Report, []*migrate.Certificate) {
	b.t.Helper()
	o.Target, o.StateDir = b.target, b.dir
	r, err := migrate.OpenReport(b.t.Context(), o)
	b.must(err)
	b.t.Cleanup(func() { r.Close() })
	var list []*migrate.Certificate
	for c, err := range r.Certificates(b.t.Context()) {
		b.must(err)
		list = append(list, c)
	}
	return r, list
}

// TestCertificateAccountsForEveryMessage has a message of each kind in one
// folder, and a look at what the certificate says of each.
func TestCertificateAccountsForEveryMessage(t *testing.T) {
	b := newBooks(t, t.TempDir(), "test", true)
	a, f := b.account("ada", migrate.AccountComplete, "", "")
	m := make([]state.Message, 9)
	for i := range m {
		m[i] = row(uint32(i + 1))
	}
	m[1].State = state.Present
	m[2].State, m[2].Reason = state.Excluded, imap.RuleDeleted
	m[3].State, m[3].By, m[3].Reason, m[3].DstUID = state.Refused, "target", "[TOOBIG] no", 0
	m[3].Note = "INTERNALDATE 2106-02-06T06:28:16Z taken for 1969-12-31T00:00:00Z, which 32 bits can't hold" // it didn't arrive
	m[0].Note = m[3].Note
	m[4].State = state.Vanished
	m[5].DstGone = true
	m[6].Note = "the target dates it 2020-01-01T00:00:00Z, as it does an identical message; flags not kept: $x"
	m[7].Note = "the source gives no usable date; taken from Received; flags not kept: a b"
	m[8].Note = imap.MungedNote + " 00"
	b.must(b.Record(t.Context(), f.ID, m))
	f.SrcExists = 8
	b.must(b.UpdateFolder(t.Context(), f))
	_, err := b.EnsureFolder(t.Context(), state.Folder{Account: a.ID, Source: "Spam", Rule: migrate.RuleJunk, SrcExists: 4, Complete: true})
	b.must(err)
	_, err = b.EnsureFolder(t.Context(), state.Folder{Account: a.ID, Source: "tree", Rule: migrate.RuleNoSelect, Complete: true})
	b.must(err)

	_, list := b.report(migrate.ReportOptions{})
	if len(list) != 1 || len(list[0].Folders) != 1 {
		t.Fatalf("certificates %+v", list)
	}
	c := list[0]
	if got := c.Folders[0]; got.SourceSays != 8 || got.OnSource != 8 || !got.Balanced || got.Excluded[imap.RuleDeleted] != 1 {
		t.Errorf("folder %+v", got)
	}
	want := map[string]int64{"copied": 5, "present": 1, "excluded": 1, "refused": 1, "vanished": 1, "pending": 0}
	for _, n := range c.Messages {
		if n.Messages != want[n.State] {
			t.Errorf("%d %s, want %d", n.Messages, n.State, want[n.State])
		}
	}
	notes := map[string]int64{migrate.NoteDateOfIdentical: 1, migrate.NoteKeywordsLost: 2, migrate.NoteDateMissing: 1, migrate.NoteHeaderMunged: 1, migrate.NoteDateWrapped: 1}
	if !maps.Equal(c.Notes, notes) || c.Gone != 1 {
		t.Errorf("notes %v, gone %d", c.Notes, c.Gone)
	}
	if !slices.Equal(c.Excluded, []migrate.ExcludedFolder{{Source: "Spam", Rule: "junk", Messages: 4}, {Source: "tree", Rule: "noselect", Messages: -1}}) {
		t.Errorf("excluded %+v", c.Excluded)
	}
	var refusals []migrate.Refusal
	for r, err := range c.Refusals(t.Context()) {
		b.must(err)
		refusals = append(refusals, r)
	}
	if len(refusals) != 1 || c.Refused() != 1 || refusals[0].SrcUID != 4 || refusals[0].Words != "[TOOBIG] no" || refusals[0].By != "target" || refusals[0].Folder != "INBOX" {
		t.Errorf("refusals %+v", refusals)
	}
	h := sha256.New()
	for _, i := range []int{0, 1, 6, 7, 8} { // on the target now; their hashes are in order
		h.Write(m[i].SHA256[:])
	}
	if c.RootHash != hex.EncodeToString(h.Sum(nil)) || c.Hashed != 5 {
		t.Errorf("root hash %s over %d", c.RootHash, c.Hashed)
	}
}

// TestCertificateTellsAFolderThatDoesNotBalance holds that no folder is called
// balanced that isn't.
func TestCertificateTellsAFolderThatDoesNotBalance(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*state.Folder, *state.Message)
		want   bool
	}{
		"as the source says":           {func(*state.Folder, *state.Message) {}, true},
		"one more than the source":     {func(f *state.Folder, _ *state.Message) { f.SrcExists = 0 }, true},
		"one less than the source":     {func(f *state.Folder, _ *state.Message) { f.SrcExists = 2 }, false},
		"pending":                      {func(_ *state.Folder, m *state.Message) { m.State = state.Pending }, false},
		"gone from the source":         {func(_ *state.Folder, m *state.Message) { m.State = state.Vanished }, false},
		"not gone through":             {func(f *state.Folder, _ *state.Message) { f.Complete = false }, false},
		"at fault":                     {func(f *state.Folder, _ *state.Message) { f.Fault = "lists too few" }, false},
		"under the folder's old UIDs":  {func(_ *state.Folder, m *state.Message) { m.SrcUIDValidity = 1 }, false},
		"excluded after it was copied": {func(f *state.Folder, _ *state.Message) { f.Rule, f.SrcExists = "policy", 9 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t, t.TempDir(), "test", true)
			_, f := b.account("ada", migrate.AccountComplete, "", "")
			f.SrcExists = 1
			m := row(1)
			tc.change(&f, &m)
			b.must(b.Record(t.Context(), f.ID, []state.Message{m}))
			b.must(b.UpdateFolder(t.Context(), f))
			_, list := b.report(migrate.ReportOptions{})
			if got := list[0].Folders[0].Balanced; got != tc.want {
				t.Errorf("balanced: %v, want %v: %+v", got, tc.want, list[0].Folders[0])
			}
		})
	}
}

func TestReportHeader(t *testing.T) {
	dir := t.TempDir()
	test := newBooks(t, dir, "test", true)
	a, _ := test.account("ada", migrate.AccountComplete, "", "")
	test.must(test.RecordVerification(t.Context(), state.Verification{Account: a.ID, PolicyDigest: digestNow, OK: true, At: time.Now()}))
	live := newBooks(t, dir, "live", false)
	for _, run := range []state.Run{{Name: "r1", PolicyDigest: "old", WithoutRehearsal: "no time"}, {Name: "r2", PolicyDigest: digestNow}, {Name: "r3"}} {
		run.Started = time.Unix(1_800_000_000, 0)
		_, err := live.BeginRun(t.Context(), run)
		live.must(err)
	}
	live.account("ada", migrate.AccountComplete, "", "")
	live.account("bea", migrate.AccountPartial, "", "")
	r, _ := live.report(migrate.ReportOptions{Insecure: []string{"b.example", "a.example", "b.example"}})
	h := r.Header
	if h.Rehearsed == nil || h.Rehearsed.Accounts != 1 || h.Total != 2 || h.PolicyDigest != digestNow {
		t.Errorf("rehearsed %+v of %d, policy %s", h.Rehearsed, h.Total, h.PolicyDigest)
	}
	if len(h.Unrehearsed) != 1 || h.Unrehearsed[0].Run != "r1" || h.Unrehearsed[0].Reason != "no time" {
		t.Errorf("without rehearsal %+v", h.Unrehearsed)
	}
	if !slices.Equal(h.Insecure, []string{"a.example", "b.example"}) || h.AtWork != "r3" || len(h.NeverMigrated) != 4 {
		t.Errorf("header %+v", h)
	}
}

func TestReportOfSomeAccounts(t *testing.T) {
	b := newBooks(t, t.TempDir(), "test", true)
	for _, name := range []string{"ada", "bea", "cleo"} {
		b.account(name, migrate.AccountComplete, "", "")
	}
	b.target.DomainMap = map[string]string{"plan.example": "example.org"}
	_, list := b.report(migrate.ReportOptions{Only: []string{"cleo@plan.example", "Ada@example.org", "ada@example.org"}})
	var got []string
	for _, c := range list {
		got = append(got, c.Address)
	}
	if !slices.Equal(got, []string{"cleo@example.org", "ada@example.org"}) {
		t.Errorf("got %v", got)
	}
	var input *migrate.InputError
	_, err := migrate.OpenReport(t.Context(), migrate.ReportOptions{Target: b.target, StateDir: b.dir, Only: []string{"dora@example.org"}})
	if !errors.As(err, &input) {
		t.Errorf("an account that nobody knows: %v", err)
	}
}
