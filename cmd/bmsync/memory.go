package main

import (
	"runtime/debug"

	"bmsync/migrate"
)

// What a process needs beside the messages that it holds: the state's caches and
// room for the collector, and the sessions of each account.
const (
	besideMessages = 64 << 20
	besideAccount  = 512 << 10
)

// boundMemory has Go collect garbage before the process outgrows policy.limits.memory
// by much. By itself Go lets the heap grow to twice of what is in use, and messages
// that were written are garbage: with 256 MiB of them under way it came to 540 MiB.
// Whoever sets GOMEMLIMIT knows better. Call undo at the end.
func (a *app) boundMemory(l migrate.Limits) (undo func()) {
	if _, set := a.env("GOMEMLIMIT"); set {
		return func() {}
	}
	before := debug.SetMemoryLimit(l.Memory + besideMessages + int64(l.Accounts)*besideAccount)
	return func() { debug.SetMemoryLimit(before) }
}
