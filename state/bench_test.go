package state

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sample makes source message uid of a folder; the same uid, the same message.
func sample(uid uint32) Message {
	body := binary.BigEndian.AppendUint32(nil, uid)
	m := Message{
		SrcUIDValidity: 1_700_000_000, SrcUID: uid, DstUIDValidity: 1_750_000_000, DstUID: uid + 7, Size: int64(2000 + uid%30000),
		InternalDate: time.Unix(1_600_000_000+int64(uid)*60, 0).In(time.FixedZone("", 2*3600)),
		SHA1:         sha1.Sum(body), SHA256: sha256.Sum256(body), State: Copied, Wrote: true,
	}
	if uid%4 != 0 {
		m.Flags = []string{`\Seen`}
	}
	if uid%10 == 0 {
		m.Flags = append(m.Flags, "$Forwarded")
	}
	return m
}

func intentOf(m Message) Intent {
	return Intent{SrcUIDValidity: m.SrcUIDValidity, SrcUID: m.SrcUID, DstUIDValidity: m.DstUIDValidity, DstUIDNext: m.DstUID,
		Size: m.Size, InternalDate: m.InternalDate, Flags: m.Flags, SHA1: m.SHA1, SHA256: m.SHA256,
		Begun: time.Unix(1_800_000_000, 0).UTC(), Run: 1}
}

func batchOf(first uint32, n int) ([]Intent, []Message) {
	intents, messages := make([]Intent, n), make([]Message, n)
	for i := range n {
		messages[i] = sample(first + uint32(i))
		intents[i] = intentOf(messages[i])
	}
	return intents, messages
}

var testIdentity = Identity{Target: "test", Installation: "bm-1", Version: 5, Rehearsal: true, URL: "https://bm.test"}

func openTest(t testing.TB) *Store {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "test.db"), testIdentity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// folderTest makes an account and a folder in it.
func folderTest(t testing.TB, s *Store, address string) Folder {
	t.Helper()
	a, err := s.EnsureAccount(context.Background(), Account{Source: "old", SourceLogin: address, Address: address, Kind: "user"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.EnsureFolder(context.Background(), Folder{Account: a.ID, Source: "INBOX", Target: "INBOX", SrcUIDValidity: 1_700_000_000})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func BenchmarkBeginRecord(b *testing.B) {
	for _, size := range []int{25, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openTest(b)
			f := folderTest(b, s, "a@x.test")
			ctx := context.Background()
			var uid uint32
			for b.Loop() {
				intents, messages := batchOf(uid+1, size)
				uid += uint32(size)
				if err := s.Begin(ctx, f.ID, intents); err != nil {
					b.Fatal(err)
				}
				if err := s.Record(ctx, f.ID, messages); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(uid)/b.Elapsed().Seconds(), "rows/s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(s.Path())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/float64(uid), "bytes/row")
		})
	}
}

func BenchmarkLoad20000(b *testing.B) {
	s := openTest(b)
	f := folderTest(b, s, "a@x.test")
	ctx := context.Background()
	_, messages := batchOf(1, 20_000)
	if err := s.Record(ctx, f.ID, messages); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for _, err := range s.Messages(ctx, f.ID, 0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 20_000 {
			b.Fatal(n)
		}
	}
}
