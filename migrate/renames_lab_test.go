package migrate_test

import (
	"slices"
	"testing"
	"time"

	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestLabRenamedFolders renames folders on a real Dovecot and follows on a real
// Cyrus, over a line that ends after more and more octets: two that change names,
// one with its children, and one whose name another gets; then they go.
func TestLabRenamedFolders(t *testing.T) {
	w, _ := labWorld(t, "ada")
	s := newWeeks(w)
	for i, name := range []string{"INBOX", "A", "A/x", "B", "Été", "Été/a", "Été/a/b"} {
		if i > 0 {
			s.do("CREATE %s", name)
		}
		s.comes(name, 4)
	}
	s.plan()
	s.complete()
	direct := s.opts.Target.IMAP.Addr
	proxy, err := imaptest.NewFaultProxy(t.Context(), direct)
	s.must(err)
	defer proxy.Close()
	s.opts.Limits.Retries, s.opts.Limits.Settle = 1, time.Second
	here, there := "Été", "Hiver"
	rounds := 0
	for octets, cut := int64(4000), true; cut; octets += 1000 {
		s.do("RENAME %s %s", "A", "Aside")
		s.do("RENAME %s %s", "B", "A")
		s.do("RENAME %s %s", "Aside", "B")
		s.do("RENAME %s %s", here, there)
		here, there = there, here
		s.opts.Target.IMAP.Addr = proxy.Addr()
		proxy.SetFaults(imaptest.Faults{Down: imaptest.Fault{CutAfter: octets}})
		res := s.run()
		cut = res.Outcome() != migrate.Complete
		s.opts.Target.IMAP.Addr = direct
		if res := s.complete(); res.Copied != 0 {
			t.Fatalf("cut after %d octets: %d were copied", octets, res.Copied)
		}
		s.equal("cut")
		have := s.folders()
		if slices.Contains(have, there) || slices.Contains(have, there+"/a") || !slices.Contains(have, here+"/a/b") || slices.Contains(have, "Aside") || slices.Contains(have, "A (renamed)") {
			t.Fatalf("cut after %d octets: folders %q", octets, have)
		}
		rounds++
	}
	t.Logf("%d rounds", rounds)
	subscribed := s.subscribed(s.rows[0].Address)
	for _, name := range []string{"A", "B", here, here + "/a", here + "/a/b"} {
		if !slices.Contains(subscribed, name) {
			t.Errorf("not subscribed to %q: %q", name, subscribed)
		}
	}
	s.do("RENAME %s %s", "B", "b") // in case only
	s.do("RENAME %s %s", "A", here+"/Z")
	s.do("CREATE %s", "A") // another of that name
	s.comes("A", 2)
	s.do("DELETE %s", here+"/a/b")
	if res := s.complete(); res.Copied != 2 {
		t.Errorf("%d were copied, want 2", res.Copied)
	}
	s.equal("in the end")
	have := s.folders()
	if slices.Contains(have, here+"/a/b") || !slices.Contains(have, "b") || !slices.Contains(have, here+"/Z") {
		t.Errorf("folders %q", have)
	}
	if res := s.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
}
