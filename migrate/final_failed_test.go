package migrate_test

import (
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
)

// TestFinalOfTheFailed sets no rights on accounts that were complete before and
// whose source the run leaves alone: their last mail isn't there. The same run
// again has nothing to say of those that are live.
func TestFinalOfTheFailed(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.complete()
	failed := func() migrate.RunResult {
		opts := e.opts
		opts.Final, opts.Failed = true, true
		res, err := migrate.Run(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	var res migrate.RunResult
	e.quiet("a final run of the failed", func() { res = failed() })
	if len(res.Objects.NotSet) != 3 || res.Objects.NotSet[0].Mend == "" || res.Outcome() != migrate.Partial {
		t.Errorf("%v, %+v", res.Outcome(), res.Objects)
	}
	e.wantRights("support@a.example", []string{"robot: Read", "robot: Write"}, []string{"robot"})
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Errorf("%+v", res)
	}
	if res := failed(); res.Outcome() != migrate.Complete || len(res.Objects.NotSet) > 0 {
		t.Errorf("when all are live: %v, %+v", res.Outcome(), res.Objects)
	}
}
