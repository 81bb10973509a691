package main

import (
	"math"
	"runtime/debug"
	"testing"

	"bmsync/migrate"
)

func TestBoundMemory(t *testing.T) {
	unlimited := debug.SetMemoryLimit(-1)
	if unlimited != math.MaxInt64 {
		t.Skip("GOMEMLIMIT is set for the test itself")
	}
	for name, test := range map[string]struct {
		env  map[string]string
		want int64
	}{
		"by policy.limits.memory": {nil, 345 << 20},
		"by GOMEMLIMIT":           {map[string]string{"GOMEMLIMIT": "1GiB"}, unlimited}, // it is Go's to read
	} {
		a := &app{env: func(key string) (string, bool) { v, ok := test.env[key]; return v, ok }}
		undo := a.boundMemory(migrate.Limits{Memory: 256 << 20, Accounts: 50})
		if got := debug.SetMemoryLimit(-1); got != test.want {
			t.Errorf("%s: the limit is %d, not %d", name, got, test.want)
		}
		undo()
		if got := debug.SetMemoryLimit(-1); got != unlimited {
			t.Errorf("%s: the limit stays %d", name, got)
		}
	}
}
