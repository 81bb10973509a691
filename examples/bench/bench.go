package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"

	"golang.org/x/sync/errgroup"
)

// bench has a lab, a BlueMind 4 in front of its Cyrus, and a folder of its own.
type bench struct {
	options
	t        *tb
	lab      *labtest.Lab
	dir      string
	domain   string
	sim      *bmsim.Sim
	client   *bmapi.Client
	admin    *bmapi.Session
	uid      string // of the domain
	secret   string
	progress io.Writer
	made     int
}

func newBench(ctx context.Context, o options, progress io.Writer) (b *bench, err error) {
	if o.lab == "" {
		return nil, errors.New("which lab? eval \"$(examples/lab/up)\", or use examples/bench/run")
	}
	os.Setenv("BMSYNC_LAB", o.lab)
	b = &bench{options: o, t: &tb{ctx: ctx}, progress: progress, secret: "bench-Secret.7"}
	if err := b.t.try(func() { b.lab = labtest.Open(b.t); b.domain = b.lab.Domain(b.t) }); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "bmbench"); err != nil {
		return nil, err
	}
	if b.bmsync == "" {
		b.bmsync = filepath.Join(b.dir, "bmsync")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.bmsync, "bmsync/cmd/bmsync").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w: %s", err, out)
		}
	}
	b.sim, err = bmsim.Start(ctx, bmsim.Config{Version: 4, AdminPassword: b.secret, KeyCache: -1, RefusalDelay: -1, MessageSizeLimit: 100 << 20,
		Domains: []bmsim.Domain{{Name: b.domain}},
		Cyrus: &bmsim.CyrusConfig{Addr: b.lab.CyrusIMAP, Admin: b.lab.CyrusAdmin, AdminSecret: "the lab's", AuthSocket: b.lab.CyrusSaslauthd,
			ConfPath: b.lab.CyrusConf, SpoolDir: b.lab.CyrusSpool, MetaDir: b.lab.CyrusMeta, MasterPID: b.lab.CyrusPID}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "ca.pem"), b.sim.CAPEM(), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "secret"), []byte(b.secret), 0o600); err != nil {
		return nil, err
	}
	tls, err := trust(b.sim.CAPEM())
	if err != nil {
		return nil, err
	}
	if b.client, err = bmapi.New(bmapi.Options{BaseURL: b.sim.URL(), TLS: tls, Origin: "bench"}); err != nil {
		return nil, err
	}
	if b.admin, err = b.client.Login(ctx, "admin0@global.virt", b.secret); err != nil {
		return nil, err
	}
	d, err := b.admin.LookupDomain(ctx, b.domain)
	if err != nil {
		return nil, err
	}
	b.uid = d.UID
	return b, nil
}

