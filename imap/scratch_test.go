package imap_test

import (
	"bytes"
	"crypto/sha1"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

func scratchMessage(text string, at time.Time) imap.Append {
	return imap.Append{Body: bytes.NewReader([]byte(text)), Size: int64(len(text)), InternalDate: at}
}

func TestScratchComesAndGoes(t *testing.T) {
	at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.FixedZone("", 3600))
	for name, q := range map[string]imaptest.Quirks{
		"by the book":     {},
		"one by one only": {Without: []string{"MULTIAPPEND"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, server := oldServer(t, imaptest.Options{}, q)
			d, err := imap.DialTarget(t.Context(), server, imap.Token{Address: ada.Login, Secret: ada.Secret}, imap.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			texts := []string{"Subject: one\r\n\r\n1\r\n", "Subject: caf\xe9\r\n\r\n2\r\n"}
			got, err := d.Scratch(t.Context(), "probe", []imap.Append{scratchMessage(texts[0], at), scratchMessage(texts[1], at.Add(time.Hour))})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range got {
				if want := sha1.Sum([]byte(texts[i])); r.Err != nil || r.UID == 0 || r.Stored != want || !r.InternalDate.Equal(at.Add(time.Duration(i)*time.Hour)) {
					t.Errorf("%d: %+v", i, r)
				}
			}
			if srv.User(ada.Login).Mailbox("probe") == nil {
				t.Error("it isn't there while it is looked at")
			}
			for range 2 { // the second time there is nothing to do
				if err := d.DropScratch(t.Context(), "probe"); err != nil {
					t.Error(err)
				}
			}
			if srv.User(ada.Login).Mailbox("probe") != nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestScratchTellsWhatIsRefused(t *testing.T) {
	_, server := oldServer(t, imaptest.Options{}, imaptest.Quirks{Refuse: func(m imaptest.Message) string {
		if bytes.Contains(m.Body, []byte("\xe9")) {
			return "NO Message contains invalid header"
		}
		return ""
	}})
	d, err := imap.DialTarget(t.Context(), server, imap.Token{Address: ada.Login, Secret: ada.Secret}, imap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := d.Scratch(t.Context(), "probe", []imap.Append{scratchMessage("Subject: caf\xe9\r\n\r\n", time.Time{}), scratchMessage("Subject: x\r\n\r\n", time.Time{})})
	if err != nil || got[0].Err == nil || got[0].UID != 0 || got[1].Err != nil || got[1].UID == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.DropScratch(t.Context(), "probe"); err != nil {
		t.Error(err)
	}
	if _, err := d.Scratch(t.Context(), "INBOX", nil); err == nil {
		t.Error("a folder of the user was taken for a scratch folder")
	}
}

func TestScratchSeesChangedOctets(t *testing.T) {
	_, server := oldServer(t, imaptest.Options{}, imaptest.Quirks{Munge: true})
	d, err := imap.DialTarget(t.Context(), server, imap.Token{Address: ada.Login, Secret: ada.Secret}, imap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got, err := d.Scratch(t.Context(), "probe", []imap.Append{scratchMessage("Subject: caf\xe9\r\n\r\n", time.Time{})})
	if want := sha1.Sum([]byte("Subject: cafX\r\n\r\n")); err != nil || got[0].Stored != want {
		t.Errorf("%+v, %v", got, err)
	}
}
