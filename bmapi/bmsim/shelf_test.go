package bmsim_test

import (
	"io"
	"net/url"
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
)

// TestVersion4WithoutCyrus has what provisioning and keys need, and says that
// there's nothing behind the proxy.
func TestVersion4WithoutCyrus(t *testing.T) {
	for _, tc := range []struct{ release, user, share string }{
		{"", "Drafts INBOX Junk Outbox Sent Trash", "sales sales/Sent"},
		{"4.9.3", "Drafts INBOX Junk Outbox Sent Templates Trash", "sales sales/Sent sales/Trash"},
	} {
		t.Run("release "+tc.release, func(t *testing.T) {
			cfg := version4()
			cfg.ReleaseName, cfg.Dir = tc.release, t.TempDir()
			sim := start(t, cfg)
			adm := admin(t, sim)
			adm.ok("PUT", "/users/example.org/u1", `{"login":"eve","routing":"internal","contactInfos":{"identification":{"name":{"familyNames":"E"}}},"emails":[{"address":"eve@example.org","isDefault":true}]}`, nil)
			adm.ok("PUT", "/mailshares/example.org/s1", `{"name":"sales","routing":"internal"}`, nil)
			if got := folderNames(adm, "subtree_18f0a_internal!user.u1"); got != tc.user {
				t.Errorf("folders of a user: %s", got)
			}
			if got := folderNames(adm, "subtree_18f0a_internal!s1"); got != tc.share {
				t.Errorf("folders of a share: %s", got)
			}
			key := adm.su("eve@example.org").newKey("token").SID
			var kind string
			adm.with("").ok("POST", "/auth/validate?login="+url.QueryEscape("eve@"+exampleUID), quoted(key), &kind)
			if kind != "PASSWORD" {
				t.Errorf("the key is %s", kind)
			}
			refusedBehind(t, sim, "eve@example.org", key)
			if n := sim.Journal().KeysAlive()["eve@"+exampleUID]; n != 1 {
				t.Errorf("%d keys", n)
			}
			if err := sim.Faults().AddIMAP(bmsim.IMAPFault{Kind: bmsim.Bye}); err == nil {
				t.Error("an endpoint that isn't there takes faults")
			}
		})
	}
}

func folderNames(c *client, subtree string) string {
	c.t.Helper()
	var folders []struct{ Value struct{ FullName string } }
	c.ok("GET", "/mail_folders_container/"+subtree+"/_all", nil, &folders)
	var names []string
	for _, f := range folders {
		names = append(names, f.Value.FullName)
	}
	return strings.Join(names, " ")
}

// refusedBehind wants a login that is let in by the proxy and finds no server.
func refusedBehind(t *testing.T, sim *bmsim.Sim, address, secret string) {
	t.Helper()
	c := dialIMAP(t, sim, true)
	if _, err := io.WriteString(c.conn, "a1 LOGIN "+address+" "+secret+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := c.line(); got != "* BAD internal server error" {
		t.Errorf("login: %s", got)
	}
	if _, err := c.r.ReadString('\n'); err == nil {
		t.Error("the connection stays")
	}
	logins := sim.Journal().Logins()
	if n := len(logins); n == 0 || logins[n-1].Secret != "key" {
		t.Errorf("journal: %+v", logins)
	}
}
