package bmsim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi/bmsim/internal/endpoint"
)

// FaultKind says what goes wrong.
type FaultKind string

// What can go wrong on the REST side.
const (
	Unavailable FaultKind = "unavailable" // HTTP Status, 503 if not set; nothing done
	Failing     FaultKind = "failing"     // HTTP 500 with errorCode Code, SQL_ERROR if not set; nothing done
	Late        FaultKind = "late"        // HTTP 504 after the call was executed
	Slow        FaultKind = "slow"        // Delay before the call is executed
	CutBefore   FaultKind = "cut-before"  // the connection is closed, nothing done
	CutAfter    FaultKind = "cut-after"   // the connection is closed, the call was executed
	Hook        FaultKind = "hook"        // a box is made without its folders; the call says OK
	HookACL     FaultKind = "hook-acl"    // a box is made without the container of its rights; the call says OK
	HookRights  FaultKind = "hook-rights" // version 4: rights that are set don't reach Cyrus; the call says OK
	SlowTask    FaultKind = "slow-task"   // Delay before a task does its work
	FailedTask  FaultKind = "failed-task" // a task ends InError, nothing done
	Sessions    FaultKind = "sessions"    // all sessions have ended when the call comes; keys get new ones
	Restarting  FaultKind = "restart"     // bm-core restarts: HTTP 502, nothing done; see [Sim.Restart]
)

var faultKinds = []FaultKind{
	Unavailable, Failing, Late, Slow, CutBefore, CutAfter, Hook, HookACL, HookRights, SlowTask, FailedTask, Sessions, Restarting,
}

// Fault is one thing that goes wrong, on calls that match.
type Fault struct {
	Kind   FaultKind     `json:"kind"`
	Method string        `json:"method,omitempty"` // "": any
	Path   string        `json:"path,omitempty"`   // part of the path after /api; "": any
	Times  int           `json:"times,omitempty"`  // 0: no end
	For    time.Duration `json:"for,omitempty"`    // nanoseconds since it was set; 0: no end
	Delay  time.Duration `json:"delay,omitempty"`
	Skip   int           `json:"skip,omitempty"`   // matching calls that are spared first
	Status int           `json:"status,omitempty"` // of Unavailable
	Code   string        `json:"code,omitempty"`   // of Failing
}

// IMAPFault is one thing that goes wrong in version 5's IMAP endpoint, at
// commands that match. Its kinds are the constants below.
type IMAPFault = endpoint.Fault

// IMAPFaultKind says what goes wrong there.
type IMAPFaultKind = endpoint.FaultKind

// What can go wrong on the IMAP side. All but Bye, Silent, SlowIMAP,
// UnknownError and CutDone concern APPEND alone.
const (
	DropStored    = endpoint.DropStored    // stored, cut before the tagged OK
	DropLost      = endpoint.DropLost      // cut, nothing stored
	LateCommit    = endpoint.LateCommit    // Count messages received, cut, and stored after Delay
	CutLiteral    = endpoint.CutLiteral    // cut when Bytes octets have come
	Bye           = endpoint.Bye           // "* BYE" and cut
	UnknownError  = endpoint.UnknownError  // "NO unknown error: …"
	Silent        = endpoint.Silent        // no answer, nothing done
	SlowIMAP      = endpoint.Slow          // Delay before the command
	CutDone       = endpoint.CutDone       // done, cut instead of the answer
	WrongUID      = endpoint.WrongUID      // APPENDUID names another UID
	WrongSHA1     = endpoint.WrongSHA1     // the OK names another digest
	Altered       = endpoint.Altered       // one octet stored wrongly
	AlteredHidden = endpoint.AlteredHidden // the same, with the digest of what was sent
	Lost          = endpoint.Lost          // OK, and nothing stored
)

type activeFault struct {
	Fault
	until time.Time
}

// Faults are switched while the simulator runs.
type Faults struct {
	now  func() time.Time
	imap *endpoint.Faults // nil: version 4

	mu    sync.Mutex
	list  []*activeFault
	watch func(Call)
}

// Watch has a function called with each REST call that comes, before anything
// is done about it and from the goroutine that serves it; the call waits for it.
// What came of the call isn't told yet. nil ends it.
func (f *Faults) Watch(watch func(Call)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch = watch
}

func (f *Faults) tell(c Call) {
	f.mu.Lock()
	watch := f.watch
	f.mu.Unlock()
	if watch != nil {
		watch(c)
	}
}

// Add switches faults on.
func (f *Faults) Add(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range faults {
		a := &activeFault{Fault: x}
		if x.For > 0 {
			a.until = f.now().Add(x.For)
		}
		f.list = append(f.list, a)
	}
}

// AddIMAP switches faults of the IMAP endpoint on, or none of them if one can't
// be.
func (f *Faults) AddIMAP(faults ...IMAPFault) error {
	if f.imap == nil {
		return errors.New("only version 5's IMAP endpoint has faults to set")
	}
	return f.imap.Add(faults...)
}

// Clear switches all faults off.
func (f *Faults) Clear() {
	if f.imap != nil {
		f.imap.Clear()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// take uses up one fault of that kind, if one matches.
func (f *Faults) take(kind FaultKind, method, path string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(a *activeFault) bool {
		return !a.until.IsZero() && f.now().After(a.until)
	})
	for i, a := range f.list {
		if a.Kind != kind || a.Method != "" && a.Method != method || !strings.Contains(path, a.Path) {
			continue
		}
		if a.Skip > 0 {
			a.Skip--
			continue
		}
		if a.Times > 0 {
			if a.Times--; a.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return a.Fault, true
	}
	return Fault{}, false
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
