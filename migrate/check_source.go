package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"bmsync/imap"
)

// Where none of a source's logins has succeeded, so many failures are enough:
// of a host, because the rest would fail alike, and of logins, because servers
// lock a network out, or the one whose secret opens all mailboxes.
const (
	hostFailures   = 3
	loginFailures  = 20
	sharedFailures = 3
)

// sourceLogin is one login at a source, and the rows it stands in.
type sourceLogin struct {
	login string
	rows  []int
}

// failedLogin is a login that could not be made.
type failedLogin struct {
	sourceLogin
	err  error
	host bool // the connection, not the login
}

// reach is what connections to one server have come to.
type reach struct {
	width    int // connections at a time
	refusals int // that are enough where no login has succeeded; 0: loginFailures

	mu      sync.Mutex
	good    int
	failed  []failedLogin
	hosts   int  // of failed
	row     int  // hosts since the server has last said anything
	lost    bool // it answered, and then no more
	untried []sourceLogin
}

// hopeless says that further logins would fail, too, or do harm: none has
// succeeded, or as many as are tried together have met a server that answers
// no more. Behind a firewall that swallows everything, each would take minutes.
func (r *reach) hopeless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost || r.good == 0 && (r.hosts >= hostFailures || len(r.failed)-r.hosts >= cmp.Or(r.refusals, loginFailures))
}

// entered says whether any login has succeeded.
func (r *reach) entered() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.good > 0
}

// leave leaves a login untried where it is hopeless.
func (r *reach) leave(l sourceLogin) bool {
	if !r.hopeless() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.untried = append(r.untried, l)
	return true
}

func (r *reach) note(l sourceLogin, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.good++
		r.row = 0
		return
	}
	f := failedLogin{sourceLogin: l, err: err, host: hostTrouble(err)}
	r.failed = append(r.failed, f)
	switch _, unasked := errors.AsType[*SecretError](err); {
	case f.host:
		r.hosts++
		r.row++
		r.lost = r.lost || r.good > 0 && r.row >= max(r.width, hostFailures)
	case !unasked:
		r.row = 0
	}
}

// hostTrouble says whether the server, rather than the login, was the trouble.
func hostTrouble(err error) bool {
	e, ok := errors.AsType[*imap.Error](err)
	return ok && (e.Kind != imap.KindNo && e.Kind != imap.KindBad || capacityCodes[e.Code])
}

// lookAtSources logs in to every account of every source, sources side by
// side, and out again.
func (c *checkup) lookAtSources(ctx context.Context) {
	var names []string
	logins := map[string][]sourceLogin{}
	at := map[[2]string]int{}
	for i, row := range c.Rows {
		key := [2]string{row.Source, row.Login}
		n, seen := at[key]
		if !seen {
			if len(logins[row.Source]) == 0 {
				names = append(names, row.Source)
			}
			n = len(logins[row.Source])
			at[key] = n
			logins[row.Source] = append(logins[row.Source], sourceLogin{login: row.Login})
		}
		logins[row.Source][n].rows = append(logins[row.Source][n].rows, i)
	}
	var g errgroup.Group
	for _, name := range names {
		g.Go(func() error {
			c.lookAtSource(ctx, name, logins[name])
			return nil // what it meets are findings
		})
	}
	g.Wait()
}

func (c *checkup) lookAtSource(ctx context.Context, name string, logins []sourceLogin) {
	s, ok := c.Sources[name]
	if !ok {
		for _, l := range logins {
			c.loginFinding(Blocker, fmt.Sprintf("source %q is not configured", name), "name it under sources: in bmsync.yaml", l, "")
		}
		return
	}
	r := reach{width: cmp.Or(s.Connections, 10)}
	if s.Shared {
		r.refusals = sharedFailures
		if logins = spread(logins); ctx.Err() == nil {
			logins = c.enterOne(ctx, s, &r, logins)
		}
	}
	var g errgroup.Group
	g.SetLimit(r.width)
	for _, l := range logins {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			c.tryLogin(ctx, s, &r, l)
			return nil // one login's failure never stops the others
		})
	}
	g.Wait()
	if ctx.Err() == nil {
		c.judgeSource(s, &r)
	}
}

