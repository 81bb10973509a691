package migrate

import "testing"

// TestKolabKinds: what folders of Kolab hold; mail is "".
func TestKolabKinds(t *testing.T) {
	for kind, want := range map[string]string{
		"": "", "mail": "", "mail.inbox": "", "MAIL.Drafts": "", "event": "calendar", "event.default": "calendar", "freebusy": "calendar", "contact": "contacts",
		"task.default": "tasks", "note": "notes", "journal": "journal", "configuration": "other", "file": "other",
	} {
		if got := kolabKind(kind); got != want {
			t.Errorf("%q is %q, want %q", kind, got, want)
		}
	}
}

func TestProductNamed(t *testing.T) {
	for text, want := range map[string]string{
		"The Microsoft Exchange IMAP4 service is ready.": ServerExchange, "Domino IMAP4 Server Release 9.0.1FP10 ready": ServerDomino,
		"Dovecot": ServerDovecot, "Cyrus IMAPD 3.0.13": ServerCyrus, "Zimbra 8.8.15": ServerZimbra, "GImap  Google, Inc.": ServerGmail, "BlueMind 5.1": ServerBlueMind,
		"": "", "IMAP4 ready": "",
	} {
		if got := productNamed(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestNotMailByName: the names of Exchange's folders are told from mail by what
// lies first; the tests of planning see to it that other servers' aren't.
func TestNotMailByName(t *testing.T) {
	for _, name := range []string{"Calendar", "TÂCHES", "Ta\u0302ches", "Contacts suggérés"} {
		if groupwareFolders[foldName(name)] == "" {
			t.Errorf("%s is taken for mail", name)
		}
	}
	for _, name := range []string{"Inbox", "Calendars", "Contact", "Sent"} {
		if kind := groupwareFolders[foldName(name)]; kind != "" {
			t.Errorf("%s is taken for %s", name, kind)
		}
	}
}
