package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"

	"golang.org/x/sync/errgroup"
)

// labWorld is the lab and a BlueMind 4 in front of its Cyrus.
type labWorld struct {
	t       *tb
	lab     *labtest.Lab
	domain  string
	sim     *bmsim.Sim
	client  *bmapi.Client
	admin   *bmapi.Session
	uid     string // of the domain
	ca      string
	sources map[string]loopWork // by scenario: what its source has
}

// openLab uses the lab that runs.
func (b *bench) openLab(ctx context.Context) (w *labWorld, err error) {
	if b.labFile == "" {
		return nil, errors.New("which lab? eval \"$(examples/lab/up)\", or use examples/bench/run")
	}
	os.Setenv("BMSYNC_LAB", b.labFile)
	w = &labWorld{t: &tb{ctx: ctx}, sources: map[string]loopWork{}, ca: filepath.Join(b.dir, "lab-ca.pem")}
	if err := w.t.try(func() { w.lab = labtest.Open(w.t); w.domain = w.lab.Domain(w.t) }); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(b.keep))
		}
	}()
	w.sim, err = bmsim.Start(context.WithoutCancel(ctx), bmsim.Config{Version: 4, AdminPassword: adminSecret, KeyCache: -1, RefusalDelay: -1, MessageSizeLimit: 100 << 20,
		Domains: []bmsim.Domain{{Name: w.domain}},
		Cyrus: &bmsim.CyrusConfig{Addr: w.lab.CyrusIMAP, Admin: w.lab.CyrusAdmin, AdminSecret: "the lab's", AuthSocket: w.lab.CyrusSaslauthd,
			ConfPath: w.lab.CyrusConf, SpoolDir: w.lab.CyrusSpool, MetaDir: w.lab.CyrusMeta, MasterPID: w.lab.CyrusPID}})
	if err != nil {
		return w, err
	}
	if err := os.WriteFile(w.ca, w.sim.CAPEM(), 0o600); err != nil {
		return w, err
	}
	tls, err := trust(w.sim.CAPEM())
	if err != nil {
		return w, err
	}
	if w.client, err = bmapi.New(bmapi.Options{BaseURL: w.sim.URL(), TLS: tls, Origin: "bench"}); err != nil {
		return w, err
	}
	if w.admin, err = w.client.Login(ctx, "admin0@global.virt", adminSecret); err != nil {
		return w, err
	}
	d, err := w.admin.LookupDomain(ctx, w.domain)
	if err != nil {
		return w, err
	}
	w.uid = d.UID
	return w, w.settled(ctx)
}

func (w *labWorld) close(keep bool) (err error) {
	if w.sim != nil {
		err = w.sim.Close()
	}
	if w.client != nil {
		w.client.Close()
	}
	if keep {
		return err
	}
	if home, _, found := strings.Cut(w.lab.DovecotHome, "%d"); found {
		err = errors.Join(err, os.RemoveAll(filepath.Join(home, w.domain)))
	}
	return errors.Join(err, w.sweep())
}

