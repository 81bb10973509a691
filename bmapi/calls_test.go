package bmapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// TestCalls: what each call sends, and what it makes of the answer.
func TestCalls(t *testing.T) {
	const (
		group    = `{"uid":"g1","version":4,"externalId":"ldap-g","value":{"name":"staff","description":null,"emails":[{"address":"staff@d","isDefault":true}],"properties":{"is_profile":"true"}}}`
		external = `{"uid":"e1","version":2,"externalId":"x","value":{"emails":[{"address":"x@other.org","isDefault":true}],"contactInfos":{"identification":{"name":{"familyNames":"X"},"formatedName":{"value":"Mr X"}}}}}`
		boxes    = `[{"uid":"m1","value":{"name":"support","type":"mailshare"}},null]`
		user     = `{"uid":"u1","version":3,"externalId":"entryuuid","value":{"login":"ada","accountType":"SIMPLE"}}`
	)
	for name, tc := range map[string]struct {
		call         func(context.Context, *Session) (any, error)
		sent, answer string
		want         string // of what comes back
	}{
		"group": {func(ctx context.Context, s *Session) (any, error) { return see(s.Group(ctx, "d", "g1")) },
			"GET /groups/d/g1/complete", group, `"g1 4 ldap-g staff staff@d true"`},
		"group by address": {func(ctx context.Context, s *Session) (any, error) { return see(s.GroupByEmail(ctx, "d", "Staff@D")) },
			"GET /groups/d/byEmail/staff@d", group, `"g1 4 ldap-g staff staff@d true"`},
		"group by external id": {func(ctx context.Context, s *Session) (any, error) { return see(s.GroupByExtID(ctx, "d", "cn=a/b")) },
			"GET /groups/d/_extid/cn%3Da%2Fb", group, `"g1 4 ldap-g staff staff@d true"`},
		"groups": {func(ctx context.Context, s *Session) (any, error) { return s.GroupUIDs(ctx, "d") },
			"GET /groups/d/_alluids", `["g1"]`, `["g1"]`},
		"groups above": {func(ctx context.Context, s *Session) (any, error) {
			gs, err := s.GroupParents(ctx, "d", "g2")
			return fmt.Sprint(len(gs), gs[0].UID), err
		}, "GET /groups/d/g2/parents", "[" + group + "]", `"1g1"`},
		"delete members": {func(ctx context.Context, s *Session) (any, error) {
			return nil, s.RemoveMembers(ctx, "d", "g1", Member{MemberUser, "u1"}, Member{MemberExternal, "e1"})
		}, `DELETE /groups/d/g1/members [{"type":"user","uid":"u1"},{"type":"external_user","uid":"e1"}]`, "", "null"},
		"expanded members": {func(ctx context.Context, s *Session) (any, error) { return s.ExpandedMembers(ctx, "d", "g1") },
			"GET /groups/d/g1/expandedmembers", `[{"type":"user","uid":"u1"}]`, `[{"type":"user","uid":"u1"}]`},
		"groups of a user": {func(ctx context.Context, s *Session) (any, error) { return s.GroupsOf(ctx, "d", "u1") },
			"GET /users/d/u1/groupUids", `["g1","g2"]`, `["g1","g2"]`},
		"users": {func(ctx context.Context, s *Session) (any, error) { return s.AllUIDs(ctx, "d") },
			"GET /users/d/_alluids", `["u1"]`, `["u1"]`},
		"user by external id": {func(ctx context.Context, s *Session) (any, error) {
			u, err := s.UserByExtID(ctx, "d", "entry+uuid")
			return fmt.Sprint(u.UID, " ", u.ExternalID), err
		}, "GET /users/d/byExtId/entry%2Buuid", user, `"u1 entryuuid"`},
		"external id of a user": {func(ctx context.Context, s *Session) (any, error) { return nil, s.SetUserExtID(ctx, "d", "u1", "x") },
			`POST /users/d/u1/_extId "x"`, "", "null"},
		"roles": {func(ctx context.Context, s *Session) (any, error) { return s.Roles(ctx, "d", "u1") },
			"GET /users/d/u1/roles", `["hasMail"]`, `["hasMail"]`},
		"roles by groups": {func(ctx context.Context, s *Session) (any, error) { return s.RolesResolved(ctx, "d", "u1") },
			"GET /users/d/u1/roles_resolved", `["hasMail","hasIM"]`, `["hasMail","hasIM"]`},
		"no roles": {func(ctx context.Context, s *Session) (any, error) { return nil, s.SetRoles(ctx, "d", "u1", nil) },
			"POST /users/d/u1/roles []", "", "null"},
		"user's settings": {func(ctx context.Context, s *Session) (any, error) { return s.UserSettings(ctx, "d", "u1") },
			"GET /users/d/u1/_settings", `{"lang":"fr"}`, `{"lang":"fr"}`},
		"set user's settings": {func(ctx context.Context, s *Session) (any, error) {
			return nil, s.PutUserSettings(ctx, "d", "u1", map[string]string{"lang": "en"})
		}, `POST /users/d/u1/_settings {"lang":"en"}`, "", "null"},
		"mailboxes": {func(ctx context.Context, s *Session) (any, error) {
			ms, err := s.Mailboxes(ctx, "d")
			return fmt.Sprint(len(ms), ms[0].UID, ms[0].Type), err
		}, "GET /mailboxes/d/_list", boxes, `"1m1mailshare"`},
		"mailboxes by uid": {func(ctx context.Context, s *Session) (any, error) {
			ms, err := s.MailboxesOf(ctx, "d", []string{"m1", "gone"})
			return fmt.Sprint(len(ms), ms[0].UID), err
		}, `POST /mailboxes/d/_mget ["m1","gone"]`, boxes, `"1m1"`},
		"mailbox uids": {func(ctx context.Context, s *Session) (any, error) { return s.MailboxUIDs(ctx, "d") },
			"GET /mailboxes/d/_listUids", `["m1"]`, `["m1"]`},
		"mailshares": {func(ctx context.Context, s *Session) (any, error) { return s.MailboxUIDsByType(ctx, "d", BoxMailshare) },
			"GET /mailboxes/d/_byType?email=mailshare", `["m1"]`, `["m1"]`},
		"split domain": {func(ctx context.Context, s *Session) (any, error) {
			return s.MailboxUIDsByRouting(ctx, "d", RoutingExternal)
		}, "GET /mailboxes/d/_byRouting?email=external", `[]`, `[]`},
		"all mailshares": {func(ctx context.Context, s *Session) (any, error) {
			ms, err := s.Mailshares(ctx, "d")
			return fmt.Sprint(len(ms), ms[0].UID, ms[0].Name), err
		}, "GET /mailshares/d/_complete", boxes, `"1m1support"`},
		"entries by uid": {func(ctx context.Context, s *Session) (any, error) {
			es, err := s.EntriesOf(ctx, "d", []string{"u1"})
			return fmt.Sprint(len(es), es[0].EntryUID, es[0].ExternalID, es[0].Kind), err
		}, `POST /directory/d/_mget ["u1"]`, `[null,{"uid":"u1","externalId":"x","value":{"kind":"USER"}}]`, `"1u1xUSER"`},
		"roles on an entry": {func(ctx context.Context, s *Session) (any, error) { return s.EntryRoles(ctx, "d", "u1") },
			"GET /directory/d/entry-uid/u1/rolesfor_", `["sudo"]`, `["sudo"]`},
		"subscribers": {func(ctx context.Context, s *Session) (any, error) { return s.Subscribers(ctx, "d", "m1") },
			"GET /users/d/subscriptions/_subscribers/mailbox:acls-m1", `["u1"]`, `["u1"]`},
		"unassign": {func(ctx context.Context, s *Session) (any, error) { return nil, s.Unassign(ctx, "d", "srv", TagSMTP) },
			"POST /servers/default/d/assignments/srv/_unassign?tag=mail%2Fsmtp", "", "null"},
		"update of a domain": {func(ctx context.Context, s *Session) (any, error) {
			return nil, s.UpdateDomain(ctx, &Domain{UID: "d", Name: "d", Label: "L", DefaultAlias: "d"})
		}, `POST /domains/d {"name":"d","label":"L","description":"","aliases":[],"defaultAlias":"d","global":false,"properties":null}`, "", "null"},
		"external user": {func(ctx context.Context, s *Session) (any, error) {
			e, err := s.ExternalUser(ctx, "d", "e1")
			return fmt.Sprint(e.UID, e.Version, " ", e.ExternalID, e.Address, e.FamilyNames, e.DisplayName), err
		}, "GET /externaluser/d/e1/complete", external, `"e12 xx@other.orgXMr X"`},
		"external user by external id": {func(ctx context.Context, s *Session) (any, error) {
			e, err := s.ExternalUserByExtID(ctx, "d", "x")
			return e.UID, err
		}, "GET /externaluser/d/byExtId/x", external, `"e1"`},
		"new external user": {func(ctx context.Context, s *Session) (any, error) {
			return nil, s.CreateExternalUser(ctx, "d", "e1", &ExternalUser{Address: "X@other.org"})
		}, `PUT /externaluser/d/e1 {"emails":[{"address":"x@other.org","allAliases":false,"isDefault":true}],"dataLocation":null,"hidden":false,
		  "contactInfos":{"kind":"individual","identification":{"name":{"familyNames":"x@other.org"},"formatedName":{"value":"x@other.org"}},
		  "communications":{"emails":[{"value":"x@other.org"}]}}}`, "", "null"},
		"user with external id": {func(ctx context.Context, s *Session) (any, error) {
			return nil, s.CreateUserWithExtID(ctx, "d", "u1", "a/b", &User{Login: "ada", FamilyNames: "M"})
		}, `PUT /users/d/u1/a%2Fb/createwithextid {"login":"ada","routing":"internal","accountType":"FULL","dataLocation":null,"quota":null,"emails":[],
		  "contactInfos":{"kind":"individual","identification":{"name":{"familyNames":"M"},"formatedName":{"value":"M"}}},"hidden":false,"archived":false,"system":false}`, "", "null"},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
				wantSent(t, r, tc.sent)
				io.WriteString(w, tc.answer)
			})
			got, err := tc.call(t.Context(), c.WithKey("adm"))
			if err != nil {
				t.Fatal(err)
			}
			wantJSON(t, "came back", got, tc.want)
		})
	}
}

