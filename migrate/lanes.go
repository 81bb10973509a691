package migrate

import (
	"context"

	"bmsync/imap"
)

// lanes bound how many accounts are under way: so many are copied at a time, and
// each that is nearly done lets the next one be made ready meanwhile, its key and
// sessions opened. Small accounts are mostly that: without it a third of a run's
// time would go by between them.
type lanes struct {
	begun   chan struct{} // accounts that aren't nearly done
	copying chan struct{} // accounts that are being copied
}

// aheadLimit is how many accounts may be under way beside those that are copied:
// each has a key alive, and sessions that idle.
const aheadLimit = 8

// nearlyDone is how many messages are left to an account that is nearly done.
const nearlyDone = 200

func newLanes(accounts int) *lanes {
	return &lanes{make(chan struct{}, accounts), make(chan struct{}, accounts)}
}

// limit is how many accounts are under way at the most.
func (l *lanes) limit() int { return cap(l.copying) + min(cap(l.copying), aheadLimit) }

// begin waits until one more account may be begun. It gives false where the run
// ends before.
func (l *lanes) begin(ctx context.Context, stop <-chan struct{}) bool {
	select {
	case l.begun <- struct{}{}:
		return true
	case <-stop:
	case <-ctx.Done():
	}
	return false
}

// nearly says that an account which was begun is nearly done, or has ended.
func (l *lanes) nearly() { <-l.begun }

// enter waits until one more account may be copied.
func (l *lanes) enter(ctx context.Context, stop <-chan struct{}) (leave func(), err error) {
	select {
	case l.copying <- struct{}{}:
		return func() { <-l.copying }, nil
	case <-stop:
		return nil, imap.ErrStopped
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// left is about how many messages some folders still have to give, by what the
// plan saw there. A folder that is complete costs a look.
func left(jobs []folderJob, survey map[string]int64) (n int64) {
	for _, job := range jobs {
		if job.Rule == "" && !(job.row.Complete && job.row.Fault == "") {
			n += survey[job.Source]
		}
	}
	return n
}

// expected is how many messages each source folder of an account held when the
// plan was made.
func expected(a *PlanAccount) map[string]int64 {
	out := map[string]int64{}
	for _, f := range a.Folders {
		out[f.Source] += f.Survey.Messages
	}
	return out
}
