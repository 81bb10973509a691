package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bmsync/examples/lab/labtest"
	"bmsync/imap"
)

// A real Dovecot (which adds the old c and d) tells rights, quota and public folders in ways that we
// understand.
func TestLabDovecotRights(t *testing.T) {
	lab := labtest.Open(t)
	ada, password := lab.AddDovecotUser(t, "ada")
	_, domain, _ := strings.Cut(ada, "@")
	body := []labtest.Message{{Body: []byte("Subject: x\r\n\r\n" + strings.Repeat("y", 3000))}}
	lab.WriteMaildir(t, ada, "INBOX", body)
	lab.WriteMaildir(t, ada, "Projets/été", nil)
	lab.WriteMaildir(t, "public@"+domain, "Compta", body)
	lab.SetDovecotACL(t, ada, "INBOX", "user=bob@"+domain+" lrs", "group=staff lrwstipekxa", "anyone l", "-user=cyd@"+domain+" w", "group-override=temps lr")
	open := func(cred imap.Credentials) *imap.Source {
		s, err := imap.DialSource(t.Context(), imap.Server{Addr: lab.DovecotIMAPS, TLS: lab.TLS(t)}, cred, imap.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for name, cred := range map[string]imap.Credentials{
		"as herself":       {Login: ada, Secret: password},
		"as administrator": {Login: lab.DovecotMaster, AuthzID: ada, Secret: lab.DovecotMasterSecret},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(cred)
			list, err := s.ACL(t.Context(), "INBOX")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range list {
				rights := []byte(g.Rights)
				slices.Sort(rights)
				got = append(got, fmt.Sprintf("%v %s %s", g.Negative, strings.TrimSuffix(g.Identifier, "@"+domain), rights))
			}
			slices.Sort(got)
			want := []string{"false !$temps lr", "false $staff acdeiklprstwx", "false ada acdeiklprstwx", "false anyone l", "false bob lrs", "true cyd w"}
			if !slices.Equal(got, want) {
				t.Errorf("list %q, want %q", got, want)
			}
			if list, err := s.ACL(t.Context(), "Projets/été"); err != nil || len(list) != 1 {
				t.Errorf("list of a folder that is nobody else's: %+v, %v", list, err)
			}
			if mine, err := s.MyRights(t.Context(), "Public/Compta"); err != nil || mine != "lrs" {
				t.Errorf("my rights on a public folder: %q, %v", mine, err)
			}
			_, err = s.ACL(t.Context(), "Public/Compta")
			if e := refusal(err); e == nil {
				t.Errorf("the list of a public folder: %v", err)
			}
			if q, ok, err := s.Quota(t.Context(), "INBOX"); err != nil || !ok || q.Limit != 1<<20 || q.Used < 3 {
				t.Errorf("quota %+v, %v, %v", q, ok, err)
			}
			if types, err := s.FolderTypes(t.Context()); err != nil || len(types) > 0 {
				t.Errorf("types %v, %v", types, err)
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// refusal is the error of one command that was refused, nil for any other.
func refusal(err error) *imap.Error {
	if e, ok := err.(*imap.Error); ok && (e.Kind == imap.KindNo || e.Kind == imap.KindBad) {
		return e
	}
	return nil
}