func (b *bench) close() error {
	err := b.sim.Close()
	b.client.Close()
	if b.keep {
		return err
	}
	if home, _, found := strings.Cut(b.lab.DovecotHome, "%d"); found {
		err = errors.Join(err, os.RemoveAll(filepath.Join(home, b.domain)))
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// fill writes a scenario's source accounts. The first reader makes Dovecot
// build its indexes, which is nobody's fault, so that is done before.
func (b *bench) fill(ctx context.Context, s scenario) error {
	b.say("%s: writing %d messages", s.Name, s.total())
	work := loopWork{Source: b.lab.DovecotIMAP, Folders: s.folders()}
	users := ""
	for i := range s.Accounts {
		a := account{SourceLogin: fmt.Sprintf("%s%d@%s", s.Name, i, b.domain), SourceSecret: fmt.Sprintf("source-%d", i)}
		work.Accounts = append(work.Accounts, a)
		users += a.SourceLogin + ":{PLAIN}" + a.SourceSecret + "\n"
	}
	if err := b.addUsers(ctx, users, work.Accounts[s.Accounts-1]); err != nil {
		return err
	}
	for i, a := range work.Accounts {
		if err := b.t.try(func() {
			for f, folder := range s.folders() {
				b.lab.WriteMaildir(b.t, a.SourceLogin, folder, s.corpus(i, f))
			}
		}); err != nil {
			return err
		}
	}
	text, err := json.Marshal(work)
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.sources(s), text, 0o600); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, a := range work.Accounts {
		g.Go(func() error { return warm(work, a) })
	}
	return g.Wait()
}

// addUsers writes to Dovecot's list of users, and waits until it has read it
// again, which it does once in a second at the most.
func (b *bench) addUsers(ctx context.Context, users string, last account) error {
	f, err := os.OpenFile(b.lab.DovecotUsers, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(users)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for range 10 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		var c *wire
		if c, err = dialLoop(b.lab.DovecotIMAP, last.SourceLogin, last.SourceSecret); err == nil {
			return c.conn.Close()
		}
	}
	return fmt.Errorf("no login as %s: %w", last.SourceLogin, err)
}

func (b *bench) sources(s scenario) string { return filepath.Join(b.dir, s.Name+".sources") }

func warm(w loopWork, a account) error {
	src, err := dialLoop(w.Source, a.SourceLogin, a.SourceSecret)
	if err != nil {
		return err
	}
	defer src.conn.Close()
	for _, folder := range w.Folders {
		if _, err := src.command("EXAMINE " + quote(folder)); err != nil {
			return err
		}
		if err := src.fetch(func(fetched) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// result is what one tool did in one run.
type result struct {
	Took, Second time.Duration
	CPU          time.Duration
	Peak         int64 // octets
	Bytes        int64
}

// measure runs every tool, in turn and in another order each time, into
// mailboxes of its own.
func (b *bench) measure(ctx context.Context, s scenario, rtt time.Duration) (map[string][]result, error) {
	out := map[string][]result{}
	order := strings.Split(b.tools, ",")
	for run := range b.runs {
		for i := range order {
			tool := order[(i+run)%len(order)]
			r, err := b.once(ctx, s, rtt, tool)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tool, err)
			}
			b.say("%s at %s, run %d: %s %.2f s, again %.2f s", s.Name, rtt, run+1, tool, r.Took.Seconds(), r.Second.Seconds())
			out[tool] = append(out[tool], r)
		}
	}
	return out, nil
}

// once makes mailboxes, lets a tool fill them, counts what is there, and takes
// them away.
func (b *bench) once(ctx context.Context, s scenario, rtt time.Duration, tool string) (r result, err error) {
	var w loopWork
	text, err := os.ReadFile(b.sources(s))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return r, err
	}
	b.made++
	uids, err := b.mailboxes(ctx, &w)
	if err != nil {
		return r, err
	}
	w.Parallel = s.Parallel
	var end [2]func()
	if w.Source, end[0], err = newLine(b.lab.DovecotIMAP, rtt); err != nil {
		return r, err
	}
	defer func() { end[0]() }()
	if w.Target, end[1], err = newLine(b.lab.CyrusIMAP, rtt); err != nil {
		return r, err
	}
	defer func() { end[1]() }()
	j := job{bench: b, work: w, dir: filepath.Join(b.dir, fmt.Sprintf("%s-%d", tool, b.made))}
	if err := os.Mkdir(j.dir, 0o700); err != nil {
		return r, err
	}
	switch tool {
	case "limit":
		r, err = j.limit(ctx)
	case "bmsync":
		r, err = j.bmsync(ctx)
	case "mbsync":
		r, err = j.mbsync(ctx)
	default:
		err = fmt.Errorf("there is no tool %q", tool)
	}
	if err != nil {
		return r, err
	}
	n, err := b.count(w)
	if err != nil {
		return r, err
	}
	if n != s.total() {
		return r, fmt.Errorf("%d messages arrived, %d were sent", n, s.total())
	}
	if !b.keep {
		if err := os.RemoveAll(j.dir); err != nil {
			return r, err
		}
	}
	for _, uid := range uids {
		if err := b.admin.DeleteUser(ctx, b.uid, uid); err != nil {
			return r, err
		}
	}
	return r, b.sweep()
}

// sweep frees the space of the domain's mailboxes, all of which are deleted:
// Cyrus keeps their files for a while, and a memory file system fills up.
func (b *bench) sweep() error {
	if b.keep {
		return nil
	}
	parts, err := filepath.Glob(filepath.Join(b.lab.CyrusSpool, "*__"+strings.ReplaceAll(b.domain, ".", "_"), "uuid", "*"))
	for _, part := range parts {
		err = errors.Join(err, os.RemoveAll(part))
	}
	return err
}

// mailboxes makes a target mailbox for each account, with a password.
func (b *bench) mailboxes(ctx context.Context, w *loopWork) (uids []string, err error) {
	for i := range w.Accounts {
		a := &w.Accounts[i]
		login := fmt.Sprintf("u%d-%d", b.made, i)
		a.TargetLogin, a.TargetSecret = login+"@"+b.domain, "Pass-"+login
		uid := bmapi.UserUID(b.uid, a.TargetLogin)
		u := &bmapi.User{Login: login, FamilyNames: login, Password: a.TargetSecret, Emails: []bmapi.Email{{Address: a.TargetLogin, IsDefault: true}}}
		if err := b.admin.CreateUser(ctx, b.uid, uid, u); err != nil {
			return nil, err
		}
		uids = append(uids, uid)
	}
	return uids, nil
}

// count asks Cyrus for what has arrived.
func (b *bench) count(w loopWork) (n int, err error) {
	for _, a := range w.Accounts {
		c, err := dialLoop(b.lab.CyrusIMAP, a.TargetLogin, a.TargetSecret)
		if err != nil {
			return n, err
		}
		for _, folder := range w.Folders {
			c.send("STATUS " + quote(folder) + " (MESSAGES)")
			text, err := c.r.ReadString('\n')
			if err != nil {
				return n, err
			}
			var one int
			if _, err := fmt.Sscanf(between(text, "(", ")"), "MESSAGES %d", &one); err != nil {
				return n, fmt.Errorf("%s: %s", folder, strings.TrimSpace(text))
			}
			n += one
			if _, err := c.r.ReadString('\n'); err != nil {
				return n, err
			}
		}
		c.conn.Close()
	}
	return n, nil
}

// median of some figures.
func median[T ~int64 | ~float64](of []T) T {
	slices.Sort(of)
	return of[len(of)/2]
}
