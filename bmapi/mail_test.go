package bmapi

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestFolders(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/mail_folders_container/{subtree}/_all", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("subtree") {
		case "subtree_mail_d_org!user.u1":
			io.WriteString(w, `[{"uid":"f1","internalId":812,"value":{"name":"INBOX","fullName":"INBOX","parentUid":null,"deleted":false,
			 "lastUid":1523,"uidValidity":4294967295,"highestModSeq":88,"dataLocation":null}},null,
			 {"uid":"f2","value":{"name":"Été","fullName":"Clients/Été","parentUid":"f9","deleted":true}}]`)
		case "subtree_mail_d_org!m1":
			io.WriteString(w, `[]`)
		default:
			t.Errorf("asked for %s", r.PathValue("subtree"))
		}
	})
	s := c.WithKey("k")
	got, err := s.Folders(t.Context(), "mail.d.org", "u1", true)
	want := []MailFolder{{UID: "f1", InternalID: 812, Name: "INBOX", FullName: "INBOX", LastUID: 1523, UIDValidity: 4294967295, HighestModSeq: 88},
		{UID: "f2", Name: "Été", FullName: "Clients/Été", ParentUID: "f9", Deleted: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := s.Folders(t.Context(), "mail.d.org", "m1", false); err != nil || len(got) != 0 {
		t.Errorf("share: %v, %v", got, err)
	}
}

func TestFilters(t *testing.T) {
	c, mux, _ := setup(t)
	for _, tc := range []struct {
		f    Filter
		want string
	}{{Filter{}, `{}`}, {AllMessages(), `{"skipExpunged":true}`}, {UnseenMessages(), `{"mustNot":["Seen"],"skipExpunged":true}`},
		{VisibleMessages(), `{"mustNot":["Deleted"]}`}, {Filter{Must: []string{"Important"}}, `{"must":["Important"]}`}} {
		wantJSON(t, "filter", tc.f, tc.want)
	}
	mux.HandleFunc("POST /api/mail_items/f/_sorted", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "sorted", body(t, r), `{"fields":[],"filter":{"skipExpunged":true}}`)
		io.WriteString(w, `[3,1,2]`)
	})
	if ids, err := c.WithKey("k").SortedIDs(t.Context(), "f", AllMessages()); err != nil || !slices.Equal(ids, []int64{3, 1, 2}) {
		t.Errorf("got %v, %v", ids, err)
	}
}

