package objects_test

import (
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

// TestAliasTaskFailsWithoutServer: where no server keeps the domain's mail yet, what
// fails before one is assigned keeps all mail out, and all its users with it.
func TestAliasTaskFailsWithoutServer(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	if err := s.admin.Unassign(t.Context(), "one.test", "bm-master", bmapi.TagIMAP); err != nil {
		t.Fatal(err)
	}
	s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.FailedTask, Path: "/_aliases", Times: 1})
	d, o, err := s.maker(nil).Domain(t.Context(), objects.Domain{Name: "one.test", Aliases: []string{"uno.test"}, Create: true})
	if err != nil || d != nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "task failed on purpose") {
		t.Errorf("%+v, %+v, %v", d, o, err)
	}
}

// TestBrokenDomainBesideOurs: a domain whose directory can't be read, such as one
// that was half deleted, stands in nobody's way.
func TestBrokenDomainBesideOurs(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"}, bmsim.Domain{Name: "broken.test"})
	for _, code := range []string{"NOT_FOUND", "UNKNOWN"} {
		s.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Path: "/directory/broken.test/", Code: code})
		_, o, err := s.maker(nil).User(t.Context(), s.domain("one.test"), objects.User{Address: strings.ToLower(code) + "@one.test", Login: strings.ToLower(code[:2]), Create: true})
		if err != nil || o.Action != objects.Created {
			t.Errorf("%s: %+v, %v", code, o, err)
		}
		s.sim.Faults().Clear()
	}
}

// TestRenamedUser: of a user of ours whom BlueMind knows by another login now, a run
// says so, as it does of shares. His mail goes on.
func TestRenamedUser(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "one.test"})
	d := s.domain("one.test")
	row := objects.User{Address: "ada@one.test", Create: true}
	e, _, err := s.maker(nil).User(t.Context(), d, row)
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.admin.User(t.Context(), d.UID, e.UID)
	if err == nil {
		u.Login = "countess"
		err = s.admin.UpdateUser(t.Context(), d.UID, u)
	}
	if err != nil {
		t.Fatal(err)
	}
	mark := s.mark()
	for _, m := range []*objects.Maker{s.dry(), s.maker(nil)} {
		e, o, err := m.User(t.Context(), d, row)
		if err != nil || e == nil || o.Action != objects.Conflict || !strings.Contains(o.Reason, "countess") || !strings.Contains(o.Mend, "column login") {
			t.Errorf("%+v, %v", o, err)
		}
	}
	row.Login = "countess"
	if _, o, err := s.maker(nil).User(t.Context(), d, row); err != nil || o.Action != objects.AsWanted {
		t.Errorf("mended: %+v, %v", o, err)
	}
	if w := s.writes(mark); len(w) > 0 {
		t.Errorf("%v", w)
	}
}
