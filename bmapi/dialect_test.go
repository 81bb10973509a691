package bmapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func noService(w http.ResponseWriter, r *http.Request) {
	faults(w, 404, CodeNotFound, "no service registered on "+r.Method+" "+r.URL.Path)
}

// TestOldVersionIsTold: 3.5 has no mail over REST, and takes no key without a login.
func TestOldVersionIsTold(t *testing.T) {
	calls := map[string]func(context.Context, *Session) error{
		"list mail folders":   func(ctx context.Context, s *Session) error { _, err := s.Folders(ctx, "d", "u", true); return err },
		"tell about messages": func(ctx context.Context, s *Session) error { _, err := s.Count(ctx, "f", Filter{}); return err },
		"list repairs":        func(ctx context.Context, s *Session) error { _, err := s.Operations(ctx, "d", "u"); return err },
		"list subscribers":    func(ctx context.Context, s *Session) error { _, err := s.Subscribers(ctx, "d", "u"); return err },
	}
	for what, call := range calls {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, version known: %t", what, known), func(t *testing.T) {
				c, mux, _ := setup(t)
				asked := 0
				mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"3.5.14","softwareVersion":"3.1.42688"}`))
				mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) { asked++; noService(w, r) })
				if known {
					if _, err := c.Installation(t.Context()); !errors.As(err, new(*VersionError)) {
						t.Fatalf("got %v", err)
					}
				}
				s := c.session("admin0@global.virt", "k")
				for range 2 {
					err := call(t.Context(), s)
					if e, ok := errors.AsType[*VersionError](err); !ok || e.What != what || !strings.Contains(err.Error(), "can't "+what) || e.Version.Major != 3 {
						t.Errorf("got %v", err)
					}
				}
				if known && asked > 0 || asked > 1 {
					t.Errorf("asked %d times", asked)
				}
			})
		}
	}
	t.Run("key", func(t *testing.T) {
		c, mux, _ := setup(t)
		mux.HandleFunc("/api/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
		c.dialect.version.Store(&Version{Major: 3, ReleaseName: "3.5.14"})
		if err := c.WithKey("k").Ping(t.Context()); !errors.As(err, new(*VersionError)) {
			t.Errorf("got %v", err)
		}
	})
}

// TestMissingCallOfAKnownVersion stays what it is.
func TestMissingCallOfAKnownVersion(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"4.2"}`))
	mux.HandleFunc("/api/", noService)
	s := c.WithKey("k")
	if _, err := s.Folders(t.Context(), "d", "u", true); !errors.Is(err, ErrNoRoute) || errors.Is(err, ErrNotFound) || errors.As(err, new(*VersionError)) {
		t.Errorf("got %v", err)
	}
	if err := s.Subscribe(t.Context(), "d", "u", "m"); !errors.Is(err, ErrNoRoute) {
		t.Errorf("got %v", err)
	}
}

