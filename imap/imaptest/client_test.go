package imaptest_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"net"
	"slices"
	"strings"
	"testing"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"bmsync/imap/imaptest"
)

func connect(t *testing.T, srv *imaptest.Server, mode imaptest.Mode) *imapclient.Client {
	t.Helper()
	addr, opts := listen(t, srv, mode), &imapclient.Options{TLSConfig: srv.ClientTLS()}
	dial := imapclient.DialTLS
	switch mode {
	case imaptest.StartTLS:
		dial = imapclient.DialStartTLS
	case imaptest.Plain:
		dial = imapclient.DialInsecure
	}
	c, err := dial(addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.Caps() // or the library's own CAPABILITY races with Close
	return c
}

// TestClientReadsCorpusBack has another implementation read everything.
func TestClientReadsCorpusBack(t *testing.T) {
	for _, c := range []struct {
		name string
		mode imaptest.Mode
		opts imaptest.Options
	}{
		{"TLS", imaptest.ImplicitTLS, imaptest.Options{}},
		{"STARTTLS with dots", imaptest.StartTLS, imaptest.Options{Delimiter: '.', Prefix: "INBOX."}},
		{"clear, from files", imaptest.Plain, imaptest.Options{Dir: t.TempDir()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv, ada := newServer(t, c.opts)
			ada.Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: 1, Messages: 120, Emoji: true, OddNames: true, Large: 1 << 20}))
			if err := srv.Err(); err != nil {
				t.Fatal(err)
			}
			client := connect(t, srv, c.mode)
			if err := client.Login("ada@old.example", "pw").Wait(); err != nil {
				t.Fatal(err)
			}
			compareList(t, client, ada)
			for _, m := range ada.Mailboxes() {
				if !m.Options().NoSelect {
					compareMailbox(t, client, m)
				}
			}
			if err := client.Logout().Wait(); err != nil {
				t.Error(err)
			}
			if writes := srv.Journal().Writes(); len(writes) != 0 {
				t.Errorf("reading took writes:\n%s", writes)
			}
		})
	}
}

func compareList(t *testing.T, client *imapclient.Client, u *imaptest.User) {
	t.Helper()
	list, err := client.List("", "*", &everything).Collect()
	if err != nil {
		t.Fatal(err)
	}
	mailboxes := u.Mailboxes()
	if len(list) != len(mailboxes) {
		t.Fatalf("%d mailboxes listed of %d", len(list), len(mailboxes))
	}
	subscribed := u.Subscriptions()
	for i, m := range mailboxes {
		got, opts := list[i], m.Options()
		has := func(attr string) bool { return slices.Contains(got.Attrs, goimap.MailboxAttr(attr)) }
		if got.Mailbox != m.Name() || has(`\Noselect`) != opts.NoSelect || opts.SpecialUse != "" && !has(opts.SpecialUse) ||
			has(`\Subscribed`) != slices.Contains(subscribed, m.Name()) {
			t.Errorf("listed %+v, is %q %+v", got, m.Name(), opts)
		}
		if !opts.NoSelect && (got.Status == nil || int(*got.Status.NumMessages) != m.Len() || got.Status.UIDValidity != m.UIDValidity()) {
			t.Errorf("status of %q: %+v", m.Name(), got.Status)
		}
	}
}

var everything = goimap.ListOptions{
	ReturnSubscribed: true, ReturnSpecialUse: true, ReturnChildren: true,
	ReturnStatus: &goimap.StatusOptions{NumMessages: true, UIDValidity: true, UIDNext: true},
}

