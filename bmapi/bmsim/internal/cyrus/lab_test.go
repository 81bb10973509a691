package cyrus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim/internal/mail"
	"bmsync/examples/lab/labtest"
)

const secret = "what the administrator says"

// start gives a Server at the lab's Cyrus, with the saslauthd socket answered:
// each user's secret is its login and "-key".
func start(t *testing.T) (*labtest.Lab, *Server) {
	t.Helper()
	lab := labtest.Open(t)
	serveAuth(t, lab.CyrusSaslauthd, AuthConfig{
		Admin: lab.CyrusAdmin, AdminSecret: secret,
		Auth: func(_ context.Context, login, _, secret string) error {
			if secret != login+"-key" {
				return errors.New("wrong")
			}
			return nil
		},
	})
	s := New(Config{
		Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: secret, ConfPath: lab.CyrusConf,
		SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID,
	})
	t.Cleanup(func() { s.Close() })
	return lab, s
}

// run sends one command as somebody and gives its data, or its refusal.
func run(t *testing.T, s *Server, as, command string) string {
	t.Helper()
	var data []string
	err := s.pool.with(t.Context(), as, func(c *client) error {
		return c.do(t.Context(), func(v []value) error {
			data = append(data, write(v))
			return nil
		}, "%s", command)
	})
	if err != nil {
		return err.Error()
	}
	return strings.Join(data, "; ")
}

// add appends one message as somebody.
func add(t *testing.T, s *Server, as, folder, flags, text string) {
	t.Helper()
	got := run(t, s, as, fmt.Sprintf("APPEND %s (%s) \" 7-Feb-2021 22:42:04 +0100\" {%d+}\r\n%s", quote(folder), flags, len(text), text))
	if strings.Contains(got, "APPEND:") {
		t.Fatal(got)
	}
}

func fullNames(folders []mail.Folder) string {
	var names []string
	for _, f := range folders {
		names = append(names, f.FullName)
	}
	return strings.Join(names, " ")
}

