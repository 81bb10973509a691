package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
)

// place is what one run copies from and to.
type place struct {
	work   loopWork
	domain string
	url    string // of the target's API
	ca     string // file with its authority
	secret string // file with its administrator's secret
	sim    *bmsim.Sim
	source *imaptest.Synthetic // nil: the lab's
	end    func() error        // takes it away
}

// place makes mailboxes to be filled.
func (b *bench) place(ctx context.Context, s scenario) (*place, error) {
	if s.World == onCore {
		return b.corePlace(ctx, s)
	}
	return b.labPlace(ctx, s)
}

const coreDomain = "core.example"

// corePlace begins a source and a BlueMind 5 of its own for each run: what
// an earlier one left would slow it down.
func (b *bench) corePlace(ctx context.Context, s scenario) (p *place, err error) {
	b.made++
	dir, err := os.MkdirTemp(b.dir, "core")
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx)) // ended by end, so that a run that is aborted is put away in order
	p = &place{domain: coreDomain, secret: filepath.Join(b.dir, "secret")}
	var wait func()
	p.end = func() error {
		var errs []error
		if p.sim != nil {
			errs = append(errs, p.sim.Close())
		}
		cancel()
		if wait != nil {
			wait()
		}
		if !b.keep {
			errs = append(errs, os.RemoveAll(dir))
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.end())
		}
	}()
	p.source = imaptest.NewSynthetic(imaptest.SyntheticOptions{Folders: s.folders(), Size: s.sizeOf, ModSeq: true,
		Messages: func(string, string) uint32 { return uint32(s.Messages) }})
	if p.work.Source, wait, err = p.source.Listen(life, "127.0.0.1:0"); err != nil {
		return p, err
	}
	domain := bmsim.Domain{Name: p.domain}
	for i := range s.Accounts {
		login := fmt.Sprintf("u%d", i)
		a := account{SourceLogin: login, SourceSecret: "any", TargetLogin: login + "@" + p.domain, TargetSecret: "Pass-" + login}
		p.work.Accounts = append(p.work.Accounts, a)
		domain.Users = append(domain.Users, bmsim.User{Login: login, Password: a.TargetSecret, Emails: []string{a.TargetLogin}})
	}
	p.sim, err = bmsim.Start(life, bmsim.Config{Version: 5, Dir: dir, AdminPassword: adminSecret, RefusalDelay: -1, DateMemory: -1,
		RateLimit: s.Rate, MessageSizeLimit: s.Burst, Domains: []bmsim.Domain{domain}})
	if err != nil {
		return p, err
	}
	p.work.Target, p.work.Folders, p.url, p.ca = p.sim.IMAPAddr(), s.folders(), p.sim.URL(), p.sim.CAFile()
	return p, nil
}

// shares says, for each account, what part of the rate that it may have it got,
// from its first message to its last, by the target's journal. What it may send
// at once, before it is held back, doesn't count.
func (p *place) shares(s scenario) (all []float64) {
	type box struct {
		first, last time.Time
		octets      int64
	}
	boxes := map[string]*box{}
	for _, e := range p.sim.Journal().Events() {
		if e.Append == nil {
			continue
		}
		x := boxes[e.Append.Box]
		if x == nil {
			x = &box{first: e.Time}
			boxes[e.Append.Box] = x
		}
		x.last = e.Time
		x.octets += e.Append.Size
	}
	for _, x := range boxes {
		all = append(all, float64(x.octets-s.Burst)/(float64(s.Rate)*x.last.Sub(x.first).Seconds()))
	}
	return all
}
