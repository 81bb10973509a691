package imap

import (
	"crypto/sha1"
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// TestContentsAreCompact: what a target with a million messages holds fits in
// memory, and each is found.
func TestContentsAreCompact(t *testing.T) {
	const n = 1_000_000
	sum := func(i int) [20]byte { return sha1.Sum(binary.BigEndian.AppendUint32(nil, uint32(i))) }
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := &contents{}
	for i := range n {
		c.add(Message{UID: uint32(i + 1), Size: int64(i % 9000), InternalDate: time.Unix(int64(i), 0), SHA1: sum(i), Flags: []string{`\Seen`, "$x"}[:i%3]})
	}
	c.sort()
	if used := int64(heap()) - int64(before); used > 80<<20 {
		t.Errorf("%d MB for %d messages", used>>20, n)
	} else {
		t.Logf("%d MB for %d messages", used>>20, n)
	}
	for i := 0; i < n; i += 99_991 {
		m := c.assign([]wanted{{sha1: sum(i), date: time.Unix(int64(i), 0)}}, nil)[0]
		if m.UID != uint32(i+1) || len(m.Flags) != i%3 {
			t.Errorf("message %d is found as %+v", i, m)
		}
	}
}
