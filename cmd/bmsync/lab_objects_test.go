package main

import (
	"fmt"
	"strconv"
	"time"

	"bmsync/imap/imaptest"

	"github.com/rogpeppe/go-internal/testscript"
)

func sourceUser(ts *testscript.TestScript, login string) *imaptest.User {
	u := labOf(ts).source.User(login)
	if u == nil {
		ts.Fatalf("the source has no login %s", login)
	}
	return u
}

func cmdPublic(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "public FOLDER N LOGIN...")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	m := sourceUser(ts, args[2]).CreateMailbox(args[0], imaptest.MailboxOptions{})
	for i := range n {
		m.Append(imaptest.Message{Body: fmt.Appendf(nil, "Message-ID: <%s-%d@old.example>\r\nSubject: %d\r\n\r\nA message of everybody.\r\n", args[0], i, i)})
	}
	for _, login := range args[3:] {
		sourceUser(ts, login).Show(m)
	}
}

func cmdACL(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 4, "acl LOGIN FOLDER ID RIGHTS...")
	m := sourceUser(ts, args[0]).Mailbox(args[1])
	if m == nil {
		ts.Fatalf("%s has no mailbox %s", args[0], args[1])
	}
	m.SetACL(args[2:]...)
}

// cmdLetters puts a message of each of some years into a folder of a user's, which
// is made if need be.
func cmdLetters(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "letters LOGIN FOLDER YEAR...")
	u := sourceUser(ts, args[0])
	m := u.Mailbox(args[1])
	if m == nil {
		m = u.CreateMailbox(args[1], imaptest.MailboxOptions{})
	}
	for _, year := range args[2:] {
		y, err := strconv.Atoi(year)
		ts.Check(err)
		n := m.Len()
		m.Append(imaptest.Message{Body: fmt.Appendf(nil, "Message-ID: <%s-%d@letters.example>\r\nSubject: %d\r\n\r\nA letter of %d.\r\n", args[1], n, n, y),
			InternalDate: time.Date(y, 7, 1, 12, 0, n, 0, time.UTC)})
	}
}
