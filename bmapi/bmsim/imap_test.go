package bmsim_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

// imapClient speaks IMAP as text.
type imapClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	n    int
}

func dialIMAP(t *testing.T, sim *bmsim.Sim, implicit bool) *imapClient {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(sim.CAPEM())
	conf := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	addr := sim.IMAPAddr()
	if implicit {
		addr = sim.IMAPSAddr()
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if implicit {
		conn = tls.Client(conn, conf)
	}
	c := &imapClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.line()
	if !implicit {
		if got, _ := c.do("STARTTLS"); !strings.HasPrefix(got, "OK") {
			t.Fatal(got)
		}
		c.conn = tls.Client(conn, conf)
		c.r = bufio.NewReader(c.conn)
	}
	return c
}

func (c *imapClient) line() string {
	c.t.Helper()
	s, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(s)
}

// do sends a command and returns its tagged answer and the untagged ones.
func (c *imapClient) do(command string) (answer string, untagged []string) {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("a%d", c.n)
	if _, err := c.conn.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return rest, untagged
		}
		untagged = append(untagged, l)
	}
}

// ok is do where OK is a must.
func (c *imapClient) ok(command string) []string {
	c.t.Helper()
	answer, untagged := c.do(command)
	if !strings.HasPrefix(answer, "OK") {
		c.t.Fatalf("%s: %s", command, answer)
	}
	return untagged
}

func (c *imapClient) login(address, secret string) string {
	c.t.Helper()
	answer, _ := c.do(fmt.Sprintf("LOGIN %q %q", address, secret))
	word, _, _ := strings.Cut(answer, " ")
	return word
}

func appendCommand(folder, message string) string {
	return fmt.Sprintf("APPEND %q (\\Seen) \" 7-Feb-2021 22:42:04 +0100\" {%d+}\r\n%s", folder, len(message), message)
}

func TestIMAPSecrets(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	ada := adm.su("ada@example.org")
	k := ada.newKey("token")
	for name, tc := range map[string]struct{ address, secret, want string }{
		"key":         {"ada@example.org", k.SID, "OK"},
		"key, login":  {"ada@" + exampleUID, k.SID, "OK"},
		"password":    {"ada@example.org", "Pa55 word", "OK"},
		"session":     {"countess@example.org", ada.key, "OK"},
		"other's key": {"bob@example.org", k.SID, "NO"},
		"wrong":       {"ada@example.org", "nonsense", "NO"},
		"admin0":      {"admin0", secret, "NO"},
		"archived":    {"gone@example.org", "s3cret!", "NO"},
		"mailshare":   {"support@example.org", k.SID, "NO"},
	} {
		for _, implicit := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/tls=%t", name, implicit), func(t *testing.T) {
				c := dialIMAP(t, sim, implicit)
				if got := c.login(tc.address, tc.secret); got != tc.want {
					t.Errorf("%s, want %s", got, tc.want)
				}
			})
		}
	}
	ada.ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
	if got := dialIMAP(t, sim, true).login("ada@example.org", k.SID); got != "NO" {
		t.Errorf("a deleted key: %s", got)
	}
	for _, e := range sim.Journal().Logins() {
		if strings.Contains(fmt.Sprintf("%+v", e), k.SID) {
			t.Errorf("a secret in %+v", e)
		}
	}
}

func TestAppendIsSeenByRESTAndSurvives(t *testing.T) {
	cfg := config()
	cfg.Dir = t.TempDir()
	sim, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	adm := admin(t, sim)
	k := adm.su("ada@example.org").newKey("token")
	c := dialIMAP(t, sim, true)
	c.login("ada@example.org", k.SID)
	answer, _ := c.do(appendCommand("INBOX", message(7)))
	sum := sha1.Sum([]byte(message(7)))
	if !strings.Contains(answer, "APPENDUID") || !strings.HasSuffix(answer, hex.EncodeToString(sum[:])) {
		t.Fatal(answer)
	}
	c.ok(appendCommand("Dossiers partag&AOk-s/support", message(8)))
	appends := sim.Journal().Appends()
	if len(appends) != 2 || appends[0].SHA1 != hex.EncodeToString(sum[:]) || appends[0].Folder != "INBOX" || appends[0].UID != 1 ||
		appends[1].Folder != "support" || !slices.Equal(appends[0].Flags, []string{`\Seen`}) || appends[0].Late {
		t.Errorf("%+v", appends)
	}
	subtree := "subtree_18f0a_internal!user." + adm.uid("ada")
	was := adm.folder(subtree, "INBOX")
	if was.Value.LastUID != 1 || !strings.Contains(answer, fmt.Sprintf("APPENDUID %d 1]", was.Value.UIDValidity)) {
		t.Errorf("%+v, %s", was, answer)
	}
	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}

	sim = start(t, cfg)
	adm = anonymous(t, sim).with(adm.key)
	if now := adm.folder(subtree, "INBOX"); now.UID != was.UID || now.Value.UIDValidity != was.Value.UIDValidity || now.Value.LastUID != 1 {
		t.Errorf("%+v, was %+v", now, was)
	}
	c = dialIMAP(t, sim, false)
	if got := c.login("ada@example.org", k.SID); got != "OK" {
		t.Fatal(got)
	}
	c.ok(appendCommand("INBOX", message(9)))
	if all := sim.Journal().Appends(); len(all) != 3 || all[2].UID != 2 {
		t.Errorf("%+v", all)
	}
}