func TestUserBox(t *testing.T) {
	lab, s := start(t)
	ada := mail.Box{Domain: lab.Domain(t), EntryUID: "E1", Kind: mail.KindUser, Name: "ada.b"}
	for range 2 { // repeating it is harmless
		if err := s.Create(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
	}
	owner := s.owner(ada)
	t.Run("has the default folders", func(t *testing.T) {
		folders, err := s.Folders(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		if got := fullNames(folders); got != "Drafts INBOX Junk Outbox Sent Templates Trash" {
			t.Errorf("folders %s", got)
		}
		for _, f := range folders {
			if f.UID == "" || f.UIDValidity == 0 || f.ID == 0 || f.ParentUID != "" {
				t.Errorf("folder %+v", f)
			}
		}
	})
	t.Run("has their special uses", func(t *testing.T) {
		got := run(t, s, owner, `XLIST "" "*"`)
		for _, want := range []string{`\Sent) "/" Sent`, `\Trash) "/" Trash`, `\Drafts) "/" Drafts`, `\Junk) "/" Junk`, `HasNoChildren) "/" Outbox`} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
	})
	t.Run("is subscribed to them", func(t *testing.T) {
		if got := run(t, s, owner, `LSUB "" "*"`); strings.Count(got, "LSUB") != 6 {
			t.Error(got)
		}
	})
	t.Run("is in its domain's partition", func(t *testing.T) {
		got := run(t, s, "", `GETMETADATA `+quote(internal(ada, "Sent"))+` (/shared/vendor/cmu/cyrus-imapd/partition)`)
		if !strings.Contains(got, s.partition(ada.Domain)) {
			t.Error(got)
		}
	})
	t.Run("opens for its user alone", func(t *testing.T) {
		l := labtest.Login{Addr: lab.CyrusIMAPS, Security: labtest.TLS, TLS: lab.TLS(t), User: owner, Secret: "ada.b-key"}
		account, err := labtest.Read(t.Context(), l)
		if _, there := account["INBOX"]; err != nil || !there {
			t.Errorf("read %v, %v", account, err)
		}
		l.Secret = "wrong"
		if _, err := labtest.Read(t.Context(), l); err == nil {
			t.Error("a wrong secret opens it")
		}
	})
	t.Run("has the quota it is given", func(t *testing.T) {
		if err := s.SetQuota(t.Context(), ada, 2048); err != nil {
			t.Fatal(err)
		}
		if got := run(t, s, owner, "GETQUOTAROOT INBOX"); !strings.Contains(got, "(STORAGE 0 2048)") {
			t.Error(got)
		}
		if err := s.SetQuota(t.Context(), ada, 0); err != nil {
			t.Fatal(err)
		}
		if got := run(t, s, owner, "GETQUOTAROOT INBOX"); strings.Contains(got, "STORAGE") {
			t.Error(got)
		}
	})
	t.Run("is gone when dropped", func(t *testing.T) {
		for range 2 {
			if err := s.Drop(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
		}
		if folders, err := s.Folders(t.Context(), ada); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("%v, %v", folders, err)
		}
		if err := s.SetQuota(t.Context(), ada, 1); !errors.Is(err, mail.ErrNotFound) {
			t.Error(err)
		}
	})
}

// TestDomainsInQuickSuccession opens each new domain's box at the port that the
// Server does not use itself: Cyrus's processes there must know the partition too.
func TestDomainsInQuickSuccession(t *testing.T) {
	lab, s := start(t)
	for range 8 {
		box := mail.Box{Domain: lab.Domain(t), EntryUID: "E1", Kind: mail.KindUser, Name: "ada"}
		if err := s.Create(t.Context(), box); err != nil {
			t.Fatal(err)
		}
		l := labtest.Login{Addr: lab.CyrusIMAPS, Security: labtest.TLS, TLS: lab.TLS(t), User: s.owner(box), Secret: "ada-key"}
		if _, err := labtest.Read(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
}

func TestView(t *testing.T) {
	lab, s := start(t)
	ada := mail.Box{Domain: lab.Domain(t), EntryUID: "E1", Kind: mail.KindUser, Name: "ada"}
	if err := s.Create(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	owner := s.owner(ada)
	const text = "Message-ID: <one@x>\r\nSubject: =?utf-8?q?h=C3=A9?=\r\n\r\nbody\r\n"
	add(t, s, owner, "INBOX", `\Seen $Forwarded`, text)
	add(t, s, owner, "INBOX", ``, "Subject: two\r\n\r\n")
	if got := run(t, s, owner, "CREATE "+quote(mail.EncodeUTF7("Été/deep & more"))); got != "" {
		t.Fatal(got)
	}
	folders, err := s.Folders(t.Context(), ada)
	if err != nil {
		t.Fatal(err)
	}
	if got := fullNames(folders); got != "Drafts INBOX Junk Outbox Sent Templates Trash Été Été/deep & more" {
		t.Fatalf("folders %s", got)
	}
	inbox, deep := folders[1], folders[8]
	if deep.ParentUID != folders[7].UID || deep.Name != "deep & more" || inbox.LastUID != 2 {
		t.Errorf("%+v, %+v", deep, inbox)
	}
	if box, f, err := s.FolderByUID(t.Context(), deep.UID); err != nil || box != ada || f != deep {
		t.Errorf("%v, %v, %v", box, f, err)
	}
	if _, _, err := s.FolderByUID(t.Context(), "nothing"); !errors.Is(err, mail.ErrNotFound) {
		t.Error(err)
	}
	records := func() []mail.Record {
		t.Helper()
		rs, err := s.Records(t.Context(), inbox.UID)
		if err != nil {
			t.Fatal(err)
		}
		return rs
	}
	first := records()
	if len(first) != 2 {
		t.Fatalf("records %+v", first)
	}
	r := first[0]
	if r.UID != 1 || r.Size != int64(len(text)) || strings.Join(r.Flags, " ") != `$Forwarded \Seen` || r.Subject != "hé" ||
		r.MessageID != "<one@x>" || r.InternalDate.Unix() != 1612734124 || len(r.SHA1) != 40 || r.Expunged {
		t.Errorf("record %+v", r)
	}
	body, n, err := s.Body(t.Context(), inbox.UID, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); err != nil || string(got) != text || n != int64(len(text)) {
		t.Errorf("body %q, %d, %v", got, n, err)
	}
	if _, _, err := s.Body(t.Context(), inbox.UID, 77); !errors.Is(err, mail.ErrNotFound) {
		t.Error(err)
	}
	if used, err := s.Used(t.Context(), ada); err != nil || used != int64(len(text)+16) {
		t.Errorf("used %d, %v", used, err)
	}

	t.Run("follows flags, new messages and expunges", func(t *testing.T) {
		err := s.pool.with(t.Context(), owner, func(c *client) error {
			return errors.Join(c.do(t.Context(), nil, "SELECT INBOX"), c.do(t.Context(), nil, `UID STORE 2 +FLAGS.SILENT (\Flagged)`),
				c.do(t.Context(), nil, `UID STORE 1 +FLAGS.SILENT (\Deleted)`), c.do(t.Context(), nil, "UID EXPUNGE 1"))
		})
		if err != nil {
			t.Fatal(err)
		}
		add(t, s, owner, "INBOX", ``, "Subject: three\r\n\r\n")
		now := records()
		if len(now) != 3 || !now[0].Expunged || now[0].Version <= r.Version || now[1].Expunged ||
			!slices.Contains(now[1].Flags, `\Flagged`) || now[2].Subject != "three" {
			t.Errorf("records %+v", now)
		}
		if slices.Contains(first[1].Flags, `\Flagged`) {
			t.Error("what was handed out has changed")
		}
		if again := records(); fmt.Sprint(again) != fmt.Sprint(now) {
			t.Errorf("records %+v, though nothing happened", again)
		}
	})
	t.Run("sees a folder that was made anew as another", func(t *testing.T) {
		if got := run(t, s, owner, "DELETE "+quote(mail.EncodeUTF7("Été/deep & more"))); got != "" {
			t.Fatal(got)
		}
		if _, err := s.Records(t.Context(), deep.UID); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("a deleted folder has records: %v", err)
		}
		if _, _, err := s.FolderByUID(t.Context(), deep.UID); !errors.Is(err, mail.ErrNotFound) {
			t.Errorf("a deleted folder is found: %v", err)
		}
	})
}

func TestMailshare(t *testing.T) {
	lab, s := start(t)
	domain := lab.Domain(t)
	ada := mail.Box{Domain: domain, EntryUID: "E1", Kind: mail.KindUser, Name: "ada"}
	eve := mail.Box{Domain: domain, EntryUID: "E3", Kind: mail.KindUser, Name: "eve"}
	share := mail.Box{Domain: domain, EntryUID: "E2", Kind: mail.KindMailshare, Name: "ventes"}
	for _, box := range []mail.Box{ada, eve, share, share} {
		if err := s.Create(t.Context(), box); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Grant(t.Context(), share, s.owner(ada), WriteAccess); err != nil {
		t.Fatal(err)
	}
	if err := s.Grant(t.Context(), share, s.owner(eve), ReadAccess); err != nil {
		t.Fatal(err)
	}
	prefix := "Dossiers partag&AOk-s/"
	add(t, s, s.owner(ada), prefix+"ventes", `\Seen work`, "Subject: one\r\n\r\n")
	add(t, s, s.owner(ada), prefix+"ventes/Sent", ``, "Subject: two\r\n\r\n")
	if got := run(t, s, s.owner(eve), fmt.Sprintf("APPEND %s () {2+}\r\n\r\n", quote(prefix+"ventes"))); !strings.Contains(got, "Permission denied") {
		t.Errorf("who may only read may write: %s", got)
	}
	if got := run(t, s, s.owner(eve), "EXAMINE "+quote(prefix+"ventes/Trash")); strings.Contains(got, "EXAMINE:") {
		t.Error(got)
	}
	folders, err := s.Folders(t.Context(), share)
	if err != nil {
		t.Fatal(err)
	}
	if got := fullNames(folders); got != "ventes ventes/Sent ventes/Trash" || folders[1].ParentUID != folders[0].UID {
		t.Fatalf("folders %+v", folders)
	}
	records, err := s.Records(t.Context(), folders[0].UID)
	if err != nil || len(records) != 1 || strings.Join(records[0].Flags, " ") != `\Seen work` {
		t.Errorf("records %+v, %v", records, err)
	}
	if err := s.Grant(t.Context(), share, s.owner(eve), NoAccess); err != nil {
		t.Fatal(err)
	}
	if got := run(t, s, s.owner(eve), "EXAMINE "+quote(prefix+"ventes")); !strings.Contains(got, "EXAMINE:") {
		t.Error("rights that were taken are still there")
	}
	if err := s.Drop(t.Context(), share); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Folders(t.Context(), share); !errors.Is(err, mail.ErrNotFound) {
		t.Error(err)
	}
}

func TestWithoutCyrus(t *testing.T) {
	s := New(Config{Addr: "127.0.0.1:1", Admin: "admin0"})
	if _, err := s.Folders(t.Context(), mail.Box{Kind: mail.KindUser, Name: "a", Domain: "b"}); err == nil || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
	if err := s.Create(t.Context(), mail.Box{Kind: mail.KindUser, Name: "a", Domain: "b"}); err == nil {
		t.Error("a box without a Cyrus")
	}
}