// enterOne tries one login after the other until the first succeeds, and gives
// those that remain: a secret that opens all mailboxes and is wrong is not
// tried by many together.
func (c *checkup) enterOne(ctx context.Context, s Source, r *reach, logins []sourceLogin) (rest []sourceLogin) {
	for i, l := range logins {
		if r.entered() || ctx.Err() != nil {
			return logins[i:]
		}
		c.tryLogin(ctx, s, r, l)
	}
	return nil
}

// spread puts a login of the middle and the last one behind the first: those
// of three neighbours may be wrong for a reason of their own.
func spread(logins []sourceLogin) []sourceLogin {
	if len(logins) <= sharedFailures {
		return logins
	}
	last, middle := len(logins)-1, len(logins)/2
	out := []sourceLogin{logins[0], logins[middle], logins[last]}
	return append(append(out, logins[1:middle]...), logins[middle+1:last]...)
}

func (c *checkup) tryLogin(ctx context.Context, s Source, r *reach, l sourceLogin) {
	if r.leave(l) {
		return
	}
	src, err := dialSource(ctx, s, l.login, c.Logger)
	if err == nil {
		src.Close() // best effort: it was only to be opened
	}
	r.note(l, err)
}

func (c *checkup) judgeSource(s Source, r *reach) {
	where := fmt.Sprintf("source %s (%s)", s.Name, s.Server.Addr)
	if r.good > 0 {
		c.found.add(checkSource, Ok, fmt.Sprintf("%s: %d logins succeed", where, r.good), "")
	}
	if len(s.Insecure) > 0 {
		c.found.add(checkSource, Warning, where+": its certificate isn't checked (insecure_skip_verify)", "name its authority as ca_file instead")
	}
	for _, f := range r.failed {
		severity, text, mend, note := explainLogin(f, r)
		c.loginFinding(severity, where+": "+text, mend, f.sourceLogin, note)
	}
	why := "none of the logins before had succeeded"
	switch {
	case r.lost:
		why = "the server had stopped answering"
	case s.Shared:
		why += ", and more of them could lock out the login that opens all mailboxes"
	}
	for _, l := range r.untried {
		c.loginFinding(Skipped, where+": not tried, since "+why, "", l, "")
	}
}

func (c *checkup) loginFinding(s Severity, text, mend string, l sourceLogin, note string) {
	for _, row := range l.rows {
		m := member{row: row, address: c.Rows[row].Address, note: l.login}
		if note != "" {
			m.note += ": " + note
		}
		c.found.account(checkSource, s, text, mend, m)
	}
}

// explainLogin says why a login failed. What a server says differs from one
// account to the next, so it is the note.
func explainLogin(f failedLogin, r *reach) (s Severity, text, mend, note string) {
	if secret, ok := errors.AsType[*SecretError](f.err); ok {
		return Blocker, "the secret could not be had", "give the secret as bmsync.yaml or accounts.csv names it", secret.Err.Error()
	}
	v := judge(f.err)
	e, ok := errors.AsType[*imap.Error](f.err)
	if !ok {
		return Blocker, "the login failed", v.mend, v.reason
	}
	switch {
	case e.Kind == imap.KindTLS && untrusted(f.err):
		return Blocker, fmt.Sprintf("its certificate isn't trusted: %v", reason(f.err)), v.mend, ""
	case e.Kind == imap.KindTLS:
		return Blocker, "no protected connection: " + plain(e), "see whether imap and tls of the source are right", ""
	case f.host && r.lost:
		return Blocker, fmt.Sprintf("it stopped answering after %d logins had succeeded: it is down, or has locked this machine out", r.good),
			"see whether it is up, and whether it locks out who gives wrong passwords or connects too often; mend what else is told of it, and lower connections of the source, before bmsync check is run again", plain(e)
	case f.host && r.good > 0:
		return Warning, "the connection failed, while others succeeded", "lower connections of the source, if it limits them; a run tries again by itself", plain(e)
	case f.host:
		return Blocker, plain(e), "see whether the host is right, whether it is reached from here, and whether a firewall lies between", ""
	}
	text = "the login is refused"
	if e.Code != "" {
		text += " [" + e.Code + "]"
	}
	return Blocker, text, v.mend, e.Text
}

// plain is a session's error without the session's name, which the finding
// has said.
func plain(e *imap.Error) string {
	short := *e
	short.Session = ""
	return short.Error()
}
