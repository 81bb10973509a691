package migrate_test

import (
	"strings"
	"testing"

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
	e.accounts += "old;dora;dora@a.example;user;;;Durand;;nobodys;;;\n"
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
