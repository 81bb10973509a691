package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// countCommits counts the transactions that the writer ends well from now on.
func countCommits(t *testing.T, s *Store) func() int {
	t.Helper()
	var mu sync.Mutex
	n := 0
	conn, err := s.writer.Conn(context.Background())
	must(t, err)
	must(t, conn.Raw(func(c any) error {
		c.(*countedConn).RegisterCommitHook(func() int {
			mu.Lock()
			defer mu.Unlock()
			n++
			return 0
		})
		return nil
	}))
	must(t, conn.Close())
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// waitForWriters waits until so many writes wait for their turn.
func waitForWriters(t *testing.T, s *Store, n int) {
	t.Helper()
	for range 1000 {
		s.joining.Lock()
		have := len(s.joined)
		s.joining.Unlock()
		if have == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d writes don't wait", n)
}

// TestWritesShareTransactions lets writes wait while somebody is at it: they go
// together, but for those that fail or are given up.
func TestWritesShareTransactions(t *testing.T) {
	s := openTest(t)
	var folders []Folder
	for n := range 10 {
		folders = append(folders, folderTest(t, s, fmt.Sprintf("u%d@x.test", n)))
	}
	commits := countCommits(t, s)
	<-s.turn // somebody writes
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("given up")
	results := make([]error, 12)
	var writers sync.WaitGroup
	for i := range results {
		writers.Go(func() {
			switch i {
			case 4: // half of it would be written
				missing := folders[4]
				missing.ID = 4711
				folders[4].Target = "half"
				results[i] = s.UpdateFolders(context.Background(), []Folder{folders[4], missing})
			case 10:
				results[i] = s.Record(ctx, folders[0].ID, []Message{sample(2)})
			case 11:
				results[i] = s.Record(context.Background(), 4711, []Message{sample(1)})
			default:
				results[i] = s.Record(context.Background(), folders[i].ID, []Message{sample(1)})
			}
		})
	}
	waitForWriters(t, s, len(results))
	cancel(why)
	waitForWriters(t, s, len(results)-1)
	s.turn <- struct{}{}
	writers.Wait()
	for i, err := range results {
		want := map[int]error{4: ErrNotFound, 10: why, 11: ErrNotFound}[i]
		if !errors.Is(err, want) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if n := commits(); n != 1 {
		t.Errorf("%d transactions", n)
	}
	for i, f := range folders {
		want := 1
		if i == 4 {
			want = 0
		}
		if got := all(t, s, f.ID); len(got) != want {
			t.Errorf("folder %d has %d messages", i, len(got))
		}
	}
	got, err := s.Folders(context.Background(), folders[4].Account)
	if err != nil || got[0].Target != "INBOX" {
		t.Errorf("a failed write left %+v, %v", got, err)
	}
}

// TestGroupFailsAsAWhole has SQLite end the transaction that several writes
// share: none of them may be taken for written.
func TestGroupFailsAsAWhole(t *testing.T) {
	s := openTest(t)
	a, b := folderTest(t, s, "a@x.test"), folderTest(t, s, "b@x.test")
	var pages int
	must(t, s.writer.QueryRow("PRAGMA page_count").Scan(&pages))
	_, err := s.writer.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+1))
	must(t, err)
	<-s.turn
	_, many := batchOf(1, 5000)
	var small, large error
	var writers sync.WaitGroup
	writers.Go(func() { small = s.Record(context.Background(), a.ID, []Message{sample(1)}) })
	waitForWriters(t, s, 1)
	writers.Go(func() { large = s.Record(context.Background(), b.ID, many) })
	waitForWriters(t, s, 2)
	s.turn <- struct{}{}
	writers.Wait()
	if !errors.Is(large, ErrDiskFull) {
		t.Errorf("the large one: %v", large)
	}
	want := 1
	if small != nil {
		want = 0
	}
	if n := len(all(t, s, a.ID)); n != want {
		t.Errorf("the small one gave %v, and %d messages are there", small, n)
	}
	if n := len(all(t, s, b.ID)); n != 0 {
		t.Errorf("%d messages of the large one", n)
	}
	_, err = s.writer.Exec("PRAGMA max_page_count = 1000000")
	must(t, err)
	must(t, s.Record(context.Background(), b.ID, many))
	must(t, s.Check(context.Background()))
}

func TestFoldersAreEnsuredTogether(t *testing.T) {
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	commits := countCommits(t, s)
	list := []Folder{{Account: f.Account, Source: "Sent", Target: "Sent"}, {Account: f.Account, Source: "INBOX", Target: "elsewhere"},
		{Account: f.Account, Source: "Archive", Part: "2019", Target: "Archive/2019"}}
	got, err := s.EnsureFolders(context.Background(), list)
	must(t, err)
	if got[1].ID != f.ID || got[1].Target != "INBOX" || got[0].ID == 0 || got[2].Part != "2019" {
		t.Errorf("got %+v", got)
	}
	got[0].Fault, got[2].Complete = "why", true
	must(t, s.UpdateFolders(context.Background(), []Folder{got[0], got[2]}))
	if n := commits(); n != 2 {
		t.Errorf("%d transactions", n)
	}
	after, err := s.Folders(context.Background(), f.Account)
	must(t, err)
	if !after[0].Complete || after[2].Fault != "why" {
		t.Errorf("after the update: %+v", after)
	}
}
