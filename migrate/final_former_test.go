package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestFinalFormerWriter: each who was let write to a share under an earlier plan
// loses that right at the end, whether or not mail moved by his key.
func TestFinalFormerWriter(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.objects() // under robot, without any mail
	e.accounts = strings.Replace(e.accounts, "Aide & Support;;;", "Aide & Support;bruno@a.example;;", 1)
	e.replan()
	e.complete()
	e.accounts = strings.Replace(e.accounts, "Aide & Support;bruno@a.example;;", "Aide & Support;ada@a.example;;", 1)
	e.replan()
	e.source.User("support").Mailbox("INBOX").Append(imaptest.Message{Body: []byte("Subject: 1\r\n\r\nto be shared\r\n")})
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Fatalf("%+v", res)
	}
	acl, err := e.admin().ACL(t.Context(), bmapi.ShareUID("a.example", "support"))
	if err != nil {
		t.Fatal(err)
	}
	may := func(who, verb string) bool {
		return slices.Contains(acl, bmapi.AccessEntry{Subject: bmapi.UserUID("a.example", who), Verb: verb})
	}
	if may("robot@a.example", "Write") || may("bruno@a.example", "Write") {
		t.Errorf("former writers may write: %v", acl)
	}
	if !may("ada@a.example", "Write") {
		t.Errorf("the plan's right is lost: %v", acl)
	}
	e.quiet("a second final run", func() { e.final() })
}
