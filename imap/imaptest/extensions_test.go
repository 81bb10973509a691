package imaptest_test

import (
	"testing"

	"bmsync/imap/imaptest"
)

func TestExtensions(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{Shared: "Public/", Capabilities: append(imaptest.DefaultCapabilities(), "ACL", "QUOTA", "METADATA")})
	public := ada.CreateMailbox("Public/Compta", imaptest.MailboxOptions{})
	public.SetACL("bob@old.example", "lrs", "$staff", "lr", "-anyone", "r")
	public.SetAnnotation("/shared/vendor/kolab/folder-type", "mail")
	ada.CreateMailbox("Été", imaptest.MailboxOptions{}).SetAnnotation("/shared/vendor/kolab/folder-type", "event")
	ada.SetQuota(2048)
	public.Append(imaptest.Message{Body: make([]byte, 1500)})
	bob := srv.AddUser("bob@old.example", "pw")
	bob.Show(public)

	s := dial(t, srv)
	s.login("ada@old.example", "pw")
	s.want(s.ok("GETACL Public/Compta"), `* ACL "Public/Compta" "ada@old.example" lrswipkxtea "bob@old.example" "lrs" "$staff" "lr" "-anyone" "r"`)
	s.want(s.ok("MYRIGHTS INBOX"), `* MYRIGHTS "INBOX" lrswipkxtea`)
	s.want(s.ok("GETQUOTAROOT INBOX"), `* QUOTAROOT "INBOX" "User quota"`, `* QUOTA "User quota" (MESSAGE 1 1000000 STORAGE 2 2048)`)
	s.want(s.ok(`GETMETADATA "*" (/shared/vendor/kolab/folder-type /private/x)`),
		`* METADATA "Public/Compta" ("/shared/vendor/kolab/folder-type" "mail")`, `* METADATA "&AMk-t&AOk-" ("/shared/vendor/kolab/folder-type" "event")`)
	s.want(s.ok(`GETMETADATA INBOX /shared/x`))
	s.status("GETACL none", "NO [NONEXISTENT]")
	s.status("GETACL", "BAD")

	s = dial(t, srv)
	s.login("bob@old.example", "pw")
	s.status("GETACL Public/Compta", "NO [NOPERM]")
	s.want(s.ok("MYRIGHTS Public/Compta"), `* MYRIGHTS "Public/Compta" lrs`)
	s.want(s.ok("GETQUOTAROOT INBOX"), `* QUOTAROOT "INBOX"`)
	public.SetACL()
	s.status("MYRIGHTS Public/Compta", "NO [NOPERM]")

	plain, _ := newServer(t, imaptest.Options{})
	s = dial(t, plain)
	s.login("ada@old.example", "pw")
	for _, command := range []string{"GETACL INBOX", "MYRIGHTS INBOX", "GETQUOTAROOT INBOX", `GETMETADATA "*" /x`} {
		s.status(command, "BAD")
	}
}
