package mail_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

func TestOwnerLock(t *testing.T) {
	s := open(t, "", mail.Options{}, alice)
	if s.Owner(support) != nil {
		t.Error("lock of a box that isn't there")
	}
	first, err := s.Owner(alice).RLock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Owner(alice).RLock(ctx)
	if err != nil {
		t.Fatal("two can't read: ", err)
	}
	first()
	second()
	unlock, err := s.Owner(alice).Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ended, cancel := context.WithCancelCause(ctx)
	cancel(io.ErrClosedPipe)
	if _, err := s.Owner(alice).RLock(ended); err != io.ErrClosedPipe {
		t.Errorf("read while another writes: %v", err)
	}
}

func TestOwnerLockGivesUpAfterTwentySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, "", mail.Options{}, alice)
		o := s.Owner(alice)
		unlock, err := o.RLock(ctx)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = o.Lock(ctx)
		if took := time.Since(start); !errors.Is(err, mail.ErrBusy) || took != 1002*20*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		time.AfterFunc(20*time.Second, unlock)
		unlock, err = o.Lock(ctx)
		if err != nil {
			t.Fatalf("freed after 20 s, and still: %v", err)
		}
		unlock()
	})
}
