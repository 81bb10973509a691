package migrate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
)

// shareDomain has one share, whose name is not that of its address, and two
// users: one who writes to it, and one who has no right on it.
var shareDomain = bmsim.Domain{Name: "example.org", Users: []bmsim.User{{Login: "ada"}, {Login: "bruno"}},
	Shares: []bmsim.Share{{Name: "comptabilite", Emails: []string{"compta@example.org"}, Writers: []string{"ada"}}}}

// shareRun is a runner on an embedded BlueMind with shareDomain, and entries of
// its share, to be filled by a user.
func shareRun(t *testing.T, writer string) (*runner, *entry, *bmsim.Sim) {
	t.Helper()
	p, sim := platformOf(t, shareDomain)
	d := &bmapi.Domain{UID: "example.org"}
	find := func(address string) *entry {
		box, err := p.admin.MailboxByEmail(t.Context(), d.UID, address)
		if err != nil {
			t.Fatal(err)
		}
		return &entry{Domain: d, UID: box.UID, Login: box.Name, Address: address}
	}
	e := find("compta@example.org")
	e.Share, e.Writer = true, find(writer+"@example.org")
	o := RunOptions{BackOff: func(int) time.Duration { return time.Millisecond }}.withDefaults()
	return &runner{opts: o, platform: p, name: "run", log: p.log}, e, sim
}

