package bmapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLookups(t *testing.T) {
	const user = `{"uid":"u1","version":3,"created":1,"value":{"login":"ada","routing":"internal","emails":[{"address":"ada@d.org","isDefault":true}]}}`
	for name, tc := range map[string]struct {
		path, answer string
		call         func(context.Context, *Session) (string, error)
	}{
		"user by login": {"/users/d/byLogin/ada", user, func(ctx context.Context, s *Session) (string, error) {
			u, err := s.UserByLogin(ctx, "d", "ada")
			return say(u, err, func() string { return fmt.Sprint(u.UID, u.Login, u.DefaultEmail(), u.Version) })
		}},
		"user by address": {"/users/d/byEmail/ada@d.org", user, func(ctx context.Context, s *Session) (string, error) {
			u, err := s.UserByEmail(ctx, "d", "ada@d.org")
			return say(u, err, func() string { return fmt.Sprint(u.UID, u.Login, u.DefaultEmail(), u.Version) })
		}},
		"user": {"/users/d/u1/complete", user, func(ctx context.Context, s *Session) (string, error) {
			u, err := s.User(ctx, "d", "u1")
			return say(u, err, func() string { return fmt.Sprint(u.UID, u.Login, u.DefaultEmail(), u.Version) })
		}},
		"entry by address": {"/directory/d/_byEmail/ada@d.org", `{"entryUid":"u1","kind":"USER"}`, func(ctx context.Context, s *Session) (string, error) {
			e, err := s.EntryByEmail(ctx, "d", "Ada@D.org")
			return say(e, err, func() string { return e.EntryUID + e.Kind })
		}},
		"entry": {"/directory/d/entry-uid/u1", `{"entryUid":"u1","kind":"USER"}`, func(ctx context.Context, s *Session) (string, error) {
			e, err := s.Entry(ctx, "d", "u1")
			return say(e, err, func() string { return e.EntryUID + e.Kind })
		}},
		"mailbox": {"/mailboxes/d/u1/complete", `{"uid":"u1","value":{"name":"ada","type":"user","quota":null,"emails":[{"address":"a@d","isDefault":true}]}}`,
			func(ctx context.Context, s *Session) (string, error) {
				m, err := s.Mailbox(ctx, "d", "u1")
				return say(m, err, func() string { return fmt.Sprint(m.UID, m.Name, m.Type, m.Quota == nil, m.DefaultEmail()) })
			}},
		"mailbox by name": {"/mailboxes/d/_byname?name=support", `{"uid":"m1","value":{"name":"support","type":"mailshare"}}`,
			func(ctx context.Context, s *Session) (string, error) {
				m, err := s.MailboxByName(ctx, "d", "support")
				return say(m, err, func() string { return m.UID + m.Type })
			}},
		"mailshare": {"/mailshares/d/m1/complete", `{"uid":"m1","value":{"name":"support","card":{"identification":{"formatedName":{"value":"Support desk"}}}}}`,
			func(ctx context.Context, s *Session) (string, error) {
				m, err := s.Mailshare(ctx, "d", "m1")
				return say(m, err, func() string { return m.UID + m.Name + m.Label })
			}},
		"group": {"/groups/d/byName/user", `{"uid":"d_user_group","value":{"name":"user"}}`, func(ctx context.Context, s *Session) (string, error) {
			g, err := s.GroupByName(ctx, "d", "user")
			return say(g, err, func() string { return g.UID })
		}},
		"domain": {"/domains/_lookup?name=d.org", `{"uid":"1f.internal","created":5,"value":{"name":"1f.internal","aliases":["d.org"],"defaultAlias":"d.org"}}`,
			func(ctx context.Context, s *Session) (string, error) {
				d, err := s.LookupDomain(ctx, "D.org")
				return say(d, err, func() string { return fmt.Sprint(d.UID, d.Created.UnixMilli(), d.Has("D.ORG"), d.Has("x.org")) })
			}},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mode := 0
			mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) {
				if r.RequestURI != "/api"+tc.path || r.Header.Get("X-BM-ApiKey") != "adm" {
					t.Errorf("asked %s", r.RequestURI)
				}
				switch mode {
				case 0:
					io.WriteString(w, tc.answer)
				case 1:
					nothing(w, r)
				case 2:
					faults(w, 404, CodeNotFound, "domain")
				case 3:
					faults(w, 403, CodePermissionDenied, "no")
				}
			})
			var got []string
			for mode = range 4 {
				text, err := tc.call(t.Context(), c.WithKey("adm"))
				got = append(got, text, fmt.Sprint(errors.Is(err, ErrNotFound), errors.Is(err, ErrPermission)))
			}
			if got[0] == "" || got[0] == "nil" || !slices.Equal(got[1:], []string{"false false", "nil", "true false", "nil", "true false", "nil", "false true"}) {
				t.Errorf("got %q", got)
			}
			t.Log(got[0])
		})
	}
}

func say[T any](v *T, err error, text func() string) (string, error) {
	if v == nil {
		return "nil", err
	}
	return text(), err
}