func TestSharesOverIMAP(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	list := func(address, secret string) string {
		c := dialIMAP(t, sim, true)
		if got := c.login(address, secret); got != "OK" {
			t.Fatal(got)
		}
		return strings.Join(c.ok(`LIST "" "*"`), "\n")
	}
	if got := list("ada@example.org", "Pa55 word"); !strings.Contains(got, "partag&AOk-s/support") {
		t.Errorf("a subscriber doesn't see it: %s", got)
	}
	if got := list("bob@example.org", "s3cret!"); strings.Contains(got, "support") {
		t.Errorf("seen without a subscription: %s", got)
	}
	bob := dialIMAP(t, sim, true)
	bob.login("bob@example.org", "s3cret!")
	const share = `SELECT "Dossiers partag&AOk-s/support"`
	if answer, _ := bob.do(share); strings.HasPrefix(answer, "OK") {
		t.Errorf("selected without a right: %s", answer)
	}
	var m struct{ UID string }
	adm.ok("GET", "/mailboxes/example.org/_byname?name=support", nil, &m)
	adm.ok("PUT", "/containers/_manage/mailbox:acls-"+m.UID+"/_acl", []ace{{adm.uid("ada"), "Write"}, {adm.uid("bob"), "Read"}}, nil)
	bob.ok(share)
}

func TestLimitsOverIMAP(t *testing.T) {
	cfg := config()
	cfg.MessageSizeLimit = 2000
	cfg.QuotaMemory = -1
	cfg.Domains[0].Users[0].QuotaKiB = 1
	sim := start(t, cfg)
	adm := admin(t, sim)
	c := dialIMAP(t, sim, true)
	c.login("ada@example.org", "Pa55 word")
	c.ok(appendCommand("INBOX", message(1)+strings.Repeat("x", 1500)))
	if answer, _ := c.do(appendCommand("INBOX", message(2))); !strings.HasPrefix(answer, "NO Over quota") {
		t.Errorf("%s", answer)
	}
	ada := adm.uid("ada")
	body := user("ada", emails("ada@example.org")+`,"quota":100`)
	adm.ok("POST", "/users/example.org/"+ada, body, nil)
	c.ok(appendCommand("INBOX", message(2)))

	sim.SetMessageSizeLimit(50)
	again := dialIMAP(t, sim, true)
	again.login("ada@example.org", "Pa55 word")
	fmt.Fprintf(again.conn, "a9 %s\r\n", appendCommand("INBOX", strings.Repeat("x", 60)))
	if got := again.line(); !strings.Contains(got, "ALERT") {
		t.Errorf("%s", got)
	}
}

func TestIMAPFaults(t *testing.T) {
	sim := start(t, config())
	if err := sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.DropStored, Times: 1}); err != nil {
		t.Fatal(err)
	}
	c := dialIMAP(t, sim, true)
	c.login("ada@example.org", "Pa55 word")
	fmt.Fprintf(c.conn, "a9 %s\r\n", appendCommand("INBOX", message(1)))
	if l, err := c.r.ReadString('\n'); err == nil && !strings.HasPrefix(l, "* ") && !strings.HasPrefix(l, "+ ") {
		t.Errorf("an answer: %s", l)
	}
	all := sim.Journal().Appends()
	if len(all) != 1 || !all[0].Unanswered || all[0].Fault != bmsim.DropStored {
		t.Errorf("%+v", all)
	}
	if err := sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: "nonsense"}); err == nil {
		t.Error("any kind is taken")
	}
	if err := sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.Lost}); err != nil {
		t.Fatal(err)
	}
	sim.Faults().Clear()
	c = dialIMAP(t, sim, true)
	c.login("ada@example.org", "Pa55 word")
	c.ok(appendCommand("INBOX", message(2)))
	if n := len(sim.Journal().Appends()); n != 2 {
		t.Errorf("%d appends", n)
	}
}
