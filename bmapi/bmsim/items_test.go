package bmsim_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
)

type folderItem struct {
	UID        string
	InternalID int64
	Value      struct {
		Name, FullName string
		ParentUID      *string
		LastUID        uint32
		UIDValidity    uint32
		Deleted        bool
	}
}

func (c *client) folder(subtree, name string) (f folderItem) {
	c.t.Helper()
	var all []folderItem
	c.ok("GET", "/mail_folders_container/"+subtree+"/_all", nil, &all)
	for _, f := range all {
		if f.Value.FullName == name {
			return f
		}
	}
	c.t.Fatalf("no folder %s in %+v", name, all)
	return f
}

func message(n int) string {
	return fmt.Sprintf("Message-ID: <%d@example.org>\r\nSubject: number %d\r\n\r\nText %[1]d\r\n", n, n)
}

// fill puts six messages into ada's INBOX: one expunged, one \Deleted, two seen,
// one flagged.
func fill(t *testing.T, sim *bmsim.Sim, adm *client) (inbox folderItem, subtree string) {
	t.Helper()
	subtree = "subtree_18f0a_internal!user." + adm.uid("ada")
	inbox = adm.folder(subtree, "INBOX")
	for i, flags := range [][]string{{}, {`\Seen`}, {`\Seen`, `\Flagged`}, {`\Deleted`}, {"$label"}, {`\Seen`}} {
		date := time.Date(2020, 1, 10-i, 0, 0, 0, 0, time.UTC)
		if err := sim.Deliver(t.Context(), inbox.UID, message(i), date, flags...); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.Expunge(t.Context(), inbox.UID, 6); err != nil {
		t.Fatal(err)
	}
	return adm.folder(subtree, "INBOX"), subtree
}

func TestItems(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	inbox, subtree := fill(t, sim, adm)
	ada := adm.su("ada@example.org")
	items := "/mail_items/" + inbox.UID + "/"

	if inbox.Value.LastUID != 6 || inbox.Value.UIDValidity == 0 || inbox.Value.ParentUID != nil {
		t.Errorf("%+v", inbox)
	}
	t.Run("counts", func(t *testing.T) {
		for body, want := range map[string]int{
			`{"skipExpunged":true}`:                      5,
			`{"mustNot":["Seen"],"skipExpunged":true}`:   3,
			`{"mustNot":["Deleted"]}`:                    4,
			`{"mustNot":["Deleted","Seen"]}`:             2,
			`{"must":["Important"],"skipExpunged":true}`: 1,
			`{}`:                   6,
			`{"mustNot":["Seen"]}`: 2,
			`{"must":["Deleted"]}`: 2,
			`{"must":["Seen"],"mustNot":["Important"]}`:     2,
			`{"must":[],"mustNot":[],"skipExpunged":false}`: 6,
		} {
			var n struct{ Total int }
			adm.with("").ok("POST", items+"_count", body, &n)
			if n.Total != want {
				t.Errorf("%s: %d, want %d", body, n.Total, want)
			}
		}
		if a := adm.do("POST", items+"_count", nil); a.status != 500 {
			t.Errorf("without a body: %d", a.status)
		}
		adm.refused("POST", "/mail_items/none/_count", `{}`, 404, "NOT_FOUND")
		var n struct{ Total int }
		ada.ok("GET", "/containers/_manage/mbox_records_"+inbox.UID+"/_itemCount", nil, &n)
		if n.Total != 6 {
			t.Error(n)
		}
		var unseen int
		ada.ok("GET", "/mailboxes/example.org/_unread", nil, &unseen)
		if unseen != 2 {
			t.Error(unseen)
		}
	})
	t.Run("items", func(t *testing.T) {
		var ids []int64
		ada.ok("POST", items+"_sorted", `{"fields":[],"filter":{"mustNot":["Deleted"]}}`, &ids)
		if len(ids) != 4 {
			t.Fatalf("%v", ids)
		}
		var byDate []int64
		ada.ok("POST", items+"_sorted", `{"fields":[{"column":"internal_date","dir":"Asc"}],"filter":{"mustNot":["Deleted"]}}`, &byDate)
		if byDate[0] != ids[3] || byDate[3] != ids[0] {
			t.Errorf("%v by date, %v by id", byDate, ids)
		}
		var all []struct {
			InternalID int64
			Flags      []string
			Value      struct {
				IMAPUID uint32
				Flags   []string
				Body    struct {
					GUID, MessageID, Subject string
					Size                     int64
				}
			}
		}
		ada.ok("POST", items+"_mgetById", append(ids, 999999), &all)
		if len(all) != 4 {
			t.Fatalf("%+v", all)
		}
		sum := sha1.Sum([]byte(message(2)))
		got := all[2].Value
		if got.IMAPUID != 3 || got.Body.GUID != hex.EncodeToString(sum[:]) || got.Body.Size != int64(len(message(2))) ||
			got.Body.MessageID != "<2@example.org>" || got.Body.Subject != "number 2" || len(got.Flags) != 2 {
			t.Errorf("%+v", all[2])
		}
		many := make([]int64, 501)
		ada.refused("POST", items+"_mgetById", many, 500, "MAX_ITEM_COUNT")
		ada.ok("GET", items+"_unread", nil, &ids)
		if len(ids) != 2 {
			t.Error(ids)
		}
	})
	t.Run("changes", func(t *testing.T) {
		var cs struct {
			Created, Updated []struct{ ID int64 }
			Deleted          []int64
			Version          int64
		}
		ada.ok("POST", items+"_filteredChangesetById?since=0", `{"mustNot":["Deleted"]}`, &cs)
		var v int64
		ada.ok("GET", items+"_version", nil, &v)
		if len(cs.Created) != 4 || cs.Version != v || v == 0 {
			t.Errorf("%+v, version %d", cs, v)
		}
		if err := sim.Expunge(t.Context(), inbox.UID, 1); err != nil {
			t.Fatal(err)
		}
		ada.ok("POST", fmt.Sprintf("%s_filteredChangesetById?since=%d", items, v), `{"mustNot":["Deleted"]}`, &cs)
		if len(cs.Deleted) != 1 || cs.Version <= v {
			t.Errorf("%+v", cs)
		}
	})
	t.Run("the message itself", func(t *testing.T) {
		a := ada.do("GET", items+"eml/3", nil)
		if a.body != message(2) || a.header.Get("Content-Type") != "message/rfc822" {
			t.Errorf("%q %s", a.body, a.header)
		}
		ada.refused("GET", items+"eml/99", nil, 404, "NOT_FOUND")
		ada.refused("GET", items+"eml/x", nil, 500, "UNKNOWN")
	})
	t.Run("rights", func(t *testing.T) {
		bob := adm.su("bob@example.org")
		bob.refused("GET", "/mail_folders_container/"+subtree+"/_all", nil, 403, "PERMISSION_DENIED")
		bob.refused("GET", items+"eml/3", nil, 403, "PERMISSION_DENIED")
		bob.refused("GET", items+"_unread", nil, 403, "PERMISSION_DENIED")
		if a := bob.do("POST", items+"_count", `{}`); a.status != 200 {
			t.Errorf("_count asks for no right: %d", a.status)
		}
		adm.ok("PUT", "/containers/_manage/mailbox:acls-"+adm.uid("ada")+"/_acl", []ace{{adm.uid("bob"), "Read"}}, nil)
		bob.ok("GET", "/mail_folders_container/"+subtree+"/_all", nil, nil)
	})
	t.Run("folders by other names", func(t *testing.T) {
		for path, want := range map[string]int{
			"/mail_folders/18f0a_internal/user.ada/_all":                         200,
			"/mail_folders/bm-master__18f0a_internal/user.ada/byName/Sent":       200,
			"/mail_folders/18f0a_internal/user.ada/byName/None":                  204,
			"/mail_folders/18f0a_internal/user.none/_all":                        500,
			"/mail_folders/18f0a_internal/support/byName/support%2FTrash":        200,
			"/mail_folders_container/" + subtree + "/" + inbox.UID + "/complete": 200,
			"/mail_folders_container/" + subtree + "/_trash":                     200,
			"/db_replicated_mailboxes_folders/" + subtree + "/_all":              200,
			"/mail_folders_container/subtree_none!user.x/_all":                   404,
			"/mail_folders_container/subtree_18f0a_internal!x/_all":              404,
			"/mail_folders_container/nonsense/_all":                              404,
		} {
			if a := adm.do("GET", path, nil); a.status != want {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
}

func TestMailboxes(t *testing.T) {
	sim := start(t, config())
	adm := admin(t, sim)
	fill(t, sim, adm)
	ada := adm.uid("ada")
	self := adm.su("ada@example.org")
	var conf struct {
		Quota          *int64
		MessageMaxSize int64
	}
	self.ok("GET", "/mailboxes/example.org/"+ada+"/_config", nil, &conf)
	if conf.MessageMaxSize != 10_000_000 || conf.Quota != nil {
		t.Errorf("%+v", conf)
	}
	adm.refused("GET", "/mailboxes/example.org/none/_config", nil, 404, "NOT_FOUND")
	adm.su("bob@example.org").refused("GET", "/mailboxes/example.org/"+ada+"/_config", nil, 403, "PERMISSION_DENIED")
	if a := adm.do("GET", "/mailboxes/example.org/none/_quota", nil); a.status != 500 || a.fault().ErrorType != "NullPointerException" {
		t.Errorf("%d %s", a.status, a.body)
	}
	self.ok("GET", "/mailboxes/example.org/"+ada+"/_quota", nil, nil)
	for path, want := range map[string]int{
		"_byemail?email=support@example.org": 200,
		"_byemail?email=Support@example.org": 204,
		"_byemail?email=support@example.com": 204,
		"_byname?name=ada":                   200,
		"_byname?name=Ada":                   204,
		ada + "/complete":                    200,
		"none/complete":                      204,
		"_list":                              200,
	} {
		if a := adm.do("GET", "/mailboxes/example.org/"+path, nil); a.status != want {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	adm.refused("GET", "/mailboxes/example.org/_byemail?email=support", nil, 500, "INVALID_PARAMETER")
	self.refused("GET", "/mailboxes/example.org/"+ada+"/complete", nil, 403, "PERMISSION_DENIED")
	var shares, external, some []any
	adm.ok("GET", "/mailboxes/example.org/_byType?email=mailshare", nil, &shares)
	adm.ok("GET", "/mailboxes/example.org/_byRouting?email=external", nil, &external)
	adm.ok("POST", "/mailboxes/example.org/_mget", []string{ada, "none"}, &some)
	if len(shares) != 1 || len(external) != 0 || len(some) != 1 {
		t.Errorf("%v %v %v", shares, external, some)
	}
	if st := adm.task("POST", "/mgmt/mailbox/example.org/"+ada+"/_consolidate", nil); st.State != "Success" {
		t.Errorf("%+v", st)
	}
}

func TestVersion4(t *testing.T) {
	sim := start(t, version4())
	adm := admin(t, sim)
	inbox, _ := fill(t, sim, adm)
	items := "/mail_items/" + inbox.UID + "/"
	var infos struct{ SoftwareVersion, ReleaseName string }
	adm.with("").ok("GET", "/system/installation/_infos", nil, &infos)
	if !strings.HasPrefix(infos.SoftwareVersion, "4.1.") || infos.ReleaseName != "4.6.2" {
		t.Errorf("%+v", infos)
	}
	unknown := func(method, path string, body any) {
		t.Helper()
		if a := adm.do(method, path, body); a.status != http.StatusInternalServerError || !strings.Contains(a.body, "no service registered") {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		}
	}
	unknown("PUT", "/auth/keys/0b0e6a3c-0000-4000-8000-000000000001?displayName=x", nil)
	unknown("POST", items+"_mgetById", `[1]`)
	var n struct{ Total int }
	adm.ok("POST", items+"_count", `{"mustNot":["Deleted"],"skipExpunged":true}`, &n)
	if n.Total != 4 {
		t.Error(n)
	}
	adm.ok("POST", items+"_count", `{"skipExpunged":true}`, &n)
	if n.Total != 6 {
		t.Errorf("skipExpunged is not known in 4: %d", n.Total)
	}
	adm.su("bob@example.org").refused("POST", items+"_count", `{}`, 403, "PERMISSION_DENIED")
	var ids []int64
	adm.ok("POST", items+"_sorted", `{}`, &ids)
	adm.ok("POST", items+"_multipleById", ids, nil)

	adm.ok("GET", "/users/example.org/byLogin/bmhiddensysadmin", nil, nil)
	bob := adm.uid("bob")
	adm.ok("PUT", "/containers/_manage/mailbox:acls-"+bob+"/_acl", []ace{{"x", "Write"}}, nil)
	var list []ace
	adm.ok("GET", "/containers/_manage/mailbox:acls-"+bob+"/_acl", nil, &list)
	if got := verbsOf(list, "x"); got != "Freebusy Invitation Read SendOnBehalf Write" {
		t.Errorf("Write holds %s", got)
	}
	const path = "/directory/example.org/"
	if st := adm.task("POST", path+bob+"/mgmt/_maintenance/repair", `["replication.parentUid"]`); st.State != "Success" {
		t.Errorf("%+v", st)
	}
	adm.refused("POST", path+bob+"/mgmt/_maintenance/repair", `{"opIdentifiers":[]}`, 500, "UNKNOWN")
	adm.task("POST", path+bob+"/mgmt/_maintenance/check", `[]`)
}

func TestReplicationLag(t *testing.T) {
	cfg := version4()
	cfg.ReplicationLag = 300 * time.Millisecond
	sim := start(t, cfg)
	adm := admin(t, sim)
	inbox, _ := fill(t, sim, adm)
	count := func() int {
		var n struct{ Total int }
		adm.ok("POST", "/mail_items/"+inbox.UID+"/_count", `{}`, &n)
		return n.Total
	}
	if n := count(); n != 0 {
		t.Errorf("%d messages at once", n)
	}
	time.Sleep(cfg.ReplicationLag)
	if n := count(); n != 6 {
		t.Errorf("%d messages after the lag", n)
	}
}
