package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// TestRowsOfOneMailbox has plans whose rows meet in BlueMind only: in a domain of
// two names that the plan takes for two, and in a user with two addresses, of
// which a run of one row sees the lesser. Nothing of another row's is taken.
func TestRowsOfOneMailbox(t *testing.T) {
	for name, tc := range map[string]struct {
		world    bmsim.Domain
		accounts string
		only     []string
		told     map[string]string // of a row: part of the reason or the mend
	}{
		"two domains are one": {
			bmsim.Domain{Name: "a.example", Aliases: []string{"b.example"}},
			"old;desk1;desk@a.example;user;desk1;First Desk;Desk;;;;;;\nold;desk2;desk@b.example;user;desk2;Second Desk;Desk;;;;;;\n", nil,
			map[string]string{"desk@a.example": "all_aliases: false", "desk@b.example": "all_aliases: false"},
		},
		"an alias alone": {
			bmsim.Domain{Name: "a.example", Users: []bmsim.User{{Login: "boss", Name: "Boss", Emails: []string{"boss@a.example", "desk@a.example"}}}},
			"old;desk;desk@a.example;user;;Desk;;;;;;;\nold;boss;boss@a.example;user;;Boss;;;;;;;\n", []string{"desk@a.example"},
			map[string]string{"desk@a.example": "boss@a.example"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t, bmsim.Config{Version: 5, Domains: []bmsim.Domain{tc.world}})
			e.accounts = tc.accounts
			e.replan()
			opts := e.opts
			opts.Objects, opts.Only = true, tc.only
			e.quiet(name, func() {
				for _, run := range []func() (migrate.RunResult, error){
					func() (migrate.RunResult, error) { return migrate.DryRun(t.Context(), opts) },
					func() (migrate.RunResult, error) { return migrate.Run(t.Context(), opts) },
				} {
					res, err := run()
					if err != nil {
						t.Fatal(err)
					}
					if n := res.Objects.Count(objects.KindUser, objects.Conflict); n != len(tc.told) {
						t.Errorf("%d conflicts, want %d: %+v", n, len(tc.told), res.Objects)
					}
					for _, o := range res.Objects.Notable {
						if o.Kind == objects.KindUser && !strings.Contains(o.Reason+o.Mend, tc.told[o.Name]) {
							t.Errorf("%s: %s (%s)", o.Name, o.Reason, o.Mend)
						}
					}
				}
			})
		})
	}
}