func TestSubscriptionsByVersion(t *testing.T) {
	const sub = `[{"containerUid":"mailbox:acls-m","offlineSync":true,"automount":true}]`
	old := []string{"PUT /api/containers/_manage/_subscription/u " + sub, `DELETE /api/containers/_manage/_subscription/u ["mailbox:acls-m"]`,
		"GET /api/containers/_manage/_subscriptions/u@d/mailboxacl "}
	modern := []string{"POST /api/users/d/subscriptions/u/_subscribe " + sub, `POST /api/users/d/subscriptions/u/_unsubscribe ["mailbox:acls-m"]`,
		"GET /api/users/d/subscriptions/u?type=mailboxacl "}
	for name, tc := range map[string]struct {
		release string
		known   bool
		want    []string
	}{
		"5":                     {"5.1", true, modern},
		"4":                     {"4.9", true, modern},
		"3.5":                   {"3.5.14", true, old},
		"3.5, nobody has asked": {"3.5.14", false, append([]string{modern[0]}, old...)},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			var got []string
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"`+tc.release+`"}`))
			mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
				data, _ := io.ReadAll(r.Body)
				got = append(got, r.Method+" "+r.RequestURI+" "+string(data))
				switch is35, of35 := tc.release[0] == '3', strings.Contains(r.URL.Path, "_manage"); {
				case is35 != of35:
					noService(w, r)
				case r.Method == "GET" && is35:
					io.WriteString(w, `[{"uid":"mailbox:acls-m","type":"mailboxacl","owner":"m","name":"support","offlineSync":true}]`)
				case r.Method == "GET":
					io.WriteString(w, `[{"containerUid":"mailbox:acls-m","containerType":"mailboxacl","owner":"m","name":"support","offlineSync":true}]`)
				}
			})
			if tc.known {
				_, _ = c.Installation(t.Context()) // of 3.5 it is an error
			}
			s := c.session("adm", "k")
			err := errors.Join(s.Subscribe(t.Context(), "d", "u", "m"), s.Unsubscribe(t.Context(), "d", "u", "m"), s.Subscribe(t.Context(), "d", "u"), s.Unsubscribe(t.Context(), "d", "u"))
			subs, err2 := s.Subscriptions(t.Context(), "d", "u")
			if err := errors.Join(err, err2); err != nil || len(subs) != 1 || subs[0] != (Subscription{ContainerUID: "mailbox:acls-m", ContainerType: "mailboxacl", Owner: "m", Name: "support", OfflineSync: true}) {
				t.Errorf("got %+v, %v", subs, err)
			}
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

// TestCountByVersion: 4 does not see skipExpunged, and would count what is gone.
func TestCountByVersion(t *testing.T) {
	for name, tc := range map[string]struct {
		release string
		filter  Filter
		want    string
	}{
		"5, all":              {"5.1", AllMessages(), `{"skipExpunged":true}`},
		"5, unseen":           {"5.1", UnseenMessages(), `{"mustNot":["Seen"],"skipExpunged":true}`},
		"4, all":              {"4.9", AllMessages(), `{"mustNot":["Deleted"],"skipExpunged":true}`},
		"4, unseen":           {"4.9", UnseenMessages(), `{"mustNot":["Seen","Deleted"],"skipExpunged":true}`},
		"4, visible":          {"4.9", VisibleMessages(), `{"mustNot":["Deleted"]}`},
		"4, all that is":      {"4.9", Filter{}, `{}`},
		"4, those to go away": {"4.9", Filter{Must: []string{"Deleted"}, SkipExpunged: true}, `{"must":["Deleted"],"skipExpunged":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"`+tc.release+`"}`))
			mux.HandleFunc("POST /api/mail_items/f/_count", func(w http.ResponseWriter, r *http.Request) {
				wantJSON(t, "filter", body(t, r), tc.want)
				io.WriteString(w, `{"total":7}`)
			})
			if n, err := c.WithKey("k").Count(t.Context(), "f", tc.filter); err != nil || n != 7 {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

func TestMailboxByNameWithoutTheCall(t *testing.T) {
	c, mux, _ := setup(t)
	var did []string
	mux.HandleFunc("GET /api/mailboxes/d/_byname", func(w http.ResponseWriter, r *http.Request) { did = append(did, "by name"); noService(w, r) })
	mux.HandleFunc("GET /api/mailboxes/d/_list", func(w http.ResponseWriter, r *http.Request) {
		did = append(did, "list")
		io.WriteString(w, `[{"uid":"a","value":{"name":"ada"}},null,{"uid":"m","value":{"name":"support"}}]`)
	})
	s := c.WithKey("k")
	if m, err := s.MailboxByName(t.Context(), "d", "support"); err != nil || m.UID != "m" {
		t.Errorf("got %v, %v", m, err)
	}
	if _, err := s.MailboxByName(t.Context(), "d", "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if got := asJSON(t, did); got != `["by name","list","list"]` {
		t.Errorf("did %s", got)
	}
}

// TestRepairWhoseAnswerIsLost is followed by the name that its task must have.
func TestRepairWhoseAnswerIsLost(t *testing.T) {
	for name, tc := range map[string]struct {
		begun  bool
		starts int
	}{
		"begun":     {begun: true, starts: 1},
		"not begun": {begun: false, starts: 2},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			starts := 0
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"5.1"}`))
			mux.HandleFunc("GET /api/directory/d.org/u/mgmt/_maintenance", answers(t, `[{"identifier":"replication.subtree"}]`))
			mux.HandleFunc("POST /api/directory/d.org/u/mgmt/_maintenance/repair", func(w http.ResponseWriter, r *http.Request) {
				if starts++; starts == 1 {
					w.WriteHeader(504)
					return
				}
				io.WriteString(w, task)
			})
			mux.HandleFunc("GET /api/tasks/repair-u@d.org", func(w http.ResponseWriter, r *http.Request) {
				if !tc.begun {
					faults(w, 404, CodeNotFound, "")
					return
				}
				io.WriteString(w, wellDone)
			})
			mux.HandleFunc("GET /api/tasks/t-1", answers(t, wellDone))
			if ran, err := c.WithKey("k").Repair(t.Context(), "d.org", "u", []string{RepairSubtree}, false); err != nil || len(ran) != 1 || starts != tc.starts {
				t.Errorf("ran %v, %v after %d starts", ran, err, starts)
			}
		})
	}
}

// TestRepairThatRuns: its code is that of a body that can't be read. The first answer
// stands.
func TestRepairThatRuns(t *testing.T) {
	for _, release := range []string{"4.9", "5.1"} {
		c, mux, _ := setup(t)
		posts := 0
		mux.HandleFunc("GET /api/system/installation/_infos", answers(t, `{"releaseName":"`+release+`"}`))
		mux.HandleFunc("GET /api/directory/d/u/mgmt/_maintenance", answers(t, `[{"identifier":"replication.subtree"}]`))
		mux.HandleFunc("POST /api/directory/d/u/mgmt/_maintenance/repair", func(w http.ResponseWriter, r *http.Request) {
			posts++
			faults(w, 500, CodeUnknown, []string{"", "task repair-u@d already running", "Error during parsing parameter"}[posts])
		})
		_, err := c.WithKey("k").Repair(t.Context(), "d", "u", []string{RepairSubtree}, false)
		if f, ok := errors.AsType[*Fault](err); !ok || !strings.Contains(f.Message, "already running") || posts != 2 {
			t.Errorf("%s: got %v after %d calls", release, err, posts)
		}
	}
}

func TestReleaseByLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		infos, version string
		major, minor   int
		tooOld         bool
	}{
		"said to all":           {`{"releaseName":"4.9.2","softwareVersion":"4.1.6"}`, `{"versionName":"5.1"}`, 4, 9, false},
		"said to those inside":  {`{"softwareVersion":"4.1.60000"}`, `{"versionName":"4.9.2"}`, 4, 9, false},
		"3.5 by its name":       {`{"softwareVersion":"4.1.60000"}`, `{"versionName":"3.5.14"}`, 3, 5, true},
		"said to nobody":        {`{"softwareVersion":"4.1.60000"}`, `{"versionName":null}`, 4, 0, false},
		"nothing of any number": {`{"softwareVersion":""}`, `{}`, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, tc.infos))
			mux.HandleFunc("GET /api/system/installation/version", answers(t, tc.version))
			v, err := c.WithKey("k").Installation(t.Context())
			if v.Major != tc.major || v.Minor != tc.minor || errors.As(err, new(*VersionError)) != tc.tooOld || !tc.tooOld && err != nil {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}
