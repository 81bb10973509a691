package migrate

import (
	"slices"
	"testing"
	"time"
)

// TestLine: the biggest first, and two of one user beside each other only
// where nobody else waits.
func TestLine(t *testing.T) {
	list := []waiting{{1, 10, "ada"}, {2, 50, "writer"}, {3, 40, "writer"}, {4, 30, "writer"}, {5, 20, "bruno"}, {6, 5, "writer"}}
	l := newLine(list)
	var began []int64
	var under []waiting
	begin := func() {
		w := l.take()
		began, under = append(began, w.offset), append(under, w)
	}
	end := func(i int) {
		l.done(under[i])
		under = slices.Delete(under, i, i+1)
	}
	begin()
	begin()
	begin()
	if want := []int64{2, 5, 1}; !slices.Equal(began, want) {
		t.Fatalf("began with %v, want %v", began, want)
	}
	end(1) // bruno's: only the writer's are left
	begin()
	end(0) // the writer's first; one of his is under way still
	begin()
	end(2)
	end(1)
	begin()
	if want := []int64{2, 5, 1, 3, 4, 6}; !slices.Equal(began, want) {
		t.Errorf("began %v, want %v", began, want)
	}
	for range under {
		end(0)
	}
	if len(l.working) > 0 || len(l.waiting) > 0 {
		t.Errorf("left: %v, %v", l.working, l.waiting)
	}
}

// TestLineFast: fifty thousand accounts and a writer of thousands of shares.
func TestLineFast(t *testing.T) {
	var list []waiting
	for i := range 50_000 {
		user := "writer"
		if i%10 > 0 {
			user = string(rune(i))
		}
		list = append(list, waiting{int64(i), int64(i), user})
	}
	began := time.Now()
	l := newLine(list)
	under := []waiting{l.take(), l.take(), l.take()}
	for len(l.waiting) > 0 {
		l.done(under[0])
		under = append(under[1:], l.take())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}
