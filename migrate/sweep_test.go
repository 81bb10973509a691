package migrate_test

import (
	"fmt"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// TestSweepOverAllUsers sweeps on another machine, that knows of a domain and
// nothing else: whoever there has a key of a run that crashed elsewhere.
func TestSweepOverAllUsers(t *testing.T) {
	conf := bmsim.Config{Domains: []bmsim.Domain{{Name: domain}, {Name: "other.example", Users: []bmsim.User{{Login: "ada"}}}}}
	for i := range 40 {
		conf.Domains[0].Users = append(conf.Domains[0].Users, bmsim.User{Login: fmt.Sprintf("user%02d", i), Archived: i == 7})
	}
	w := newWorld(t, conf)
	admin := w.admin()
	for _, who := range []string{"user03@" + domain, "user39@" + domain, "ada@other.example"} {
		login, name, _ := strings.Cut(who, "@")
		user, err := admin.Su(t.Context(), login, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{leased, "her phone"} {
			if _, err := user.CreateKey(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		if err := user.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	res, err := migrate.SweepTokens(t.Context(), migrate.SweepOptions{RunOptions: w.opts, Domains: []string{domain}})
	if err != nil || res.Keys != 2 || res.Users != 40 || res.Accounts != 40 || res.Suspended != 1 || len(res.Failed) > 0 {
		t.Errorf("%+v, %v", res, err)
	}
	alive := w.sim.Journal().KeysAlive()
	if alive["user03@"+domain] != 1 || alive["user39@"+domain] != 1 || alive["ada@other.example"] != 2 {
		t.Errorf("alive: %v", alive)
	}
	for who, n := range w.sim.Journal().Sessions() {
		if who != "admin0@global.virt" {
			t.Errorf("%d sessions of %s", n, who)
		}
	}
	stopped := make(chan struct{})
	close(stopped)
	w.opts.Stop = stopped
	if res, err := migrate.SweepTokens(t.Context(), migrate.SweepOptions{RunOptions: w.opts, Domains: []string{domain}}); err != nil || !res.Interrupted || res.Users != 0 {
		t.Errorf("interrupted: %+v, %v", res, err)
	}
}
