package migrate_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/migrate"
)

// munges says whether the lab's Cyrus replaces bytes above 127 in headers.
func munges(t *testing.T, lab *labtest.Lab) bool {
	t.Helper()
	conf, err := os.ReadFile(lab.CyrusConf)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(conf), "munge8bit: yes")
}

// A real Cyrus passes the rules that only it can show.
func TestLabProbeOfBlueMind4(t *testing.T) {
	w, lab := labWorldOf(t, bmsim.Domain{Users: []bmsim.User{{Login: "ada"}, {Login: "bruno"}}}, "ada", "bruno", "chloe")
	for _, row := range w.rows {
		lab.WriteMaildir(t, row.Login, "INBOX", []labtest.Message{{Body: []byte("Subject: x\r\n\r\n")}})
	}
	w.plan()
	res := w.check(probing)
	silent(t, res, "usable", "partition", "replication", "idle mailboxes", "dates", "blank target", "IMAP processes")
	if munges(t, lab) {
		fires(t, res, "header bytes", migrate.Warning, "are replaced", "ada@"+w.domain)
	} else {
		silent(t, res, "header bytes")
	}
	w.byKeysOnly()
	for _, name := range []string{"ada", "bruno"} {
		for folder, items := range w.read(w.opts.Target, name+"@"+w.domain) {
			if len(items) > 0 || strings.HasPrefix(folder, "bmsync-probe") {
				t.Errorf("%s has %d messages in %s", name, len(items), folder)
			}
		}
	}
	if res.Blockers > 0 {
		t.Error(described(res))
	}
}

// cyrus runs commands as Cyrus's administrator, as nobody should.
func (w *world) cyrus(lab *labtest.Lab, commands ...string) {
	w.t.Helper()
	conn, err := net.Dial("tcp", lab.CyrusIMAP)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	for _, command := range append([]string{fmt.Sprintf("LOGIN %s \"the lab's\"", lab.CyrusAdmin)}, commands...) {
		fmt.Fprintf(conn, "a %s\r\n", command)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				w.t.Fatal(err)
			}
			if strings.HasPrefix(line, "a OK") {
				break
			}
			if strings.HasPrefix(line, "a ") {
				w.t.Fatalf("%s: %s", strings.Fields(command)[0], line)
			}
		}
	}
}

// What an administrator put into another partition by hand is found.
func TestLabProbeFindsAForeignPartition(t *testing.T) {
	w, lab := labWorldOf(t, bmsim.Domain{Users: []bmsim.User{{Login: "ada"}}}, "ada")
	box := "user/ada@" + w.domain
	w.cyrus(lab, fmt.Sprintf("RENAME %q %q default", box, box))
	f := fires(t, w.check(probing), "partition", migrate.Blocker, "another partition", "ada@"+w.domain)
	if want := "INBOX is in default, expected bm-master__" + strings.ReplaceAll(w.domain, ".", "_"); len(f.Notes) != 1 || f.Notes[0] != want {
		t.Errorf("notes %q, want %s", f.Notes, want)
	}
	w.byKeysOnly()
}

// Replication that lags is told, and leaves nothing behind; what the core
// hasn't seen yet of an idle mailbox is, too.
func TestLabProbeOfALaggingReplication(t *testing.T) {
	w, lab := labWorld(t, "ada")
	if err := w.sim.Close(); err != nil {
		t.Fatal(err)
	}
	w.domain = "lag." + w.domain // one that Cyrus has not met
	w.rows[0].Address = "ada@" + w.domain
	w.start(bmsim.Config{Version: 4, KeyCache: -1, ReplicationLag: time.Hour, Domains: []bmsim.Domain{{Name: w.domain, Users: []bmsim.User{{Login: "ada", Emails: []string{"ada@" + w.domain}}}}},
		Cyrus: &bmsim.CyrusConfig{Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: "the lab's", AuthSocket: lab.CyrusSaslauthd,
			ConfPath: lab.CyrusConf, SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID}})
	fires(t, w.check(probing, func(o *migrate.CheckOptions) { o.ReplicationWait = time.Second }), "replication", migrate.Warning, "has not seen new messages after 1s", "ada@"+w.domain)
	w.byKeysOnly()
	for folder, items := range w.read(w.opts.Target, "ada@"+w.domain) {
		if len(items) > 0 || strings.HasPrefix(folder, "bmsync-probe") {
			t.Errorf("%d messages in %s", len(items), folder)
		}
	}
}
