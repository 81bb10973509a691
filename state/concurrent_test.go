package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
)

// TestManyAccountsAtOnce lets accounts write, and read while their own
// iterators are open, beside somebody who looks at everything.
func TestManyAccountsAtOnce(t *testing.T) {
	const accounts, batches, size = 24, 6, 10
	ctx := context.Background()
	s := openTest(t)
	var working, looking sync.WaitGroup
	done := make(chan struct{})
	looking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			_, errTotals := s.Totals(ctx)
			_, errOpen := s.OpenIntents(ctx)
			if err := errors.Join(errTotals, errOpen); err != nil {
				t.Error(err)
			}
		}
	})
	for n := range accounts {
		working.Go(func() {
			if err := copyAccount(ctx, s, fmt.Sprintf("u%d@x.test", n), batches, size); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	close(done)
	looking.Wait()
	must(t, s.Check(ctx))
	totals, err := s.Totals(ctx)
	if err != nil || totals.Messages[Copied].Messages != accounts*batches*size || totals.Intents != 0 || totals.Accounts["complete"] != accounts {
		t.Errorf("totals %+v, %v", totals, err)
	}
}

// copyAccount is the order of calls of one account.
func copyAccount(ctx context.Context, s *Store, address string, batches, size int) error {
	a, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: address, Address: address, Kind: "user"})
	if err != nil {
		return err
	}
	f, err := s.EnsureFolder(ctx, Folder{Account: a.ID, Source: "INBOX", SrcUIDValidity: 1_700_000_000})
	if err != nil {
		return err
	}
	for b := range batches {
		intents, messages := batchOf(uint32(b*size+1), size)
		if err := s.Begin(ctx, f.ID, intents); err != nil {
			return err
		}
		if err := s.Record(ctx, f.ID, messages); err != nil {
			return err
		}
		f.SrcExists += uint32(size)
		if err := s.UpdateFolder(ctx, f); err != nil {
			return err
		}
		rows := 0
		for m, err := range s.Messages(ctx, f.ID, 0) {
			if err != nil {
				return err
			}
			if rows++; rows%7 == 0 {
				change := FlagChange{SrcUIDValidity: m.SrcUIDValidity, SrcUID: m.SrcUID, Flags: []string{"Work"}}
				if err := s.UpdateFlags(ctx, f.ID, []FlagChange{change}); err != nil {
					return err
				}
				if _, err := s.Folders(ctx, a.ID); err != nil {
					return err
				}
			}
		}
		if rows != (b+1)*size {
			return fmt.Errorf("%s: %d rows after %d batches", address, rows, b+1)
		}
	}
	a.State = "complete"
	return s.UpdateAccount(ctx, a)
}