// enterAs opens the share by its writer's key.
func enterAs(t *testing.T, r *runner, e *entry) (box, map[string]bool, error) {
	t.Helper()
	k, err := r.takeKey(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	defer r.giveKey(t.Context(), k)
	dst, err := k.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	b, err := r.enter(t.Context(), dst, e, KindShare, e.Address)
	if err != nil {
		return b, nil, err
	}
	have, err := b.folders(t.Context(), r.platform, e, dst)
	return b, have, err
}

func TestEnterShare(t *testing.T) {
	tests := map[string]struct {
		verb       string // of bruno
		subscribed bool
		late       bool   // the right comes while it is waited for
		lacks      string // what the reason says, "" where it can be filled
	}{
		"who may write":                       {verb: bmapi.VerbWrite, subscribed: true},
		"who isn't subscribed":                {verb: bmapi.VerbWrite},
		"who may do all":                      {verb: bmapi.VerbAll},
		"who gets the right a moment later":   {verb: bmapi.VerbWrite, late: true},
		"who may read, and write only later":  {verb: bmapi.VerbWrite, late: true, subscribed: true},
		"who may only read":                   {verb: bmapi.VerbRead, lacks: "may not put mail into"},
		"who may do nothing":                  {lacks: "can't open"},
		"who may do nothing, and subscribed":  {subscribed: true, lacks: "can't open"},
		"who may read only, a moment later":   {verb: bmapi.VerbRead, late: true, lacks: "may not put mail into"},
		"who may only send, and nothing else": {verb: bmapi.VerbSendAs, lacks: "can't open"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, e, _ := shareRun(t, "bruno")
			grant := func() {
				if test.verb == "" {
					return
				}
				if err := r.platform.admin.SetACL(t.Context(), e.UID, []bmapi.AccessEntry{{Subject: e.Writer.UID, Verb: test.verb}}); err != nil {
					t.Error(err)
				}
			}
			if test.late {
				r.opts.BackOff = func(n int) time.Duration {
					if n == 2 {
						grant()
					}
					return time.Millisecond
				}
			} else {
				grant()
			}
			if test.subscribed {
				if err := r.platform.admin.Subscribe(t.Context(), "example.org", e.Writer.UID, e.UID); err != nil {
					t.Fatal(err)
				}
			}
			b, have, err := enterAs(t, r, e)
			if test.lacks != "" {
				v := judge(err)
				if v.scope != accountHalt || !strings.Contains(v.reason, test.lacks) || !strings.Contains(v.reason, "bruno@example.org") || !strings.Contains(v.mend, "Write") {
					t.Errorf("%+v", v)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Sorted(maps.Keys(have)); !slices.Equal(got, []string{"compta", "compta/Sent", "compta/Trash"}) {
				t.Errorf("folders %q", got)
			}
			if b.imap("compta/Sent") != "Dossiers partagés/comptabilite/Sent" || b.core("compta/Sent") != "comptabilite/Sent" || b.imap("compta") != "Dossiers partagés/comptabilite" {
				t.Errorf("names: %q, %q, %q", b.imap("compta/Sent"), b.core("compta/Sent"), b.imap("compta"))
			}
		})
	}
}

func TestBoxNames(t *testing.T) {
	user := boxOf(KindUser, "ada@example.org", "ada.l")
	share := boxOf(KindShare, "compta@example.org", "comptabilite")
	share.root = "Dossiers partagés/"
	for _, test := range []struct {
		box                  box
		target, core, overIM string
	}{
		{user, "INBOX", "INBOX", "INBOX"},
		{user, "A/compta", "A/compta", "A/compta"},
		{share, "compta", "comptabilite", "Dossiers partagés/comptabilite"},
		{share, "compta/compta/é", "comptabilite/compta/é", "Dossiers partagés/comptabilite/compta/é"},
	} {
		if test.box.core(test.target) != test.core || test.box.imap(test.target) != test.overIM {
			t.Errorf("%q: %q, %q", test.target, test.box.core(test.target), test.box.imap(test.target))
		}
		if got, ok := test.box.planned(test.core); !ok || got != test.target {
			t.Errorf("%q is planned as %q, %t", test.core, got, ok)
		}
		for _, asked := range []string{test.target, test.core, test.overIM} {
			if got := test.box.asked(asked); got != test.target {
				t.Errorf("%q, asked for as %q, is %q", test.target, asked, got)
			}
		}
	}
	for _, other := range []string{"comptabilites", "comptabilites/A", "compta", "support/comptabilite"} {
		if got, ok := share.planned(other); ok {
			t.Errorf("%q is taken for %q", other, got)
		}
	}
}

// TestKeyPool: however many have a user's key, there is one, and none after the
// last has given it back; who can't have one keeps nobody from trying again.
func TestKeyPool(t *testing.T) {
	r, share, sim := shareRun(t, "ada")
	own := *share.Writer
	var wg sync.WaitGroup
	var mu sync.Mutex
	secrets := map[string]bool{}
	hold := make(chan struct{})
	for i := range 12 {
		e := []*entry{share, &own}[i%2]
		wg.Go(func() {
			k, err := r.takeKey(t.Context(), e)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			secrets[k.secret()] = true
			mu.Unlock()
			<-hold
			if n := len(sim.Journal().KeysAlive()); n != 1 {
				t.Errorf("%d keys alive while it is held", n)
			}
			if err := r.giveKey(t.Context(), k); err != nil {
				t.Error(err)
			}
		})
	}
	for {
		mu.Lock()
		n := len(secrets)
		mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(hold)
	wg.Wait()
	if n := sim.Journal().KeysAlive(); len(n) > 0 {
		t.Errorf("alive at the end: %v", n)
	}
	sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Method: "PUT", Path: "/auth/keys", Code: "FAILURE", Times: 1})
	if _, err := r.takeKey(t.Context(), share); err == nil {
		t.Error("a key that could not be made")
	}
	k, err := r.takeKey(t.Context(), share)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.giveKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	k, err = r.takeKey(over, &own)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := r.giveKey(over, k); err != nil { // also for who was interrupted
		t.Error(err)
	}
	if n := sim.Journal().KeysAlive(); len(n) > 0 {
		t.Errorf("alive after an interrupt: %v", n)
	}
	share.Writer = nil
	if _, err := r.takeKey(t.Context(), share); judge(err).scope != accountHalt || errors.Is(err, context.Canceled) {
		t.Errorf("a share without a writer: %v", err)
	}
}
