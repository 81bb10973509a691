package migrate_test

import (
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// versions are the BlueMinds that objects are made on.
var versions = map[string]bmsim.Config{"BlueMind 4": {Version: 4}, "BlueMind 5": {Version: 5}}

// TestObjects makes everything that a small plan wants, and changes nothing
// the second time.
func TestObjects(t *testing.T) {
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := small(t, conf)
			var dry migrate.RunResult
			e.quiet("a dry run", func() {
				opts := e.opts
				opts.Objects = true
				var err error
				if dry, err = migrate.DryRun(t.Context(), opts); err != nil {
					t.Fatal(err)
				}
			})
			res := e.objects()
			want := map[objects.Kind]int{objects.KindDomain: 2, objects.KindUser: 4, objects.KindShare: 1, objects.KindGroup: 1, objects.KindMember: 2, objects.KindRight: 1}
			for kind, n := range want {
				if got := res.Objects.Count(kind, objects.Created); got != n {
					t.Errorf("%d %ss were created, want %d: %+v", got, kind, n, res.Objects.Counts)
				}
				if got := dry.Objects.Count(kind, objects.Created); got != n {
					t.Errorf("a dry run would create %d %ss, want %d: %+v", got, kind, n, dry.Objects.Counts)
				}
			}
			snapshot := e.sim.Snapshot()
			e.quiet("the second run", func() {
				again := e.objects()
				if n := again.Objects.Count("", objects.Created) + again.Objects.Count("", objects.Changed); n > 0 {
					t.Errorf("again: %+v", again.Objects)
				}
			})
			if got := e.sim.Snapshot(); got != snapshot {
				t.Errorf("the second run changed the target")
			}
			e.keyless()
		})
	}
}

// TestObjectsOfThreeHundred makes 300 users, 20 shares and 15 groups in three
// domains with aliases, with 8 calls in flight, and changes nothing the second
// time. How long it takes is told, not judged.
func TestObjectsOfThreeHundred(t *testing.T) {
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			e := large(t, conf, 300, 20, 15)
			e.opts.Limits.Provision = 8
			first := e.objects()
			want := map[objects.Kind]int{objects.KindDomain: 3, objects.KindUser: 303, objects.KindShare: 20, objects.KindGroup: 15, objects.KindMember: 300, objects.KindRight: 20}
			for kind, n := range want {
				if got := first.Objects.Count(kind, objects.Created); got != n {
					t.Errorf("%d %ss were created, want %d", got, kind, n)
				}
			}
			calls := len(e.sim.Journal().Calls())
			var again migrate.RunResult
			e.quiet("the second run", func() { again = e.objects() })
			t.Logf("%s, again %s with %d calls", first.Elapsed, again.Elapsed, len(e.sim.Journal().Calls())-calls)
			e.keyless()
		})
	}
}

// TestObjectsOnly makes what one account needs, and nothing of the others.
func TestObjectsOnly(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.opts.Only = []string{"ada@a.example"}
	res := e.objects()
	for kind, n := range map[objects.Kind]int{objects.KindDomain: 1, objects.KindUser: 1, objects.KindShare: 0, objects.KindGroup: 1, objects.KindMember: 1} {
		if got := res.Objects.Count(kind, objects.Created); got != n {
			t.Errorf("%d %ss were created, want %d: %+v", got, kind, n, res.Objects.Counts)
		}
	}
	e.opts.Only = []string{"support@a.example"} // its writer comes with it, and no group
	res = e.objects()
	for kind, n := range map[objects.Kind]int{objects.KindDomain: 0, objects.KindUser: 1, objects.KindShare: 1, objects.KindGroup: 0, objects.KindMember: 0, objects.KindRight: 1} {
		if got := res.Objects.Count(kind, objects.Created); got != n {
			t.Errorf("%d %ss were created, want %d: %+v", got, kind, n, res.Objects.Counts)
		}
	}
	e.opts.Only = nil
	res = e.objects()
	if got := res.Objects.Count(objects.KindMember, objects.Created); got != 1 || res.Accounts != 4 {
		t.Errorf("the rest: %+v", res.Objects.Counts)
	}
}

// TestOneObjectStopsNoOther puts somebody else's name and address in the way
// of one user and one group: both are told, all others are made, and their mail
// is copied.
func TestOneObjectStopsNoOther(t *testing.T) {
	e := small(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "a.example", Aliases: []string{"alias.example"},
		Users: []bmsim.User{{Login: "bru", Emails: []string{"somebody.else@a.example"}}}}}})
	e.accounts += "old;dora;dora@a.example;user;;;Durand;;nobodys;;;;\n"
	e.groups += "nobodys;;;existing:ghost@a.example;\n"
	e.replan()
	opts := e.opts
	res, err := migrate.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome() != migrate.Blocked || res.States[migrate.AccountComplete] != 4 || res.States[migrate.AccountBlocked] != 1 {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Notable)
	}
	for _, one := range res.Notable {
		if one.State == migrate.AccountBlocked && (one.Address != "bruno@a.example" || one.Mend == "" || !strings.Contains(one.Reason, "bru")) {
			t.Errorf("blocked: %+v", one)
		}
	}
	conflicts := map[objects.Kind]int{objects.KindUser: 1, objects.KindMember: 2} // bruno is no member either
	for kind, n := range conflicts {
		if got := res.Objects.Count(kind, objects.Conflict); got != n {
			t.Errorf("%d %ss in conflict, want %d: %+v", got, kind, n, res.Objects.Notable)
		}
	}
	st, err := migrate.GetStatus(t.Context(), migrate.StatusOptions{Target: e.opts.Target, StateDir: e.opts.StateDir})
	if err != nil || st.Conflicts != 3 || len(st.Against) != 3 {
		t.Errorf("status: %d against the plan, %v", st.Conflicts, err)
	}
	for _, o := range st.Against {
		if o.Reason == "" || o.Mend == "" {
			t.Errorf("against the plan: %+v", o)
		}
	}
	e.keyless()

	e.accounts = strings.Replace(e.accounts, "bruno@a.example;user;bru;", "bruno@a.example;user;;", 1)
	e.groups = strings.ReplaceAll(e.groups, "existing:ghost@a.example", "ada@a.example")
	e.replan()
	res, err = migrate.Run(t.Context(), e.opts)
	if err != nil || res.Objects.Count(objects.KindUser, objects.Conflict) != 0 {
		t.Errorf("corrected: %v, %+v", err, res.Objects.Notable)
	}
}

