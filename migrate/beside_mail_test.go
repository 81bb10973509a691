package migrate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// kept is why undo keeps something.
func (e *estate) kept(do bool, name string) string {
	e.t.Helper()
	for _, o := range e.undo(do).Objects.Notable {
		if o.Name == name && o.Action == objects.Kept {
			return o.Reason
		}
	}
	return ""
}

// TestUndoKeepsWhatIsNotMail keeps a user with what he put beside his mail.
func TestUndoKeepsWhatIsNotMail(t *testing.T) {
	const d = "a.example"
	ada := bmapi.UserUID(d, "ada@a.example")
	item := func(kind, container string) func(*bmsim.Sim) error {
		return func(sim *bmsim.Sim) error { return sim.SetItems(ada, kind, container, 7) }
	}
	filter := func(body string) func(*bmsim.Sim) error {
		return func(sim *bmsim.Sim) error { return sim.SetFilter(d, ada, body) }
	}
	for name, conf := range versions {
		for says, put := range map[string][]func(*bmsim.Sim) error{
			"7 events": {item("calendar", "calendar:Default:"+ada), item("calendar", "calendar:UserCreated:1")},
			"7 contacts": {item("addressbook", "book:Contacts_"+ada), item("addressbook", "book:CollectedContacts_"+ada),
				item("addressbook", "book:UserCreated_2")},
			"7 tasks":            {item("todolist", "todolist:default_"+ada), item("todolist", "todolist:user_3")},
			"7 notes":            {item("notes", "notes:default_"+ada), item("notes", "notes:user_4")},
			"1 mail filters":     {filter(`{"rules":[{"active":true}]}`)},
			"is forwarded":       {filter(`{"forwarding":{"enabled":true,"emails":["x@b.example"]}}`)},
			"an absence message": {filter(`{"vacation":{"enabled":false,"subject":"away"}}`)},
			"doesn't tell": {func(sim *bmsim.Sim) error {
				sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "PERMISSION_DENIED", Path: "/containers/_manage/notes:default_" + ada + "/_itemCount"})
				return nil
			}},
		} {
			for i, put := range put {
				t.Run(fmt.Sprintf("%s/%s/%d", name, says, i), func(t *testing.T) {
					t.Parallel()
					e := small(t, conf)
					e.objects()
					if err := put(e.sim); err != nil {
						t.Fatal(err)
					}
					before := e.sim.Snapshot()
					if why := e.kept(false, "ada@a.example"); !strings.Contains(why, says) {
						t.Errorf("told: %q", why)
					}
					if e.sim.Snapshot() != before {
						t.Error("telling it changed something")
					}
					if why := e.kept(true, "ada@a.example"); !strings.Contains(why, says) {
						t.Errorf("done: %q", why)
					}
					if _, err := e.admin().User(t.Context(), d, ada); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// TestUndoTrustsNoLateCore keeps a user of BlueMind 4 into whose mailbox mail was
// copied that core doesn't show yet.
func TestUndoTrustsNoLateCore(t *testing.T) {
	const d = "a.example"
	e := small(t, versions["BlueMind 4"])
	e.objects()
	ada := bmapi.UserUID(d, "ada@a.example")
	store := e.lock()
	a, err := store.EnsureAccount(t.Context(), state.Account{Source: "old", SourceLogin: "ada", Address: "ada@a.example", Kind: "user"})
	if err == nil {
		a.DomainUID, a.EntryUID = d, ada
		err = store.UpdateAccount(t.Context(), a)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.EnsureFolder(t.Context(), state.Folder{Account: a.ID, Source: "INBOX", SourceWire: "INBOX", Target: "INBOX"})
	if err == nil {
		err = store.Record(t.Context(), f.ID, []state.Message{{SrcUIDValidity: 1, SrcUID: 1, DstUIDValidity: 1, DstUID: 1, Size: 9, State: state.Copied}})
	}
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	if why := e.kept(true, "ada@a.example"); !strings.Contains(why, "bmsync copied 1") {
		t.Errorf("%q", why)
	}
}

// TestUndoTakesNoFaultForEmpty withdraws nobody whose folders can't be listed.
func TestUndoTakesNoFaultForEmpty(t *testing.T) {
	for name, conf := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := small(t, conf)
			e.objects()
			e.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Failing, Code: "UNKNOWN", Path: "/mail_folders_container/"})
			res := e.undo(true)
			if len(res.Objects.Failed) != 5 || res.Left["user"] != 4 || res.Left["share"] != 1 {
				t.Errorf("%+v", res)
			}
		})
	}
}
