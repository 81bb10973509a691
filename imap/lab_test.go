package imap_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
)

// A real Dovecot, read by us, holds what an independent client finds there.
func TestLabDovecotAsASource(t *testing.T) {
	lab := labtest.Open(t)
	login, password := lab.AddDovecotUser(t, "reader")
	date := time.Date(2001, 9, 9, 1, 46, 40, 0, time.UTC)
	folders := []string{"INBOX", "R&D/Été 😀", `say "hi"`}
	for _, f := range folders {
		var msgs []labtest.Message
		for i := range 230 {
			body := fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat(")\r\nB1 OK {3}\r\n", i))
			msgs = append(msgs, labtest.Message{Body: []byte(body), Flags: []string{`\Seen`}, InternalDate: date.Add(time.Duration(i) * time.Hour)})
		}
		lab.WriteMaildir(t, login, f, msgs)
	}
	lab.Subscribe(t, login, "R&D/Été 😀")
	want, err := labtest.Read(t.Context(), labtest.Login{Addr: lab.DovecotIMAP, User: login, Secret: password})
	if err != nil {
		t.Fatal(err)
	}
	for name, enter := range map[string]struct {
		server imap.Server
		cred   imap.Credentials
	}{
		"TLS":              {imap.Server{Addr: lab.DovecotIMAPS, TLS: lab.TLS(t)}, imap.Credentials{Login: login, Secret: password}},
		"STARTTLS":         {imap.Server{Addr: lab.DovecotIMAP, Security: imap.StartTLS, TLS: lab.TLS(t)}, imap.Credentials{Login: login, Secret: password}},
		"as administrator": {imap.Server{Addr: lab.DovecotIMAPS, TLS: lab.TLS(t)}, imap.Credentials{Login: lab.DovecotMaster, AuthzID: login, Secret: lab.DovecotMasterSecret}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := imap.DialSource(t.Context(), enter.server, enter.cred, imap.Options{Name: "dovecot"})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			boxes, err := s.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			for _, b := range boxes {
				if b.Has(`\Noselect`) {
					continue
				}
				seen++
				if b.Has(`\Subscribed`) != (b.Name == "R&D/Été 😀") {
					t.Errorf("subscriptions: %+v", b)
				}
				compareFolder(t, s, b.Name, want[b.Name])
			}
			if seen != len(folders) {
				t.Errorf("listed %+v", boxes)
			}
			if r := s.Repairs(); len(r) > 0 {
				t.Errorf("repairs %v", r)
			}
		})
	}
}

func compareFolder(t *testing.T, s *imap.Source, name string, want []labtest.Item) {
	t.Helper()
	st, err := s.Examine(t.Context(), name)
	if err != nil || !st.ReadOnly || int(st.Messages) != len(want) || st.HighestModSeq == 0 {
		t.Errorf("%q: %+v, %v; %d messages are there", name, st, err, len(want))
	}
	var uids []uint32
	i := 0
	err = s.Messages(t.Context(), 1, 0, func(m imap.Message) error {
		w := want[i]
		if m.UID != w.UID || m.Size != w.Size || !m.InternalDate.Equal(w.InternalDate) || !slices.Equal(m.Flags, w.Flags) {
			t.Errorf("%q: got %+v, want %+v", name, m, w)
		}
		uids = append(uids, m.UID)
		i++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sums := map[uint32]string{}
	err = s.Fetch(t.Context(), uids, func(uid uint32, size int64, body io.Reader) error {
		h := sha256.New()
		if n, err := io.Copy(h, body); err != nil || n != size {
			return fmt.Errorf("%d octets of %d: %w", n, size, err)
		}
		sums[uid] = hex.EncodeToString(h.Sum(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if sums[w.UID] != w.SHA256 {
			t.Errorf("%q: UID %d has other octets", name, w.UID)
		}
	}
}