func TestItems(t *testing.T) {
	for name, tc := range map[string]struct {
		release, route string
		calls          []string
	}{
		"version 5":                      {"5.1", "_mgetById", []string{"_mgetById", "_mgetById", "_mgetById"}},
		"version 4":                      {"4.8", "_multipleById", []string{"_multipleById", "_multipleById", "_multipleById"}},
		"a 4 that has changed meanwhile": {"4.99", "_mgetById", []string{"_multipleById", "_mgetById", "_mgetById", "_mgetById"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			var calls []string
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"`+tc.release+`"}`))
			mux.HandleFunc("POST /api/mail_items/f/{call}", func(w http.ResponseWriter, r *http.Request) {
				calls = append(calls, r.PathValue("call"))
				if r.PathValue("call") != tc.route {
					w.WriteHeader(500)
					io.WriteString(w, `{"code":"NOT_FOUND","message":"no service registered on POST /api/mail_items"}`)
					return
				}
				ids := body(t, r).([]any)
				if len(ids) > MaxItems {
					t.Errorf("%d ids in a call", len(ids))
				}
				var out []string
				for _, id := range ids {
					out = append(out, fmt.Sprintf(`{"internalId":%v,"value":{"imapUid":%v,"flags":["\\Seen",{"flag":"$Forwarded","value":0}],
					 "body":{"guid":"ABCDEF","size":12,"messageId":"<a@b>","subject":"s","date":1716900000000}}}`, id, id))
				}
				out[0] = "null" // gone meanwhile
				fmt.Fprintf(w, "[%s]", strings.Join(out, ","))
			})
			ids := make([]int64, 1200)
			for i := range ids {
				ids[i] = int64(i + 1)
			}
			items, err := c.WithKey("k").Items(t.Context(), "f", ids)
			if err != nil || len(items) != 1197 || !slices.Equal(calls, tc.calls) {
				t.Fatalf("got %d, %v by %q", len(items), err, calls)
			}
			it := items[0]
			if it.ItemID != 2 || it.IMAPUID != 2 || it.BodyGUID != "abcdef" || it.Size != 12 || !slices.Equal(it.Flags, []string{`\Seen`, "$Forwarded"}) ||
				it.Date.UnixMilli() != 1716900000000 || it.MessageID != "<a@b>" || it.Subject != "s" {
				t.Errorf("got %+v", it)
			}
		})
	}
}

func TestItemsOfNothing(t *testing.T) {
	c, _, _ := setup(t)
	if items, err := c.WithKey("k").Items(t.Context(), "f", nil); err != nil || len(items) != 0 {
		t.Errorf("got %v, %v", items, err)
	}
}

func TestEML(t *testing.T) {
	c, mux, _ := setup(t)
	message := "From: a\r\n\r\n" + strings.Repeat("\x00\xffx", 100_000)
	mux.HandleFunc("GET /api/mail_items/f/eml/{uid}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("uid") {
		case "4294967295":
			w.Header().Set("Content-Type", "message/rfc822")
			for part := range slices.Chunk([]byte(message), 4096) {
				w.Write(part)
				w.(http.Flusher).Flush()
			}
		case "7":
			io.WriteString(w, message[:5000])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			nothing(w, r)
		}
	})
	s := c.WithKey("k")
	r, err := s.EML(t.Context(), "f", 4294967295)
	if err != nil {
		t.Fatal(err)
	}
	h := sha1.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Error(err)
	}
	want := sha1.Sum([]byte(message))
	if got := hex.EncodeToString(h.Sum(nil)); got != hex.EncodeToString(want[:]) || r.Close() != nil {
		t.Errorf("got %s", got)
	}
	r, err = s.EML(t.Context(), "f", 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err := io.ReadAll(r); len(data) != 5000 || !Temporary(err) {
		t.Errorf("a torn message: %d octets, %v", len(data), err)
	}
	if r, err := s.EML(t.Context(), "f", 8); r != nil || !errors.Is(err, ErrNotFound) {
		t.Errorf("no message: %v, %v", r, err)
	}
}

func TestMailboxLimits(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/mailboxes/d/u/_config", answers(t, `{"quota":2048,"messageMaxSize":null}`))
	mux.HandleFunc("GET /api/mailboxes/d/u/_quota", answers(t, `{"used":10240,"quota":null}`))
	s := c.WithKey("k")
	conf, err := s.MailboxConfig(t.Context(), "d", "u")
	quota, err2 := s.MailboxQuota(t.Context(), "d", "u")
	if err != nil || err2 != nil || *conf.Quota != 2048 || conf.MessageMaxSize != 0 || quota.Used != 10240 || quota.Quota != nil {
		t.Errorf("got %+v %+v, %v %v", conf, quota, err, err2)
	}
}

func TestRepair(t *testing.T) {
	const object = `{"opIdentifiers":["replication.subtree"],"dry":%t,"logToCoreLog":%t,"verbose":false}`
	for name, tc := range map[string]struct {
		release string
		dry     bool
		later   bool // a 4 that wants the object
		want    []string
	}{
		"version 5":      {release: "5.1", want: []string{"repair " + fmt.Sprintf(object, false, true)}},
		"version 5, dry": {release: "5.1", dry: true, want: []string{"repair " + fmt.Sprintf(object, true, false)}},
		"version 4":      {release: "4.8", want: []string{`repair ["replication.subtree"]`}},
		"version 4, dry": {release: "4.8", dry: true, want: []string{`check ["replication.subtree"]`}},
		"later 4":        {release: "4.9", later: true, want: []string{`repair ["replication.subtree"]`, "repair " + fmt.Sprintf(object, false, true)}},
		"later 4, dry":   {release: "4.9", later: true, dry: true, want: []string{`check ["replication.subtree"]`, "repair " + fmt.Sprintf(object, true, false)}},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			var got []string
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"`+tc.release+`"}`))
			mux.HandleFunc("GET /api/directory/d/u/mgmt/_maintenance", answers(t, `[{"identifier":"replication.subtree"},null,{"identifier":"containers"}]`))
			mux.HandleFunc("POST /api/directory/d/u/mgmt/_maintenance/{word}", func(w http.ResponseWriter, r *http.Request) {
				data, _ := io.ReadAll(r.Body)
				got = append(got, r.PathValue("word")+" "+string(data))
				switch bare := data[0] == '['; {
				case tc.later && r.PathValue("word") == "check":
					faults(w, 500, CodeNotFound, "no service registered on POST /x")
				case tc.later && bare:
					faults(w, 500, CodeUnknown, "Error during parsing parameter")
				default:
					io.WriteString(w, `{"id":"t"}`)
				}
			})
			mux.HandleFunc("GET /api/tasks/t", answers(t, `{"state":"Success"}`))
			ran, err := c.WithKey("adm").Repair(t.Context(), "d", "u", []string{RepairSubtree, RepairParentUID}, tc.dry)
			if err != nil || !slices.Equal(ran, []string{RepairSubtree}) || len(got) != len(tc.want) {
				t.Fatalf("got %v, %v: %q", ran, err, got)
			}
			for i := range got {
				gw, gb, _ := strings.Cut(got[i], " ")
				ww, wb, _ := strings.Cut(tc.want[i], " ")
				var g, w document
				if gb[0] == '{' && wb[0] == '{' && g.read([]byte(gb)) == nil && w.read([]byte(wb)) == nil {
					gb, wb = asJSON(t, g), asJSON(t, w)
				}
				if gw != ww || gb != wb {
					t.Errorf("got %q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

func TestRepairOfNothingKnown(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/directory/d/u/mgmt/_maintenance", answers(t, `[{"identifier":"containers"}]`))
	mux.HandleFunc("POST /", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s: no list means all", r.URL) })
	if ran, err := c.WithKey("adm").Repair(t.Context(), "d", "u", []string{RepairParentUID}, false); err != nil || len(ran) != 0 {
		t.Errorf("got %v, %v", ran, err)
	}
}

func TestConsolidate(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("POST /api/mgmt/mailbox/d/u/_consolidate", answers(t, `{"id":"t"}`))
	mux.HandleFunc("GET /api/tasks/t", answers(t, `{"state":"InError","lastLogEntry":"index missing"}`))
	err := c.WithKey("adm").Consolidate(t.Context(), "d", "u")
	if e, ok := errors.AsType[*TaskError](err); !ok || e.LastLogEntry != "index missing" {
		t.Errorf("got %v", err)
	}
}
