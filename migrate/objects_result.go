package migrate

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"bmsync/migrate/objects"
)

// ObjectsResult is what a run made of everything that the target must hold
// beside mail: domains, entries, groups, rights.
type ObjectsResult struct {
	Counts    []ObjectCount     `json:"counts,omitempty"`
	Conflicts int               `json:"conflicts"`
	Differ    int               `json:"differ,omitempty"`     // of them, those that keep no mail out
	NewDiffer bool              `json:"new_differ,omitempty"` // some of these no run has told of before
	Failed    []ObjectFailure   `json:"failed,omitempty"`     // could not be asked, or not made for want of another
	Notable   []objects.Outcome `json:"notable,omitempty"`    // all but those as wanted; conflicts first
	Omitted   int               `json:"omitted,omitempty"`    // of the notable, such as were created or changed: Events told them
	Fixes     []objects.Fix     `json:"fixes,omitempty"`      // for the administrator of LDAP or AD
	Mailed    int               `json:"mailed,omitempty"`     // grantees to whom BlueMind sends a mail about new rights
	NotSet    []RightNotSet     `json:"not_set,omitempty"`    // rights that the final run left
}

// ObjectCount counts objects of one kind by what became of them.
type ObjectCount struct {
	Kind   objects.Kind   `json:"kind"`
	Action objects.Action `json:"action"`
	Count  int            `json:"count"`
}

// ObjectFailure is an object of which nothing can be said but why. Running
// again is safe.
type ObjectFailure struct {
	Kind   objects.Kind `json:"kind"`
	Name   string       `json:"name"`
	Reason string       `json:"reason"`
	Mend   string       `json:"mend,omitempty"`
	Halt   bool         `json:"halt,omitempty"` // a person must decide; else running again may do
}

// RightNotSet is a right of the plan that the final run left, and why.
type RightNotSet struct {
	Mailbox string   `json:"mailbox"`
	Grantee string   `json:"grantee"`
	Verbs   []string `json:"verbs,omitempty"`
	From    string   `json:"from"`
	Reason  string   `json:"reason"`
	Mend    string   `json:"mend,omitempty"`
	Decide  bool     `json:"decide,omitempty"` // a person must; else running again does it, when the mail is there
}

// halts says whether a person must decide about an object or a right.
func (r *ObjectsResult) halts() bool {
	return slices.ContainsFunc(r.NotSet, func(n RightNotSet) bool { return n.Decide }) ||
		r.Conflicts > r.Differ || r.NewDiffer || slices.ContainsFunc(r.Failed, func(f ObjectFailure) bool { return f.Halt })
}

// differs counts a conflict that was told as one that keeps no mail out.
func (l *objectLog) differs(news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.res.Differ++
	l.res.NewDiffer = l.res.NewDiffer || news
}

func (l *objectLog) mailed(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.res.Mailed = n
}

func (l *objectLog) notSet(r RightNotSet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.res.NotSet = append(l.res.NotSet, r)
}

// unsettled says whether running again may bring it further.
func (r *ObjectsResult) unsettled() bool { return len(r.Failed)+len(r.NotSet) > 0 }

// Count is how many objects of a kind came to an action; of all kinds for "".
func (r *ObjectsResult) Count(kind objects.Kind, action objects.Action) (n int) {
	for _, c := range r.Counts {
		if (kind == "" || c.Kind == kind) && c.Action == action {
			n += c.Count
		}
	}
	return n
}

// maxMade is how many created or changed objects a result names: with 50,000
// users, more would be most of what a run keeps in memory.
const maxMade = 1000

// objectKinds is the order in which objects are made.
var objectKinds = []objects.Kind{objects.KindDomain, objects.KindUser, objects.KindShare, objects.KindGroup,
	objects.KindExternal, objects.KindMember, objects.KindRight, objects.KindSubscription}

// objectLog gathers outcomes. Its methods may be called by several goroutines.
type objectLog struct {
	mu     sync.Mutex
	counts map[ObjectCount]int // Count is 0 in keys
	made   int
	failed map[[2]string]ObjectFailure // by kind and name
	res    ObjectsResult
}

func (l *objectLog) add(o objects.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[ObjectCount]int{}
	}
	l.counts[ObjectCount{Kind: o.Kind, Action: o.Action}]++
	l.res.Fixes = append(l.res.Fixes, o.Fixes...)
	switch o.Action {
	case objects.AsWanted:
		return
	case objects.Conflict, objects.Kept:
		l.res.Conflicts++
	default:
		if l.made++; l.made > maxMade {
			l.res.Omitted++
			return
		}
	}
	l.res.Notable = append(l.res.Notable, o)
}

func (l *objectLog) fail(f ObjectFailure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = map[[2]string]ObjectFailure{}
	}
	l.failed[[2]string{string(f.Kind), f.Name}] = f
}

// mended takes a failure back: another try did it.
func (l *objectLog) mended(kind objects.Kind, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failed, [2]string{string(kind), name})
}

// result is all that was gathered, in an order that doesn't depend on which
// answer came first.
func (l *objectLog) result() ObjectsResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	res := l.res
	res.Counts = nil
	for c, n := range l.counts {
		res.Counts = append(res.Counts, ObjectCount{c.Kind, c.Action, n})
	}
	slices.SortFunc(res.Counts, func(a, b ObjectCount) int {
		return cmp.Or(kindOrder(a.Kind)-kindOrder(b.Kind), cmp.Compare(a.Action, b.Action))
	})
	res.Notable = slices.Clone(res.Notable)
	slices.SortStableFunc(res.Notable, func(a, b objects.Outcome) int {
		return cmp.Or(calm(a.Action)-calm(b.Action), kindOrder(a.Kind)-kindOrder(b.Kind), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
	})
	res.Failed = slices.Collect(maps.Values(l.failed))
	slices.SortFunc(res.Failed, func(a, b ObjectFailure) int {
		return cmp.Or(kindOrder(a.Kind)-kindOrder(b.Kind), cmp.Compare(a.Name, b.Name))
	})
	res.NotSet = slices.Clone(res.NotSet)
	slices.SortStableFunc(res.NotSet, func(a, b RightNotSet) int {
		return cmp.Or(cmp.Compare(a.Mailbox, b.Mailbox), cmp.Compare(a.Grantee, b.Grantee), cmp.Compare(a.From, b.From))
	})
	res.Fixes = slices.Clone(res.Fixes)
	slices.SortFunc(res.Fixes, func(a, b objects.Fix) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), cmp.Compare(a.Problem, b.Problem))
	})
	res.Fixes = slices.Compact(res.Fixes)
	return res
}

func kindOrder(k objects.Kind) int { return slices.Index(objectKinds, k) }

// calm sorts what a person has to look at before the rest.
func calm(a objects.Action) int {
	if a == objects.Conflict || a == objects.Kept {
		return 0
	}
	return 1
}