func TestCreateUserBody(t *testing.T) {
	c, mux, _ := setup(t)
	quota := int64(1024)
	mux.HandleFunc("PUT /api/users/d.org/u1", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "user", body(t, r), `{"login":"ada.martin","password":"S3cret!pass","routing":"internal","accountType":"FULL","dataLocation":null,"quota":1024,
		 "emails":[{"address":"ada.martin@d.org","allAliases":false,"isDefault":true}],
		 "contactInfos":{"kind":"individual","identification":{"name":{"familyNames":"Martin","givenNames":"Ada"},"formatedName":{"value":"Ada Martin"}}},
		 "hidden":false,"archived":false,"system":false}`)
	})
	err := c.WithKey("adm").CreateUser(t.Context(), "d.org", "u1", &User{Login: "ada.martin", Password: "S3cret!pass", Quota: &quota,
		FamilyNames: "Martin", GivenNames: "Ada", Emails: []Email{{Address: "Ada.Martin@D.org", IsDefault: true}}})
	if err != nil {
		t.Error(err)
	}
}

// TestUpdateKeepsWhatItDoesNotKnow: an update replaces the whole user, photo, phones and
// numbers beyond 2^53 included.
func TestUpdateKeepsWhatItDoesNotKnow(t *testing.T) {
	const read = `{"login":"ada","password":null,"routing":"internal","accountType":"SIMPLE","dataLocation":"bm-master","quota":77,
	 "emails":[{"address":"ada@d.org","allAliases":true,"isDefault":true}],"mailboxCopyGuid":9007199254740993,"orgUnitUid":"ou",
	 "contactInfos":{"kind":"individual","identification":{"name":{"familyNames":"Martin","givenNames":"Ada","parameters":[{"label":"x"}]},
	 "formatedName":{"value":"Ada Martin","parameters":[]},"photo":true},"communications":{"tels":[{"value":"+33"}]}},
	 "hidden":true,"archived":false,"system":false,"properties":{"a":"b"}}`
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/users/d/u1/complete", answers(t, `{"uid":"u1","version":9,"value":`+read+`}`))
	var sent string
	mux.HandleFunc("POST /api/users/d/u1", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		sent = string(data)
	})
	s := c.WithKey("adm")
	u, err := s.User(t.Context(), "d", "u1")
	if err != nil {
		t.Fatal(err)
	}
	u.Archived, u.Password = true, "must not be sent"
	u.Emails = append(u.Emails, Email{Address: "A.Martin@d.org"})
	if err := s.UpdateUser(t.Context(), "d", u); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"archived":false`, `"archived":true`, `"isDefault":true}]`,
		`"isDefault":true},{"address":"a.martin@d.org","allAliases":false,"isDefault":false}]`).Replace(read)
	var g, w document
	if err := errors.Join(g.read([]byte(sent)), w.read([]byte(want))); err != nil {
		t.Fatal(err)
	}
	if a, b := asJSON(t, g), asJSON(t, w); a != b {
		t.Errorf("sent\n%s\nwant\n%s", a, b)
	}
}

func TestMailshareRoundTrip(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("PUT /api/mailshares/d/m1", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "mailshare", body(t, r), `{"name":"support","routing":"internal","dataLocation":"bm-master","quota":null,"hidden":false,"archived":false,
		 "emails":[{"address":"support@d.org","allAliases":false,"isDefault":true}],"card":{"identification":{"formatedName":{"value":"Support desk"}}}}`)
	})
	mux.HandleFunc("GET /api/mailshares/d/m1/complete", answers(t, `{"uid":"m1","value":{"name":"support","routing":"none","emails":[],"extra":[1]}}`))
	mux.HandleFunc("POST /api/mailshares/d/m1", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "updated", body(t, r), `{"name":"support","routing":"none","dataLocation":null,"quota":null,"hidden":true,"archived":false,
		 "emails":[],"extra":[1],"card":{"identification":{"formatedName":{}}}}`)
	})
	s := c.WithKey("adm")
	if err := s.CreateMailshare(t.Context(), "d", "m1", &Mailshare{Name: "support", Label: "Support desk", DataLocation: "bm-master",
		Emails: []Email{{Address: "Support@d.org", IsDefault: true}}}); err != nil {
		t.Error(err)
	}
	m, err := s.Mailshare(t.Context(), "d", "m1")
	if err != nil {
		t.Fatal(err)
	}
	m.Hidden = true
	if err := s.UpdateMailshare(t.Context(), "d", m); err != nil {
		t.Error(err)
	}
}

func TestDeleteUserAwaitsItsTask(t *testing.T) {
	c, mux, _ := setup(t)
	asked := 0
	mux.HandleFunc("DELETE /api/users/d/u1", answers(t, `{"id":"t/1"}`))
	mux.HandleFunc("GET /api/tasks/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "t/1" || r.URL.EscapedPath() != "/api/tasks/t%2F1" {
			t.Errorf("asked %s", r.URL.EscapedPath())
		}
		asked++
		io.WriteString(w, `{"state":"Success"}`)
	})
	if err := c.WithKey("adm").DeleteUser(t.Context(), "d", "u1"); err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func TestEntriesByPages(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("POST /api/directory/d/_search", func(w http.ResponseWriter, r *http.Request) {
		q := body(t, r).(map[string]any)
		from := int(q["from"].(float64))
		if q["hiddenFilter"] != false || q["systemFilter"] != true || q["size"] != 1000.0 {
			t.Errorf("asked %v", q)
		}
		var values []string
		for i := from; i < min(from+1000, 2500); i++ {
			values = append(values, fmt.Sprintf(`{"uid":"u%d","value":{"entryUid":"u%d","kind":"USER"}}`, i, i))
		}
		fmt.Fprintf(w, `{"values":[%s],"total":2500}`, strings.Join(values, ","))
	})
	n := 0
	for e, err := range c.WithKey("adm").Entries(t.Context(), "d", DirQuery{Kinds: []string{KindUser}}) {
		if err != nil || e.EntryUID != fmt.Sprint("u", n) {
			t.Fatalf("entry %d: %v, %v", n, e, err)
		}
		n++
	}
	if n != 2500 {
		t.Errorf("%d entries", n)
	}
}

func TestACLAndSubscription(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/containers/_manage/mailbox:acls-m1/_acl", answers(t, `[{"subject":"u1","verb":"Write"},{"subject":"u1","verb":"Read"}]`))
	mux.HandleFunc("PUT /api/containers/_manage/mailbox:acls-m1/_acl", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "acl", body(t, r), `[{"subject":"u1","verb":"Read"},{"subject":"u1","verb":"Write"},{"subject":"u2","verb":"Write"}]`)
	})
	mux.HandleFunc("PUT /api/containers/_manage/mailbox:acls-m2/_acl", func(w http.ResponseWriter, r *http.Request) { wantJSON(t, "none", body(t, r), `[]`) })
	mux.HandleFunc("POST /api/users/d/subscriptions/u2/_subscribe", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "subscription", body(t, r), `[{"containerUid":"mailbox:acls-m1","offlineSync":true,"automount":true}]`)
	})
	mux.HandleFunc("GET /api/users/d/subscriptions/u2", answers(t, `[{"containerUid":"mailbox:acls-m1","owner":"m1"}]`))
	s := c.WithKey("adm")
	had, err := s.ACL(t.Context(), "m1")
	if err != nil {
		t.Fatal(err)
	}
	want := []AccessEntry{{"u2", VerbWrite}, {"u1", VerbRead}}
	if Covers(had, want) || !Covers(had, want[1:]) || !Covers([]AccessEntry{{"u2", VerbAll}}, want[:1]) {
		t.Error("covers")
	}
	subs, err := s.Subscriptions(t.Context(), "d", "u2")
	if err := errors.Join(err, s.SetACL(t.Context(), "m1", JoinACL(had, want)), s.SetACL(t.Context(), "m2", nil), s.Subscribe(t.Context(), "d", "u2", "m1")); err != nil {
		t.Error(err)
	}
	if len(subs) != 1 || subs[0].ContainerUID != ACLContainer("m1") {
		t.Errorf("got %v", subs)
	}
}

func TestAddToGroup(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/groups/d/byName/user", answers(t, `{"uid":"g7","value":{"name":"user"}}`))
	mux.HandleFunc("PUT /api/groups/d/g7/members", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "members", body(t, r), `[{"type":"user","uid":"u1"},{"type":"user","uid":"u2"}]`)
	})
	if err := c.WithKey("adm").AddToGroup(t.Context(), "d", UsersGroup, "u1", "u2"); err != nil {
		t.Error(err)
	}
}

func TestUserUID(t *testing.T) {
	a := UserUID("d.org", "Ada@D.org")
	if !regexp.MustCompile(`^bmsync-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("form: %s", a)
	}
	if a != "bmsync-126bc393-724a-54d9-ba2e-e2f8c294f166" {
		t.Errorf("%s: users made by an earlier release would not be found again", a)
	}
	if a != UserUID("D.ORG", "ada@d.org") || a == UserUID("d.org", "bob@d.org") || a == UserUID("e.org", "ada@d.org") {
		t.Error("not one to one")
	}
}

func TestGeneratePassword(t *testing.T) {
	hash := regexp.MustCompile(`^(\{.*|\$.*|[0-9]+:\S+:\S+|PBKDF2SHA256:.*|[0-9a-z]{32})$`)
	seen := map[string]bool{}
	for range 2000 {
		p := GeneratePassword()
		if hash.MatchString(p) || len(p) != 24 || seen[p] || strings.Count(p, "-") != 3 ||
			!strings.ContainsAny(p, upperLetters) || !strings.ContainsAny(p, lowerLetters) || !strings.ContainsAny(p, digits) {
			t.Fatalf("unfit: %q", p)
		}
		seen[p] = true
	}
}

func TestInternalUID(t *testing.T) {
	if got := InternalUID(time.UnixMilli(0x18fc4a3b2c1)); got != "18fc4a3b2c1.internal" {
		t.Error(got)
	}
}