func compareMailbox(t *testing.T, client *imapclient.Client, m *imaptest.Mailbox) {
	t.Helper()
	data, err := client.Select(m.Name(), &goimap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatalf("select %q: %v", m.Name(), err)
	}
	if int(data.NumMessages) != m.Len() || data.UIDValidity != m.UIDValidity() || uint32(data.UIDNext) != m.UIDNext() {
		t.Errorf("%q: %+v", m.Name(), data)
	}
	set := goimap.UIDSet{}
	set.AddRange(1, 0)
	got, err := client.Fetch(set, &goimap.FetchOptions{
		UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*goimap.FetchItemBodySection{{Peek: true}},
	}).Collect()
	if err != nil {
		t.Fatalf("fetch %q: %v", m.Name(), err)
	}
	want := m.Messages()
	if len(got) != len(want) {
		t.Fatalf("%q: %d messages of %d", m.Name(), len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		_, gotOffset := g.InternalDate.Zone()
		_, wantOffset := w.InternalDate.Zone()
		if uint32(g.UID) != w.UID || g.RFC822Size != w.Size || !g.InternalDate.Equal(w.InternalDate) || gotOffset != wantOffset ||
			!sameFlags(g.Flags, w.Flags) || sha1.Sum(g.BodySection[0].Bytes) != w.SHA1 {
			t.Errorf("%q: got %d %v %v, want %d %v %v", m.Name(), g.UID, g.Flags, g.InternalDate, w.UID, w.Flags, w.InternalDate)
		}
	}
}

func sameFlags(got []goimap.Flag, want []string) bool {
	var flags []string
	for _, f := range got {
		if f != `\Recent` {
			flags = append(flags, string(f))
		}
	}
	return slices.Equal(flags, want)
}

func TestClientWrites(t *testing.T) {
	srv, ada := newServer(t, imaptest.Options{})
	client := connect(t, srv, imaptest.ImplicitTLS)
	if err := client.Login("ada@old.example", "pw").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := client.Create("Neu/Été", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	body := "Subject: x\r\n\r\n" + strings.Repeat("y", 100_000)
	cmd := client.Append("Neu/Été", int64(len(body)), &goimap.AppendOptions{Flags: []goimap.Flag{`\Seen`, "KeyWord"}, Time: date("2001-02-03 04:05:06 +0530")})
	if _, err := cmd.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	m := ada.Mailbox("Neu/Été")
	got, ok := m.Body(uint32(data.UID))
	if !ok || string(got) != body || data.UIDValidity != m.UIDValidity() {
		t.Errorf("appended %+v, %d octets", data, len(got))
	}
	if msg := m.Messages()[0]; !slices.Equal(msg.Flags, []string{`\Seen`, "KeyWord"}) || !msg.InternalDate.Equal(date("2001-02-03 04:05:06 +0530")) {
		t.Errorf("appended %+v", msg)
	}
	if !ada.Mailbox("Neu").Options().NoSelect {
		t.Error("the parent is selectable")
	}
	if err := client.Rename("Neu", "Alt", nil).Wait(); err != nil || ada.Mailbox("Alt/Été") == nil || m.Name() != "Alt/Été" {
		t.Errorf("rename: %v", err)
	}
	if got := srv.Journal().Writes(); len(got) != 3 || got[0].Verb != "CREATE" {
		t.Errorf("writes:\n%s", got)
	}
}

func TestPlain(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{Masters: map[string]string{"root": "master"}})
	plain := func(parts ...string) string {
		return base64.StdEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
	}
	for _, c := range []struct{ name, response, status string }{
		{"own secret", plain("", "ada@old.example", "pw"), "OK"},
		{"own identity", plain("ADA@old.example", "ada@old.example", "pw"), "OK"},
		{"master", plain("ada@old.example", "root", "master"), "OK"},
		{"wrong master secret", plain("ada@old.example", "root", "pw"), "NO [AUTHENTICATIONFAILED]"},
		{"no master", plain("bob@old.example", "ada@old.example", "pw"), "NO [AUTHENTICATIONFAILED]"},
		{"no such user", plain("bob@old.example", "root", "master"), "NO [AUTHORIZATIONFAILED]"},
		{"master as himself", plain("", "root", "master"), "NO [AUTHENTICATIONFAILED]"},
		{"two parts", plain("a", "b"), "BAD"},
		{"no base64", "!", "BAD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dial(t, srv).status("AUTHENTICATE PLAIN "+c.response, c.status)
			s := dial(t, srv)
			s.send("t AUTHENTICATE PLAIN")
			s.expect("+ ")
			s.send(c.response)
			if line := s.line(); !strings.HasPrefix(line, "t "+c.status) {
				t.Errorf("without initial response: %q", line)
			}
		})
	}
	dial(t, srv).ok(`LOGIN "ada@old.example*root" master`)
	dial(t, srv).status(`LOGIN"root"master`, "BAD")
	dial(t, srv).ok("LOGIN {20+}\r\nada@old.example*root {6+}\r\nmaster")
	for _, e := range srv.Journal() {
		if strings.Contains(e.Line, "master") || strings.Contains(e.Line, plain("", "ada@old.example", "pw")) {
			t.Errorf("the journal tells a secret: %s", e)
		}
	}
}

func TestTLSOnly(t *testing.T) {
	srv, _ := newServer(t, imaptest.Options{})
	conn, err := net.Dial("tcp", listen(t, srv, imaptest.StartTLS))
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, conn)
	c.status("LOGIN ada@old.example pw", "NO [PRIVACYREQUIRED]")
	c.status("AUTHENTICATE PLAIN", "NO [PRIVACYREQUIRED]")
	c.want(c.ok("CAPABILITY"), "* CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE STARTTLS LOGINDISABLED")
	c.send("a STARTTLS\r\nb NOOP")
	c.expect("* BYE Text after STARTTLS")

	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(srv.CAPEM()) {
		t.Error("CAPEM holds no certificate")
	}
	if _, err := srv.Listen(t.Context(), imaptest.Plain, "0.0.0.0:0"); err == nil {
		t.Error("listens beyond the loopback")
	}
}