// TestObjectsInTrouble rides out what a BlueMind does on a bad day.
func TestObjectsInTrouble(t *testing.T) {
	tests := map[string][]bmsim.Fault{
		"503 for some seconds":  {{Kind: bmsim.Unavailable, Skip: 40, For: 2 * time.Second}},
		"session dies":          {{Kind: bmsim.Sessions, Skip: 50, Times: 1}, {Kind: bmsim.Sessions, Skip: 70, Times: 1}},
		"core restarts":         {{Kind: bmsim.Restarting, Skip: 60, Times: 1}},
		"boxes without folders": {{Kind: bmsim.Hook, Times: 3}},
		"504 after each PUT":    {{Kind: bmsim.Late, Method: "PUT", Times: 4}},
		"SQL errors":            {{Kind: bmsim.Failing, Method: "PUT", Skip: 2, Times: 3}},
	}
	for name, faults := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := small(t, bmsim.Config{})
			whole.objects()
			e := small(t, bmsim.Config{})
			e.sim.Faults().Add(faults...)
			e.objects()
			e.sim.Faults().Clear()
			if name == "boxes without folders" {
				e.complete() // an account looks, and repairs
				whole.complete()
			}
			if got, want := e.sim.Snapshot(), whole.sim.Snapshot(); got != want {
				t.Errorf("%s", firstDifference(got, want))
			}
			e.keyless()
		})
	}
}

// TestObjectsStop ends a pass when it is asked to, also while BlueMind is away,
// says what was made, and goes on the next time.
func TestObjectsStop(t *testing.T) {
	for name, away := range map[string]bool{"at once": false, "while BlueMind is away": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopped(t, away)
		})
	}
}

func stopped(t *testing.T, away bool) {
	t.Helper()
	e := small(t, bmsim.Config{})
	whole := small(t, bmsim.Config{})
	whole.objects()
	stop := make(chan struct{})
	var n atomic.Int64
	e.sim.Faults().Watch(func(bmsim.Call) {
		if n.Add(1) == 60 {
			if away {
				e.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Unavailable})
			}
			close(stop)
		}
	})
	opts := e.opts
	opts.Objects, opts.Stop = true, stop
	began := time.Now()
	res, err := migrate.Run(t.Context(), opts)
	if err != nil || res.Outcome() != migrate.Interrupted || res.Objects.Count("", objects.Created) == 0 {
		t.Errorf("away %v: %v, %+v", away, err, res)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("away %v: it took %s to stop", away, took)
	}
	e.sim.Faults().Watch(nil)
	e.sim.Faults().Clear()
	e.objects()
	if got, want := e.sim.Snapshot(), whole.sim.Snapshot(); got != want {
		t.Errorf("away %v: %s", away, firstDifference(got, want))
	}
}

// TestObjectsOfARehearsal are made in other domains, everything that names
// them included.
func TestObjectsOfARehearsal(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.opts.Target.DomainMap = map[string]string{"a.example": "try-a.example", "alias.example": "try-alias.example", "b.example": "try-b.example"}
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Fatalf("%+v", res)
	}
	if named := regexp.MustCompile(`.*[^-](a|b|alias)\.example.*`).FindString(e.sim.Snapshot()); named != "" {
		t.Errorf("a domain of production is named: %s", named)
	}
	e.wantRights("support@try-a.example", []string{"ada: Read", "ada: Write", "staff: Read"}, []string{"ada", "bruno"})
	e.quiet("the second final run", func() { e.final() })
	if res := e.undo(true, "chloe@b.example"); res.Objects.Count("", objects.Kept) != 1 {
		t.Errorf("undo of one with mail: %+v", res)
	}
	e.keyless()
}

// TestObjectsByWaves puts into groups who belongs to the wave, and those who
// have no account with any of them.
func TestObjectsByWaves(t *testing.T) {
	e := small(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "a.example", Aliases: []string{"alias.example"}, Users: []bmsim.User{{Login: "chief"}}}}})
	e.groups = "staff;staff@a.example;all of us;ada@a.example bruno@a.example existing:chief@a.example;\n"
	e.accounts = strings.Replace(e.accounts, ";2GB;\n", ";2GB;1\n", 1)
	e.replan()
	e.opts.Wave = "1"
	if res := e.objects(); res.Objects.Count(objects.KindMember, objects.Created) != 2 || res.Accounts != 1 {
		t.Errorf("the first wave: %+v", res.Objects.Counts)
	}
	e.opts.Wave = ""
	if res := e.objects(); res.Objects.Count(objects.KindMember, objects.Created) != 1 || res.Objects.Count(objects.KindMember, objects.AsWanted) != 2 {
		t.Errorf("the rest: %+v", res.Objects.Counts)
	}
}
