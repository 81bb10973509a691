package labtest

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Lab is a running lab, as its lab.json describes it (see README.md beside it).
type Lab struct {
	Dir    string `json:"dir"`
	CAFile string `json:"ca_file"`

	DovecotIMAP         string `json:"dovecot_imap"`  // plain, STARTTLS
	DovecotIMAPS        string `json:"dovecot_imaps"` // implicit TLS
	DovecotUsers        string `json:"dovecot_users"`
	DovecotHome         string `json:"dovecot_home"`
	DovecotMaster       string `json:"dovecot_master"`
	DovecotMasterSecret string `json:"dovecot_master_secret"`
	DovecotPID          int    `json:"dovecot_pid"`

	CyrusIMAP      string `json:"cyrus_imap"`  // plain, STARTTLS
	CyrusIMAPS     string `json:"cyrus_imaps"` // implicit TLS
	CyrusAdmin     string `json:"cyrus_admin"`
	CyrusSaslauthd string `json:"cyrus_saslauthd"` // socket that somebody must answer
	CyrusConf      string `json:"cyrus_conf"`
	CyrusSpool     string `json:"cyrus_spool"`
	CyrusMeta      string `json:"cyrus_meta"`
	CyrusPID       int    `json:"cyrus_pid"`

	Conversations bool `json:"conversations"`
	Munge8Bit     bool `json:"munge8bit"`

	domain string // of the source users of this test
}

// Open gives the lab that BMSYNC_LAB names. Without the variable the test is
// skipped, or fails where BMSYNC_LAB_REQUIRED is 1; a lab that does not answer
// fails it in any case.
func Open(t testing.TB) *Lab {
	t.Helper()
	path := os.Getenv("BMSYNC_LAB")
	if path == "" {
		const why = "BMSYNC_LAB is not set: examples/lab/up starts the servers"
		if os.Getenv("BMSYNC_LAB_REQUIRED") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("BMSYNC_LAB: %v", err)
	}
	lab := &Lab{}
	if err := json.Unmarshal(data, lab); err != nil {
		t.Fatalf("BMSYNC_LAB: %s: %v", path, err)
	}
	for _, addr := range []string{lab.DovecotIMAP, lab.CyrusIMAP} {
		conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
		if err != nil {
			t.Fatalf("BMSYNC_LAB: %s: the servers do not run: %v", path, err)
		}
		conn.Close()
	}
	lab.domain = lab.Domain(t)
	return lab
}

// Domain invents a domain name that no other test has.
func (lab *Lab) Domain(t testing.TB) string {
	t.Helper()
	var b [5]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return "t" + hex.EncodeToString(b[:]) + ".example"
}

// TLS trusts the lab's own authority.
func (lab *Lab) TLS(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(lab.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", lab.CAFile)
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// AddDovecotUser makes a user of the source, with an empty mailbox. The name gets
// a domain of this test's own unless it has one.
func (lab *Lab) AddDovecotUser(t testing.TB, name string) (login, password string) {
	t.Helper()
	login = strings.ToLower(name)
	if !strings.Contains(login, "@") {
		login += "@" + lab.domain
	}
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	password = hex.EncodeToString(b[:])
	f, err := os.OpenFile(lab.DovecotUsers, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	// One write: other tests append to the same file, Dovecot reads it meanwhile.
	_, err = f.WriteString(login + ":{PLAIN}" + password + "\n")
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		t.Fatal(err)
	}
	lab.awaitUser(t, login, password)
	return login, password
}

// awaitUser waits until Dovecot knows a new user: it looks at the file once in
// a second at the most, and somebody else may have made it look just before.
func (lab *Lab) awaitUser(t testing.TB, login, password string) {
	t.Helper()
	var err error
	for range 5 {
		var c *client
		if c, err = dial(t.Context(), Login{Addr: lab.DovecotIMAP, User: login, Secret: password}); err == nil {
			c.close()
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("Dovecot doesn't know %s: %v", login, err)
}

// home is where Dovecot keeps a user's mail.
func (lab *Lab) home(login string) string {
	local, domain, _ := strings.Cut(login, "@")
	return strings.NewReplacer("%d", domain, "%n", local).Replace(lab.DovecotHome)
}