// wantSent compares a request with "METHOD /path body", the body as JSON.
func wantSent(t *testing.T, r *http.Request, want string) {
	t.Helper()
	line := r.Method + " " + r.RequestURI[len("/api"):]
	sent := body(t, r)
	if sent == nil {
		if line != want {
			t.Errorf("sent %s", line)
		}
		return
	}
	if len(want) < len(line) || want[:len(line)] != line {
		t.Errorf("sent %s", line)
		return
	}
	wantJSON(t, "body", sent, want[len(line):])
}

func see(g *Group, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(g.UID, " ", g.Version, " ", g.ExternalID, " ", g.Name, " ", g.DefaultEmail(), " ", g.Profile()), nil
}

// TestNothingToDoIsNotSent: an empty list would be a call for nothing.
func TestNothingToDoIsNotSent(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s", r.URL) })
	s := c.WithKey("adm")
	for _, err := range []error{s.AddMembers(t.Context(), "d", "g"), s.RemoveMembers(t.Context(), "d", "g"), s.Subscribe(t.Context(), "d", "u"), s.Unsubscribe(t.Context(), "d", "u")} {
		if err != nil {
			t.Error(err)
		}
	}
	if boxes, err := s.MailboxesOf(t.Context(), "d", nil); err != nil || len(boxes) != 0 {
		t.Errorf("got %v, %v", boxes, err)
	}
}

