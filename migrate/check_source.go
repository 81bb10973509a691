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
// lock an administrator or a network out.
const (
	hostFailures  = 3
	loginFailures = 20
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
	mu      sync.Mutex
	good    int
	failed  []failedLogin
	hosts   int // of failed
	untried []sourceLogin
}

func (r *reach) hopeless() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.good == 0 && (r.hosts >= hostFailures || len(r.failed)-r.hosts >= loginFailures)
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
		return
	}
	f := failedLogin{sourceLogin: l, err: err, host: hostTrouble(err)}
	if f.host {
		r.hosts++
	}
	r.failed = append(r.failed, f)
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
	var r reach
	var g errgroup.Group
	g.SetLimit(cmp.Or(s.Connections, 10))
	for _, l := range logins {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if r.leave(l) {
				return nil
			}
			src, err := dialSource(ctx, s, l.login, c.Logger)
			if err == nil {
				src.Close() // best effort: it was only to be opened
			}
			r.note(l, err)
			return nil // one login's failure never stops the others
		})
	}
	g.Wait()
	if ctx.Err() == nil {
		c.judgeSource(s, &r)
	}
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
		severity, text, mend, note := explainLogin(f, r.good > 0)
		c.loginFinding(severity, where+": "+text, mend, f.sourceLogin, note)
	}
	for _, l := range r.untried {
		c.loginFinding(Skipped, where+": not tried, since none of the logins before had succeeded", "", l, "")
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
func explainLogin(f failedLogin, others bool) (s Severity, text, mend, note string) {
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
	case f.host && others:
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
