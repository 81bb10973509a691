package objects_test

import (
	"testing"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// TestDryAddresses: a dry run finds those who are there by the addresses that a
// run would give them, as the run does, and tells of two rows that want the same
// one.
func TestDryAddresses(t *testing.T) {
	s := start(t, 5)
	w := small()
	s.must(s.maker(nil), w)
	d := s.domain("one.test")
	bob, share := bmapi.UserUID(d.UID, "bob@one.test"), bmapi.ShareUID(d.UID, "support")
	other := []bmapi.Email{{Address: "other@one.test", IsDefault: true, AllAliases: true}}
	u, err := s.admin.User(t.Context(), d.UID, bob)
	if err == nil {
		u.Emails = other
		err = s.admin.UpdateUser(t.Context(), d.UID, u)
	}
	var box *bmapi.Mailshare
	if err == nil {
		box, err = s.admin.Mailshare(t.Context(), d.UID, share)
	}
	if err == nil {
		box.Emails = []bmapi.Email{{Address: "desk@one.test", IsDefault: true, AllAliases: true}}
		err = s.admin.UpdateMailshare(t.Context(), d.UID, box)
	}
	if err != nil {
		t.Fatal(err)
	}
	m := s.dry()
	_, o, err := m.User(t.Context(), d, w.users[1])
	if err != nil || o.Action != objects.Changed {
		t.Errorf("user: %v, %v", o, err)
	}
	if _, o, err = m.Share(t.Context(), d, w.shares[0]); err != nil || o.Action != objects.Changed {
		t.Errorf("share: %v, %v", o, err)
	}
	for address, uid := range map[string]string{"bob@one.test": bob, "other@one.test": bob, "support@one.test": share} {
		if e, err := m.Find(t.Context(), d, objects.Ref{Kind: objects.RefAny, Name: address}); err != nil || e.UID != uid || !e.Existing || e.Box == nil {
			t.Errorf("%s: %+v, %v", address, e, err)
		}
	}
	clash := objects.User{Address: "new@one.test", Aliases: []string{"bob@one.test"}, Create: true}
	if _, o, err = m.User(t.Context(), d, clash); err != nil || o.Action != objects.Conflict {
		t.Errorf("two rows want one address: %v, %v", o, err)
	}
	if writes := s.writes(s.mark()); len(writes) > 0 {
		t.Errorf("%v", writes)
	}
}
