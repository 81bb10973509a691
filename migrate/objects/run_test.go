package objects_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
)

func eachVersion(t *testing.T, do func(t *testing.T, version int)) {
	for _, v := range []int{5, 4} {
		t.Run(fmt.Sprintf("version %d", v), func(t *testing.T) { do(t, v) })
	}
}

func TestSecondRunWritesNothing(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s, j := start(t, version), &ledger{}
		w := small()
		if odd := s.must(s.maker(j), w).not(objects.Created); len(odd) > 0 {
			t.Errorf("first run:\n%s", strings.Join(odd, "\n"))
		}
		if open := strings.Contains(j.text(), "?"); open {
			t.Errorf("not all is done:\n%s", j.text())
		}
		was, notes, mark := s.sim.Snapshot(), j.text(), s.mark()
		for _, m := range []*objects.Maker{s.maker(j), s.maker(nil), s.dry()} {
			if odd := s.must(m, w).not(objects.AsWanted); len(odd) > 0 {
				t.Errorf("second run:\n%s", strings.Join(odd, "\n"))
			}
		}
		if writes := s.writes(mark); len(writes) > 0 {
			t.Errorf("second run: %v", writes)
		}
		if s.sim.Snapshot() != was || j.text() != notes {
			t.Errorf("something changed:\n%s", j.text())
		}
	})
}

// TestWhatIsMade reads back what was created.
func TestWhatIsMade(t *testing.T) {
	eachVersion(t, func(t *testing.T, version int) {
		s := start(t, version)
		s.must(s.maker(nil), small())
		d := s.domain("eins.test")
		if d.UID != "uno.test" || d.DefaultAlias != "uno.test" {
			t.Errorf("%+v", d)
		}
		set, err := s.admin.Settings(t.Context(), d.UID)
		if err != nil || set["lang"] != "fr" || set["mailbox_default_user_quota"] != "2048" || set["timezone"] == "" {
			t.Errorf("%v, %v", set, err)
		}
		u, err := s.admin.UserByLogin(t.Context(), d.UID, "ada")
		if err != nil {
			t.Fatal(err)
		}
		if u.DefaultEmail() != "ada.love@one.test" || u.DisplayName != "Ada L." || u.FamilyNames != "Lovelace" || *u.Quota != 4096 || u.Hidden {
			t.Errorf("%+v", u)
		}
		box, err := s.admin.MailboxByEmail(t.Context(), d.UID, "countess@eins.test")
		if err != nil || box.UID != u.UID {
			t.Errorf("%+v, %v", box, err)
		}
		groups, err := s.admin.GroupsOf(t.Context(), d.UID, u.UID)
		if err != nil || !slices.Contains(groups, d.UID+"_user_group") || !slices.Contains(groups, bmapi.GroupUID(d.UID, "maths")) {
			t.Errorf("%v, %v", groups, err)
		}
		members, err := s.admin.Members(t.Context(), d.UID, bmapi.GroupUID(d.UID, "maths"))
		if err != nil || len(members) != 3 {
			t.Errorf("%v, %v", members, err)
		}
		acl, err := s.admin.ACL(t.Context(), bmapi.ShareUID(d.UID, "support"))
		bob := bmapi.UserUID(d.UID, "bob@one.test")
		if err != nil || !slices.Contains(acl, bmapi.AccessEntry{Subject: bob, Verb: "Write"}) {
			t.Errorf("%v, %v", acl, err)
		}
		if sa := (bmapi.AccessEntry{Subject: bob, Verb: "SendAs"}); slices.Contains(acl, sa) != (version == 5) {
			t.Errorf("SendAs: %v", acl)
		}
		if m := s.sim.Journal().Notices(); len(m) != map[int]int{4: 0, 5: 2}[version] {
			t.Errorf("mails about rights: %v", m)
		}
	})
}

// TestDryRunSaysTheSame compares what a dry run says with what a run does, where
// not even the domains are there.
func TestDryRunSaysTheSame(t *testing.T) {
	s := start(t, 5, bmsim.Domain{Name: "other.test"})
	w := small()
	w.groups = append(w.groups,
		objects.Group{Name: "in", Address: "in@one.test", Create: true, Members: []objects.Ref{{Kind: objects.RefGroup, Name: "maths"}}},
		objects.Group{Name: "round", Address: "round@one.test", Create: true, Members: []objects.Ref{{Kind: objects.RefGroup, Name: "in"}, {Name: "nobody@one.test"}}})
	w.groups[0].Members = append(w.groups[0].Members, objects.Ref{Kind: objects.RefGroup, Name: "round"})
	w.users = append(w.users,
		objects.User{Address: "robert@uno.test", Login: "robert", Create: true},  // bob's alias
		objects.User{Address: "support2@one.test", Login: "bob", Create: true},   // bob's login
		objects.User{Address: "big@one.test", Quota: ptr(1 << 21), Create: true}, // above the maximum
		objects.User{Address: "x@three.test", Create: true})
	was := s.sim.Snapshot()
	mark := s.mark()
	planned := s.must(s.dry(), w)
	if writes := s.writes(mark); len(writes) > 0 || s.sim.Snapshot() != was {
		t.Fatalf("a dry run wrote: %v", writes)
	}
	done := s.must(s.maker(nil), w)
	if len(planned.outcomes) != len(done.outcomes) {
		t.Fatalf("%d outcomes, then %d", len(planned.outcomes), len(done.outcomes))
	}
	for i, p := range planned.outcomes {
		if d := done.outcomes[i]; p.Action != d.Action || p.Name != d.Name || p.UID != d.UID || (p.Reason == "") != (d.Reason == "") {
			t.Errorf("planned %s %s %s: %s\ndone    %s %s %s: %s", p.Kind, p.Name, p.Action, p.Reason, d.Kind, d.Name, d.Action, d.Reason)
		}
	}
}
