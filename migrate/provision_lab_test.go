package migrate_test

import (
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/migrate/objects"
)

// TestLabObjects makes 300 users, 20 shares and 15 groups in front of a real
// Cyrus, which makes a mailbox and its folders for each. How long it takes is
// told, not judged.
func TestLabObjects(t *testing.T) {
	lab := labtest.Open(t)
	e := newEstate(t, bmsim.Config{Version: 4, KeyCache: -1, Cyrus: &bmsim.CyrusConfig{Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: "the lab's",
		AuthSocket: lab.CyrusSaslauthd, ConfPath: lab.CyrusConf, SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID}})
	name := lab.Domain(t)
	users := 300
	if testing.Short() {
		users = 30
	}
	e.enlarge([]string{"a." + name, "b." + name, "c." + name}, users, 20, 15)
	first := e.objects()
	if n := first.Objects.Count(objects.KindUser, objects.Created); n != users+3 {
		t.Errorf("%d users were created: %+v", n, first.Objects)
	}
	again := first
	e.quiet("the second run", func() { again = e.objects() })
	t.Logf("%d users: %s, again %s", users, first.Elapsed, again.Elapsed)
	e.keyless()
}