// TestGroupRoundTrip: what is not known of a group goes back as it came.
func TestGroupRoundTrip(t *testing.T) {
	const read = `{"name":"staff","description":"all of us","hidden":true,"hiddenMembers":true,"mailArchived":true,"dataLocation":"bm-master","memberCount":12,
	 "orgUnitUid":"ou","archived":false,"system":false,"emails":[{"address":"staff@d.org","allAliases":true,"isDefault":true}],"properties":{"a":"b"}}`
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/groups/d/g1/complete", answers(t, `{"uid":"g1","value":`+read+`}`))
	mux.HandleFunc("POST /api/groups/d/g1", func(_ http.ResponseWriter, r *http.Request) { wantJSON(t, "sent", body(t, r), read) })
	s := c.WithKey("adm")
	g, err := s.Group(t.Context(), "d", "g1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateGroup(t.Context(), "d", g); err != nil {
		t.Error(err)
	}
	if g.Description != "all of us" || !g.Hidden || !g.MailArchived || g.Properties["a"] != "b" {
		t.Errorf("got %+v", g)
	}
}

// TestAccountTypeThatStays: BlueMind makes no full account simple, and says nothing.
func TestAccountTypeThatStays(t *testing.T) {
	for want, fails := range map[string]bool{AccountFull: false, AccountSimple: true} {
		c, mux, _ := setup(t)
		mux.HandleFunc("GET /api/users/d/u/complete", answers(t, `{"uid":"u","value":{"login":"ada","accountType":"FULL"}}`))
		mux.HandleFunc("POST /api/users/d/_updateAccountType/u", func(_ http.ResponseWriter, r *http.Request) {
			wantJSON(t, "type", body(t, r), `"`+want+`"`)
		})
		if err := c.WithKey("adm").UpdateAccountType(t.Context(), "d", "u", want); is(err, ErrForbidden) != fails || !fails && err != nil {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestAccountTypeOfNobody(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/users/d/u/complete", nothing)
	if err := c.WithKey("adm").UpdateAccountType(t.Context(), "d", "u", AccountFull); !is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
