package migrate_test

import (
	"net/http"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// TestWriterWithoutFolders: BlueMind swallows a hook's fault, and who fills a
// share is there without his default folders. His mailbox is repaired, as those
// of accounts are.
func TestWriterWithoutFolders(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.source.User("support").Mailbox("INBOX").Append(imaptest.Message{Body: []byte("Subject: 1\r\n\r\nto be shared\r\n")})
	e.sim.Faults().Add(bmsim.Fault{Kind: bmsim.Hook, Method: http.MethodPut, Path: "/users/a.example/" + bmapi.UserUID("a.example", "robot@a.example"), Times: 1})
	res, err := migrate.Run(t.Context(), e.opts)
	if err != nil || res.Outcome() != migrate.Complete || res.Copied != 1 {
		t.Errorf("%v, %+v", err, res)
	}
	e.keyless()
}

// TestDryRunTellsOnce: what a share's writer would be given is told by the look
// at all objects, and not once more by the one at the share.
func TestDryRunTellsOnce(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.objects()
	admin := e.admin()
	for _, lacks := range []string{"the subscription", "the right as well"} {
		var err error
		share := bmapi.ShareUID("a.example", "support")
		if lacks == "the subscription" {
			err = admin.Unsubscribe(t.Context(), "a.example", bmapi.UserUID("a.example", "robot@a.example"), share)
		} else {
			err = admin.SetACL(t.Context(), share, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		res, err := migrate.DryRun(t.Context(), e.opts)
		if err != nil {
			t.Fatal(err)
		}
		made := res.Objects.Count(objects.KindRight, objects.Created)
		if subs := res.Objects.Count(objects.KindSubscription, objects.Created); subs != 1 || lacks == "the right as well" && made != 1 {
			t.Errorf("%s: %d rights and %d subscriptions would be made", lacks, made, subs)
		}
	}
}
