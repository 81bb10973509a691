package imap

import (
	"maps"
	"reflect"
	"testing"
)

func TestACL(t *testing.T) {
	s := source(t, "ACL", func(p *peer) {
		p.answer(`GETACL "INBOX"`, `* ACL INBOX ada lrswipkxtea bob lrs -cyd w "group:staff" lrswi $adm "lr" anyone ""`)
		p.answer(`GETACL "&AOk-"`, `* ACL "&AOk-" {3}`, `zoe lrs "-a b" r`)
		p.answer(`GETACL "none"`)
		p.answer(`GETACL "odd"`, `* ACL odd bob`)
		p.answer(`GETACL "odd"`, `* ACL odd (x y)`, `* ACL2 odd a b`)
		p.send(p.expect(`GETACL "no"`), "$ NO [NOPERM] you are not an administrator here")
		p.answer("NOOP")
		p.bye()
	})
	for _, test := range []struct {
		mailbox string
		want    []Grant
	}{
		{"inbox", []Grant{{"ada", "lrswipkxtea", false}, {"bob", "lrs", false}, {"cyd", "w", true}, {"group:staff", "lrswi", false}, {"$adm", "lr", false}, {"anyone", "", false}}},
		{"é", []Grant{{"zoe", "lrs", false}, {"a b", "r", true}}},
		{"none", nil},
		{"odd", []Grant{{"bob", "", false}}},
		{"odd", nil},
	} {
		if got, err := s.ACL(t.Context(), test.mailbox); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, %v", test.mailbox, got, err)
		}
	}
	_, err := s.ACL(t.Context(), "no")
	if e := wantError(t, err, KindNo); e.Code != "NOPERM" {
		t.Errorf("got %+v", e)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMyRights(t *testing.T) {
	s := source(t, "ACL", func(p *peer) {
		p.answer(`MYRIGHTS "Public/x"`, `* MYRIGHTS Public/x lrs`)
		p.answer(`MYRIGHTS "y"`, `* MYRIGHTS "y" ""`)
		p.send(p.expect(`MYRIGHTS "z"`), "$ BAD what")
		p.bye()
	})
	for _, test := range [][2]string{{"Public/x", "lrs"}, {"y", ""}} {
		if got, err := s.MyRights(t.Context(), test[0]); err != nil || got != test[1] {
			t.Errorf("%s: got %q, %v", test[0], got, err)
		}
	}
	_, err := s.MyRights(t.Context(), "z")
	wantError(t, err, KindBad)
}

func TestQuota(t *testing.T) {
	s := source(t, "QUOTA", func(p *peer) {
		p.answer(`GETQUOTAROOT "INBOX"`, `* QUOTAROOT INBOX "User quota" ""`, `* QUOTA "User quota" (MESSAGE 3 100 STORAGE 10 5242880)`, `* QUOTA "" (STORAGE 12 1000)`)
		p.answer(`GETQUOTAROOT "none"`, `* QUOTAROOT none`)
		p.answer(`GETQUOTAROOT "count"`, `* QUOTAROOT count x`, `* QUOTA x (MESSAGE 3 100)`)
		p.answer(`GETQUOTAROOT "empty"`, `* QUOTA x ()`)
		p.answer(`GETQUOTAROOT "odd"`, `* QUOTA x (STORAGE lots 1)`, `* QUOTA x STORAGE 1 2`, `* QUOTA x (STORAGE -1 1)`)
		p.send(p.expect(`GETQUOTAROOT "no"`), "$ NO none")
		p.bye()
	})
	if q, ok, err := s.Quota(t.Context(), "INBOX"); err != nil || !ok || q != (StorageQuota{12, 1000}) {
		t.Errorf("got %+v, %v, %v", q, ok, err)
	}
	for _, name := range []string{"none", "count", "empty", "odd"} {
		if q, ok, err := s.Quota(t.Context(), name); err != nil || ok || q != (StorageQuota{}) {
			t.Errorf("%s: got %+v, %v, %v", name, q, ok, err)
		}
	}
	_, _, err := s.Quota(t.Context(), "no")
	wantError(t, err, KindNo)
}

func TestFolderTypes(t *testing.T) {
	for name, c := range map[string]struct {
		caps   string
		script func(p *peer)
		want   map[string]string
	}{
		"METADATA": {"METADATA", func(p *peer) {
			p.answer(`GETMETADATA "\*" \(/shared/vendor/kolab/folder-type /private/vendor/kolab/folder-type\)`,
				`* METADATA "Calendrier" (/shared/vendor/kolab/folder-type "event" /private/vendor/kolab/folder-type "event.default")`,
				`* METADATA "&AOk-" ("/shared/vendor/kolab/folder-type" contact)`, `* METADATA INBOX (/shared/vendor/kolab/folder-type NIL)`, `* METADATA x`, `* METADATA y (z)`)
		}, map[string]string{"Calendrier": "event.default", "é": "contact"}},
		"its predecessor": {"ANNOTATEMORE", func(p *peer) {
			p.answer(`GETANNOTATION "\*" "/vendor/kolab/folder-type" \("value.shared" "value.priv"\)`, `* ANNOTATION "Tasks" "/vendor/kolab/folder-type" ("value.shared" "task.default" "value.priv" NIL)`)
		}, map[string]string{"Tasks": "task.default"}},
		"refused": {"METADATA", func(p *peer) { p.send(p.expect("GETMETADATA.*"), "$ NO no such mailbox") }, nil},
		"neither": {"", func(*peer) {}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, c.caps, func(p *peer) { c.script(p); p.answer("NOOP"); p.bye() })
			if got, err := s.FolderTypes(t.Context()); err != nil || !maps.Equal(got, c.want) {
				t.Errorf("got %v, %v", got, err)
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGreeting(t *testing.T) {
	s, err := DialSource(t.Context(), plainServer, testLogin, scripted(t, func(p *peer) {
		p.send("", "* OK [CAPABILITY IMAP4rev1] The Microsoft Exchange IMAP4 service is ready.")
		p.answer("LOGIN .*")
		p.answer("CAPABILITY", "* CAPABILITY IMAP4rev1")
		p.bye()
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Greeting(); got != "The Microsoft Exchange IMAP4 service is ready." {
		t.Errorf("greeting %q", got)
	}
}