// settled waits until all of Cyrus' processes know the new partition: one that
// doesn't answers "System I/O error".
func (w *labWorld) settled(ctx context.Context) error {
	const probe, together, inARow = "probe", 16, 3
	a := account{TargetLogin: probe + "@" + w.domain, TargetSecret: "Pass-" + probe}
	uid, err := w.mailbox(ctx, probe, a)
	if err != nil {
		return err
	}
	for good, try := 0, 0; good < inARow; try++ {
		var g errgroup.Group
		for range together {
			g.Go(func() error { return storeOne(w.lab.CyrusIMAP, a) })
		}
		if err = g.Wait(); err == nil {
			good++
			continue
		}
		if good = 0; try > 20 || ctx.Err() != nil {
			return fmt.Errorf("a message for Cyrus: %w", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return w.admin.DeleteUser(ctx, w.uid, uid)
}

// fill writes a scenario's source accounts. The first reader makes Dovecot
// build its indexes, which is nobody's fault, so that is done before.
func (w *labWorld) fill(ctx context.Context, s scenario) error {
	work := loopWork{Source: w.lab.DovecotIMAP, Target: w.lab.CyrusIMAP, Folders: s.folders()}
	users := ""
	for i := range s.Accounts {
		a := account{SourceLogin: fmt.Sprintf("%s%d@%s", s.Name, i, w.domain), SourceSecret: fmt.Sprintf("source-%d", i)}
		work.Accounts = append(work.Accounts, a)
		users += a.SourceLogin + ":{PLAIN}" + a.SourceSecret + "\n"
	}
	if err := w.addUsers(ctx, users, work.Accounts[s.Accounts-1]); err != nil {
		return err
	}
	for i, a := range work.Accounts {
		if err := w.t.try(func() {
			for f, folder := range s.folders() {
				w.lab.WriteMaildir(w.t, a.SourceLogin, folder, s.corpus(i, f))
			}
		}); err != nil {
			return err
		}
	}
	w.sources[s.Name] = work
	var g errgroup.Group
	g.SetLimit(4)
	for _, a := range work.Accounts {
		g.Go(func() error { return warm(work, a) })
	}
	return g.Wait()
}

// addUsers writes to Dovecot's list of users, and waits until it has read it
// again, which it does once in a second at the most.
func (w *labWorld) addUsers(ctx context.Context, users string, last account) error {
	f, err := os.OpenFile(w.lab.DovecotUsers, os.O_WRONLY|os.O_APPEND, 0)
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
		if c, err = dialLoop(w.lab.DovecotIMAP, last.SourceLogin, last.SourceSecret); err == nil {
			return c.conn.Close()
		}
	}
	return fmt.Errorf("no login as %s: %w", last.SourceLogin, err)
}

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

// labPlace makes a target mailbox for each account, with a password.
func (b *bench) labPlace(ctx context.Context, s scenario) (*place, error) {
	if b.lab == nil {
		var err error
		if b.lab, err = b.openLab(ctx); err != nil {
			return nil, err
		}
	}
	w := b.lab
	if _, ok := w.sources[s.Name]; !ok {
		b.say("%s: writing %d messages", s.Name, s.total())
		if err := w.fill(ctx, s); err != nil {
			return nil, err
		}
	}
	b.made++
	p := &place{work: w.sources[s.Name], domain: w.domain, url: w.sim.URL(), ca: w.ca, secret: filepath.Join(b.dir, "secret")}
	p.work.Accounts = slices.Clone(p.work.Accounts)
	var uids []string
	p.end = sync.OnceValue(func() (err error) {
		ctx := context.WithoutCancel(ctx)
		for _, uid := range uids {
			err = errors.Join(err, w.admin.DeleteUser(ctx, w.uid, uid))
		}
		if b.keep {
			return err
		}
		return errors.Join(err, w.sweep(), w.forget())
	})
	for i := range p.work.Accounts {
		a := &p.work.Accounts[i]
		login := fmt.Sprintf("u%d-%d", b.made, i)
		a.TargetLogin, a.TargetSecret = login+"@"+w.domain, "Pass-"+login
		uid, err := w.mailbox(ctx, login, *a)
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
		uids = append(uids, uid)
	}
	return p, nil
}

func (w *labWorld) mailbox(ctx context.Context, login string, a account) (uid string, err error) {
	uid = bmapi.UserUID(w.uid, a.TargetLogin)
	u := &bmapi.User{Login: login, FamilyNames: login, Password: a.TargetSecret, Emails: []bmapi.Email{{Address: a.TargetLogin, IsDefault: true}}}
	return uid, w.admin.CreateUser(ctx, w.uid, uid, u)
}

// sweep frees the space of the domain's mailboxes, all of which are deleted:
// Cyrus keeps their files for a while, and a memory file system fills up.
func (w *labWorld) sweep() error {
	parts, err := filepath.Glob(filepath.Join(w.lab.CyrusSpool, "*__"+strings.ReplaceAll(w.domain, ".", "_"), "uuid", "*"))
	for _, part := range parts {
		err = errors.Join(err, os.RemoveAll(part))
	}
	return err
}

// forget deletes what Cyrus keeps of mailboxes that were deleted. Each LIST goes
// through all of them, so that later runs would be slower than earlier ones.
func (w *labWorld) forget() error {
	c, err := dialLoop(w.lab.CyrusIMAP, w.lab.CyrusAdmin, "the lab's")
	if err != nil {
		return err
	}
	defer c.conn.Close()
	var names []string
	if err := c.collect(`LIST "" "DELETED/*@`+w.domain+`"`, func(text string) {
		_, rest, _ := strings.Cut(text, `"/" `)
		names = append(names, strings.Trim(strings.TrimSpace(rest), `"`))
	}); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := c.command("DELETE " + quote(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
