package endpoint

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind string

// What can go wrong. All but Bye, Silent, Slow, UnknownError and CutDone concern
// APPEND alone.
const (
	// DropStored stores the message and cuts the connection before the tagged OK.
	DropStored FaultKind = "drop-stored"
	// DropLost cuts the connection and stores nothing.
	DropLost FaultKind = "drop-lost"
	// LateCommit receives Count messages without an answer (fewer, if none comes
	// for Wait), cuts the connection, and stores them after Delay, with Gap
	// between one and the next, whether anybody is connected or not.
	LateCommit FaultKind = "late-commit"
	// CutLiteral cuts the connection when Bytes octets of the literal have come.
	CutLiteral FaultKind = "cut-literal"
	// Bye says "* BYE" and Text, and cuts the connection.
	Bye FaultKind = "bye"
	// UnknownError answers "NO unknown error: " and Text, and does nothing but,
	// for APPEND, spend a UID.
	UnknownError FaultKind = "unknown-error"
	// Silent gives no answer and does nothing, as BlueMind when it can't get the
	// lock; commands pipelined behind are lost with it.
	Silent FaultKind = "silent"
	// Slow waits Delay before the command is executed.
	Slow FaultKind = "slow"
	// CutDone executes the command and cuts the connection instead of answering.
	CutDone FaultKind = "cut-done"
	// WrongUID names a UID in APPENDUID that the message doesn't have.
	WrongUID FaultKind = "wrong-uid"
	// WrongSHA1 names another digest in the OK than that of the message.
	WrongSHA1 FaultKind = "wrong-sha1"
	// Altered stores one octet wrongly; the OK has the digest of what is stored.
	Altered FaultKind = "altered"
	// AlteredHidden is Altered, with the digest of what was sent in the OK.
	AlteredHidden FaultKind = "altered-hidden"
	// Lost answers OK as if the message was stored, and spends its UID.
	Lost FaultKind = "lost"
)

var faultKinds = []FaultKind{DropStored, DropLost, LateCommit, CutLiteral, Bye, UnknownError, Silent, Slow, CutDone, WrongUID,
	WrongSHA1, Altered, AlteredHidden, Lost}

// Fault is one thing that goes wrong, for commands that match.
type Fault struct {
	Kind   FaultKind     `json:"kind"`
	Verb   string        `json:"verb,omitempty"`   // of Bye, Silent, Slow, UnknownError and CutDone; "": APPEND; "*": any
	Login  string        `json:"login,omitempty"`  // default address, or login as sent; "": any
	Folder string        `json:"folder,omitempty"` // decoded, as the client names it; "": any
	Skip   int           `json:"skip,omitempty"`   // matching commands that are spared first
	Times  int           `json:"times,omitempty"`  // 0: no end
	Delay  time.Duration `json:"delay,omitempty"`  // of Slow and LateCommit; nanoseconds
	Count  int           `json:"count,omitempty"`  // of LateCommit; 0: 1
	Gap    time.Duration `json:"gap,omitempty"`    // of LateCommit; 0: all at once
	Wait   time.Duration `json:"wait,omitempty"`   // of LateCommit; 0: 250 ms
	Bytes  int64         `json:"bytes,omitempty"`  // of CutLiteral
	Text   string        `json:"text,omitempty"`   // of Bye and UnknownError
}

// Faults are switched while the endpoint runs; the zero value has none. Its
// methods may be called from several goroutines.
type Faults struct {
	armed atomic.Bool // whether list has any: asked for each command

	mu   sync.Mutex
	list []*Fault
}

// Add switches faults on, or none of them if one is of no known kind.
func (f *Faults) Add(faults ...Fault) error {
	for _, x := range faults {
		if !slices.Contains(faultKinds, x.Kind) {
			return fmt.Errorf("unknown kind of fault %q", x.Kind)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range faults {
		x.Verb = strings.ToUpper(x.Verb)
		if x.Verb == "" {
			x.Verb = verbAppend
		}
		x.Count = max(x.Count, 1)
		if x.Wait <= 0 {
			x.Wait = 250 * time.Millisecond
		}
		f.list = append(f.list, &x)
	}
	f.armed.Store(len(f.list) > 0)
	return nil
}

// Clear switches all faults off. What is under way goes on.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	f.armed.Store(false)
}

// Active lists the faults that may still strike, with what is left of Skip and
// Times.
func (f *Faults) Active() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Fault, 0, len(f.list))
	for _, x := range f.list {
		all = append(all, *x)
	}
	return all
}

// occasion is what faults are matched with.
type occasion struct {
	verb, login, email, folder string
}

func (x *Fault) matches(o occasion) bool {
	switch x.Kind {
	case Bye, Silent, Slow, UnknownError, CutDone:
		if x.Verb != "*" && x.Verb != o.verb {
			return false
		}
	default:
		if o.verb != verbAppend {
			return false
		}
	}
	if x.Login != "" && !strings.EqualFold(x.Login, o.login) && !strings.EqualFold(x.Login, o.email) {
		return false
	}
	return x.Folder == "" || x.Folder == o.folder
}

// take uses up the first fault that matches and is of one of these kinds. A
// fault that spares the command for now leaves it to the next one.
func (f *Faults) take(o occasion, kinds ...FaultKind) (Fault, bool) {
	if !f.armed.Load() {
		return Fault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, x := range f.list {
		if !slices.Contains(kinds, x.Kind) || !x.matches(o) {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		if x.Times > 0 {
			if x.Times--; x.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
				f.armed.Store(len(f.list) > 0)
			}
		}
		return *x, true
	}
	return Fault{}, false
}

// alter changes one octet of a message, the last that is a letter or a digit.
func alter(message []byte) []byte {
	out := bytes.Clone(message)
	for i := len(out) - 1; i >= 0; i-- {
		if c := out[i]; c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			out[i] ^= 1
			return out
		}
	}
	if len(out) > 0 {
		out[len(out)-1] ^= 1
	}
	return out
}
