package objects_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// TestRightsAnswerLost: BlueMind set the rights, and its answer was lost. Sent
// again blindly, they would be a change of what is there by then: BlueMind would
// take back the SendAs that it gave with the first Write, and write to people of
// a change.
func TestRightsAnswerLost(t *testing.T) {
	ref := start(t, 5)
	ref.must(ref.maker(nil), small())
	want := ref.sim.Snapshot()
	for _, kind := range []bmsim.FaultKind{bmsim.Late, bmsim.CutAfter, bmsim.CutBefore} {
		for _, tries := range []int{1, 4} {
			s, j := start(t, 5), &ledger{}
			m := s.maker(j)
			m.Admin, _ = s.login(bmapi.Retry{Tries: tries, Sleep: func(context.Context, time.Duration) error { return nil }})
			s.sim.Faults().Add(bmsim.Fault{Kind: kind, Method: http.MethodPut, Path: "/_acl", Times: 1})
			if odd := s.must(m, small()).not(objects.Created); len(odd) > 0 {
				t.Errorf("%s, %d tries: %v", kind, tries, odd)
			}
			if got := s.sim.Snapshot(); got != want {
				t.Errorf("%s, %d tries:\n%s", kind, tries, diff(want, got))
			}
			for _, n := range s.sim.Journal().Notices() {
				if n.Kind != "added" {
					t.Errorf("%s, %d tries: a mail tells of a right that was %s", kind, tries, n.Kind)
				}
			}
		}
	}
}

// TestWithdrawnRightAnswerLost takes the only right on a share back, which leaves
// an empty list to be put.
func TestWithdrawnRightAnswerLost(t *testing.T) {
	for _, kind := range []bmsim.FaultKind{bmsim.Late, bmsim.CutAfter, bmsim.CutBefore} {
		s := start(t, 5, town()...)
		m := s.maker(nil)
		box, _, err := m.Share(t.Context(), s.domain("example.org"), objects.Share{Address: "desk@example.org", Create: true})
		if err != nil {
			t.Fatal(err)
		}
		ada, err := m.Find(t.Context(), box.Domain, objects.Ref{Kind: objects.RefUser, Name: "ada@example.org"})
		if err == nil {
			_, err = m.Grant(t.Context(), box, []objects.Right{{Grantee: objects.Ref{Name: ada.Address}, Verbs: []string{"Write"}}})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.sim.Faults().Add(bmsim.Fault{Kind: kind, Method: http.MethodPut, Path: "/_acl", Times: 1})
		o, err := m.Withdraw(t.Context(), objects.Made{Kind: objects.KindRight, DomainUID: box.Domain.UID, UID: box.UID, Name: "right", Detail: ada.UID + " gave=Write had="}, nil)
		if err != nil || o.Action != objects.Withdrawn {
			t.Errorf("%s: %v, %v", kind, o, err)
		}
		if acl, err := s.admin.ACL(t.Context(), box.UID); err != nil || len(acl) > 0 {
			t.Errorf("%s: %v, %v", kind, acl, err)
		}
	}
}
