package mail_test

import (
	"errors"
	"regexp"
	"testing"
	"unicode/utf8"

	"bmsync/bmapi/bmsim/internal/mail"
)

func TestDecodeUTF7AsBlueMindDoes(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		fails    bool
	}{
		{in: "INBOX", want: "INBOX"},
		{in: "Dossiers partag&AOk-s", want: "Dossiers partagés"},
		{in: "&U,BTFw-&ZeVnLIqe-", want: "台北\uFFFD日本語"}, // a run right after a run
		{in: "A&-B", want: "A&B"},
		{in: "&2D3eAA-", want: "😀"},
		{in: "AT&T", fails: true},
		{in: "a & b", fails: true},
		{in: "open &AOk", fails: true},
		{in: "&", fails: true},
		{in: "&AOk-&-", want: "é\uFFFD"},
		{in: "&AOk- &-", want: "é &"},
		{in: "&AO!k-", want: "\uFFFDé"},
		{in: "\xc3\xa9", want: "\uFFC3\uFFA9"},
	} {
		got, ok := mail.DecodeUTF7(tc.in)
		if ok == tc.fails || (ok && got != tc.want) {
			t.Errorf("%q: %q, %v; want %q", tc.in, got, ok, tc.want)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	for _, s := range []string{"", "é&", "é &", "Boîte d'envoi", "😀", "&AOk-", "台北", "\x00&\x7f"} {
		f.Add(s)
	}
	runBeforeAmpersand := regexp.MustCompile(`[^ -~]&`)
	f.Fuzz(func(t *testing.T, s string) {
		mail.DecodeUTF7(s) // whatever it holds
		if !utf8.ValidString(s) {
			return
		}
		enc := mail.EncodeUTF7(s)
		for i := range len(enc) {
			if enc[i] < 0x20 || enc[i] > 0x7E {
				t.Fatalf("%q encodes to %q", s, enc)
			}
		}
		got, ok := mail.DecodeUTF7(enc)
		if lost := runBeforeAmpersand.MatchString(s); lost == (ok && got == s) {
			t.Fatalf("%q encodes to %q, which is %q, %v", s, enc, got, ok)
		}
	})
}

func TestEncodeUTF7(t *testing.T) {
	for _, name := range []string{"INBOX", "Éléments envoyés", "A&B", "a & b", "😀/x", "台北", "\x01"} {
		if got, ok := mail.DecodeUTF7(mail.EncodeUTF7(name)); !ok || got != name {
			t.Errorf("%q encodes to %q, which is %q, %v", name, mail.EncodeUTF7(name), got, ok)
		}
	}
	if got := mail.EncodeUTF7("Dossiers partagés/"); got != "Dossiers partag&AOk-s/" {
		t.Error(got)
	}
}

func TestCreateFolder(t *testing.T) {
	s := open(t, "", mail.Options{}, alice, support)
	for _, step := range []struct {
		box        mail.Box
		name, want string
		err        error
	}{
		{alice, "A", "A", nil},
		{alice, "A", "", mail.ErrExists},
		{alice, "A/B/C", "", mail.ErrNoParent},
		{alice, "A/B", "A/B", nil},
		{alice, "x.y", "x.y", nil},
		{alice, "x^y", "x.y", nil},           // a second folder of that name
		{alice, "x^y", "", mail.ErrExists},   // its uid
		{alice, `q"q`, "", mail.ErrName},     //
		{alice, "c\tc", "", mail.ErrName},    //
		{alice, "c\u0085", "", mail.ErrName}, // C1
		{alice, "R&AOk-", "Ré", nil},         // decoded once more
		{alice, "AT&T", "AT&T", nil},         // undecodable: left alone
		{alice, "é&AOk-", "é&AOk-", nil},     // not ASCII: left alone
		{alice, "inbox", "inbox", nil},
		{support, "elsewhere", "", mail.ErrName},
		{support, "support/x", "support/x", nil},
	} {
		f, err := s.CreateFolder(ctx, step.box, step.name)
		if !errors.Is(err, step.err) || f.FullName != step.want {
			t.Errorf("create %q: %q, %v; want %q, %v", step.name, f.FullName, err, step.want, step.err)
		}
	}
}

func TestRenameAndDelete(t *testing.T) {
	s := open(t, "", mail.Options{}, alice, support)
	a, _ := s.CreateFolder(ctx, alice, "A")
	b, _ := s.CreateFolder(ctx, alice, "A/B")
	if _, err := s.RenameFolder(ctx, b.UID, "None/B"); !errors.Is(err, mail.ErrNoParent) {
		t.Errorf("rename under nothing: %v", err)
	}
	got, err := s.RenameFolder(ctx, b.UID, "B^2")
	if err != nil || got.FullName != "B.2" || got.ParentUID != "" || got.UID != b.UID || got.UIDValidity != b.UIDValidity {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	if _, err := s.RenameFolder(ctx, a.UID, "A/A"); !errors.Is(err, mail.ErrNoParent) {
		t.Errorf("rename below itself: %v", err)
	}
	trash := folder(t, s, support, "support/Trash")
	if _, err := s.RenameFolder(ctx, trash.UID, "support/Bin"); !errors.Is(err, mail.ErrProtected) {
		t.Errorf("rename a default folder: %v", err)
	}
	if err := s.DeleteFolder(ctx, trash.UID); !errors.Is(err, mail.ErrProtected) {
		t.Errorf("delete a default folder: %v", err)
	}
	if err := s.DeleteFolder(ctx, a.UID); err != nil {
		t.Error(err)
	}
	if _, _, err := s.FolderByUID(ctx, a.UID); !errors.Is(err, mail.ErrNotFound) {
		t.Errorf("deleted folder: %v", err)
	}
	if box, f, err := s.FolderByUID(ctx, b.UID); err != nil || box != alice || f.FullName != "B.2" {
		t.Errorf("folder by uid: %v %v %v", box, f, err)
	}
}
