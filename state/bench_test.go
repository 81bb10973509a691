package state

import (
	"context"
	"fmt"
	"os"
	"testing"
)

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
