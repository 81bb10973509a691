package objects_test

import (
	"strings"
	"testing"

	"bmsync/migrate/objects"
)

// TestUnknownMend: who is not in BlueMind although a row wants him there is to be
// sought in that row, and not to be written into accounts.csv, where he is.
func TestUnknownMend(t *testing.T) {
	s := start(t, 5, town()...)
	m := s.maker(nil)
	m.RowOf = rowsOf([]objects.User{{Address: "late@example.org", Aliases: []string{"tardy@example.org"}}})
	d := s.domain("example.org")
	staff := objects.Group{Name: "staff", Domain: "example.org", Create: true}
	for _, name := range []string{"late@example.org", "tardy@example.org", "nobody@example.org"} {
		staff.Members = append(staff.Members, objects.Ref{Kind: objects.RefUser, Name: name})
	}
	_, members, err := m.Group(t.Context(), d, staff)
	if err != nil || len(members) != 3 {
		t.Fatalf("%v, %v", members, err)
	}
	for i, want := range []string{"see to his own row first", "see to his own row first", "add the address to accounts.csv"} {
		if o := members[i]; o.Action != objects.Conflict || !strings.Contains(o.Mend, want) {
			t.Errorf("%s: %s: %s → %s", o.Name, o.Action, o.Reason, o.Mend)
		}
	}
	_, o, err := m.User(t.Context(), d, objects.User{Address: "fresh@example.org", Groups: []string{"nothing"}, Create: true})
	if err != nil || o.Action != objects.Conflict || !strings.Contains(o.Mend, "if it is there, see what keeps it out") {
		t.Errorf("%v, %v", o, err)
	}
}
