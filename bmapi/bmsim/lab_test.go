package bmsim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
)

// lab4 is a version 4 in front of the lab's Cyrus, with a domain of its own.
func lab4(t *testing.T) bmsim.Config {
	t.Helper()
	lab := labtest.Open(t)
	d := example()
	d.UID = fmt.Sprintf("%x.internal", time.Now().UnixNano())
	d.Aliases, d.Name = nil, fmt.Sprintf("d%x.org", time.Now().UnixNano())
	for i, u := range d.Users {
		d.Users[i].Emails = []string{u.Login + "@" + d.Name}
	}
	d.Shares[0].Emails = nil
	return bmsim.Config{
		Version: 4, Dir: t.TempDir(), AdminPassword: secret, Domains: []bmsim.Domain{d}, RefusalDelay: -1,
		Cyrus: &bmsim.CyrusConfig{
			Addr: lab.CyrusIMAP, Admin: lab.CyrusAdmin, AdminSecret: "cyrus secret", AuthSocket: lab.CyrusSaslauthd,
			ConfPath: lab.CyrusConf, SpoolDir: lab.CyrusSpool, MetaDir: lab.CyrusMeta, MasterPID: lab.CyrusPID,
		},
	}
}

func TestLabVersion4(t *testing.T) {
	cfg := lab4(t)
	sim, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	uid, name := cfg.Domains[0].UID, cfg.Domains[0].Name
	adm := admin(t, sim)
	ada := adm.su("ada@" + uid)
	k := ada.newKey("token")

	c := dialIMAP(t, sim, true)
	if got := c.login("ada@"+name, k.SID); got != "OK" {
		t.Fatal(got)
	}
	if answer, _ := c.do(appendCommand("INBOX", message(1))); !strings.Contains(answer, "APPENDUID") {
		t.Fatal(answer)
	}
	var u struct{ UID string }
	adm.ok("GET", "/users/"+uid+"/byLogin/ada", nil, &u)
	subtree := "subtree_" + strings.ReplaceAll(uid, ".", "_") + "!user." + u.UID
	inbox := adm.folder(subtree, "INBOX")
	var n struct{ Total int }
	ada.ok("POST", "/mail_items/"+inbox.UID+"/_count", `{"mustNot":["Deleted"]}`, &n)
	if n.Total != 1 {
		t.Errorf("REST counts %d", n.Total)
	}
	if a := ada.do("GET", "/mail_items/"+inbox.UID+"/eml/1", nil); a.body != message(1) {
		t.Errorf("%q", a.body)
	}

	t.Run("a share, for who may write, also into new folders", func(t *testing.T) {
		names := strings.Join(c.ok(`LIST "" "*"`), "\n")
		i := strings.Index(names, "/support\"")
		if i < 0 {
			t.Fatal(names)
		}
		share := names[strings.LastIndex(names[:i], `"`)+1:i] + "/support"
		c.ok(appendCommand(share, message(2)))
		c.ok(fmt.Sprintf("CREATE %q", share+"/deeper"))
		c.ok(appendCommand(share+"/deeper", message(3)))
		bob := dialIMAP(t, sim, true)
		bob.login("bob@"+name, "s3cret!")
		if answer, _ := bob.do(fmt.Sprintf("SELECT %q", share)); strings.HasPrefix(answer, "OK") {
			t.Error("bob selects it without a right")
		}
		var m, b struct{ UID string }
		adm.ok("GET", "/mailboxes/"+uid+"/_byname?name=support", nil, &m)
		adm.ok("GET", "/users/"+uid+"/byLogin/bob", nil, &b)
		adm.ok("PUT", "/containers/_manage/mailbox:acls-"+m.UID+"/_acl", []ace{{b.UID, "Read"}}, nil)
		bob.ok(fmt.Sprintf("SELECT %q", share+"/deeper"))
		if answer, _ := c.do(fmt.Sprintf("SELECT %q", share)); strings.HasPrefix(answer, "OK") {
			t.Error("ada selects it after her right was taken")
		}
	})
	t.Run("a deleted key is remembered", func(t *testing.T) {
		adm.with(k.SID).ok("DELETE", "/auth/keys/"+k.SID, nil, nil)
		adm.with(k.SID).ok("POST", "/auth/logout", nil, nil)
		if got := dialIMAP(t, sim, true).login("ada@"+name, k.SID); got != "OK" {
			t.Errorf("%s within ten minutes", got)
		}
	})
	if got := dialIMAP(t, sim, true).login("bmhiddensysadmin@"+uid, "cyrus secret"); got != "NO" {
		t.Errorf("the hidden administrator: %s", got)
	}
	if got := dialIMAP(t, sim, true).login("admin0", "cyrus secret"); got != "NO" {
		t.Errorf("admin0: %s", got)
	}
	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}

	sim = start(t, cfg)
	again := anonymous(t, sim).with(adm.key)
	if now := again.folder(subtree, "INBOX"); now.UID != inbox.UID || now.Value.UIDValidity != inbox.Value.UIDValidity {
		t.Errorf("%+v, was %+v", now, inbox)
	}
	again.ok("POST", "/mail_items/"+inbox.UID+"/_count", `{"mustNot":["Deleted"]}`, &n)
	if n.Total != 1 {
		t.Errorf("REST counts %d after a restart", n.Total)
	}
	if got := dialIMAP(t, sim, true).login("ada@"+name, k.SID); got != "NO" {
		t.Errorf("a deleted key after a restart: %s", got)
	}
	again.task("DELETE", "/domains/"+uid+"/_items", nil)
}
