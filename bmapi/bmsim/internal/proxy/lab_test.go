package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim/internal/cyrus"
	"bmsync/bmapi/bmsim/internal/mail"
	"bmsync/bmapi/bmsim/internal/proxy"
	"bmsync/examples/lab/labtest"
)

// TestInFrontOfCyrus goes the whole way of a BlueMind 4 login: proxy, Cyrus,
// saslauthd socket.
func TestInFrontOfCyrus(t *testing.T) {
	lab := labtest.Open(t)
	ctx, cancel := context.WithCancel(context.Background())
	ln, err := cyrus.ListenAuth(ctx, lab.CyrusSaslauthd)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- cyrus.ServeAuth(ctx, ln, cyrus.AuthConfig{
			Admin: lab.CyrusAdmin, AdminSecret: "root",
			Auth: func(_ context.Context, _, _, secret string) error {
				if secret != `s 3cret"` {
					return errors.New("wrong")
				}
				return nil
			},
		})
	}()
	server := cyrus.New(cyrus.Config{
		Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: "root", ConfPath: lab.CyrusConf,
		SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID,
	})
	t.Cleanup(func() {
		server.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	box := mail.Box{Domain: lab.Domain(t), EntryUID: "E1", Kind: mail.KindUser, Name: "ada"}
	if err := server.Create(t.Context(), box); err != nil {
		t.Fatal(err)
	}
	s := start(t, true, lab.CyrusIMAP, func(c *proxy.Config) {
		decide := c.Decide
		c.Decide = func(ctx context.Context, address, secret string) (proxy.Decision, error) {
			d, err := decide(ctx, address, secret)
			d.Login = "ada@" + box.Domain
			return d, err
		}
	})
	w := dial(t, s, true)
	w.talk("S: * OK IMAP4 ready", `C: a1 LOGIN ada@one.example "s 3cret\""`)
	answer, err := w.r.ReadString('\n')
	if err != nil || !strings.HasPrefix(answer, "a1 OK [CAPABILITY IMAP4rev1 ") || !strings.Contains(answer, " MULTIAPPEND ") {
		t.Errorf("answer %q, %v", answer, err)
	}
	w.talk(`C: a2 APPEND Sent (\Seen) {16+}`, "C: Subject: one\r\n", "C: ")
	if answer, err = w.r.ReadString('\n'); err != nil || !strings.HasPrefix(answer, "a2 OK [APPENDUID ") {
		t.Errorf("answer %q, %v", answer, err)
	}
	account, err := labtest.Read(t.Context(), labtest.Login{
		Addr: s.addr, Security: labtest.TLS, TLS: s.client, User: "Ada@One.example", Secret: `s 3cret"`,
	})
	if err != nil || len(account["Sent"]) != 1 || account["Sent"][0].Size != 16 {
		t.Errorf("read %v, %v", account, err)
	}
}
