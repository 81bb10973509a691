package bmapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
)

const servers = `[{"uid":"bm-master","created":200,"value":{"ip":"10.0.0.5","name":"bm-master","tags":["bm/core","mail/imap","bm/es","x/own"]}},
 {"uid":"edge","created":100,"value":{"tags":["mail/smtp-edge","mail/smtp","x/own"]}},{"uid":"store2","created":300,"value":{"tags":["mail/imap","bm/es"]}}]`

const domainTemplate = `{"kinds":[{"id":"mail","tags":[{"value":"mail/smtp","autoAssign":true},{"value":"mail/imap","autoAssign":true},
 {"value":"mail/smtp-edge","autoAssign":true},{"value":"x/own","autoAssign":false}]},{"id":"bm","tags":[{"value":"bm/es","autoAssign":true}]}]}`

// domainMux is a server for CreateDomain; assigned collects what it did.
func domainMux(t *testing.T, mux *http.ServeMux, exists *bool, mail string, assigned *[]string) {
	mux.HandleFunc("GET /api/domains/_lookup", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("name"); got != "d.org" {
			t.Errorf("looked for %q", got)
		}
		if !*exists {
			nothing(w, r)
			return
		}
		io.WriteString(w, `{"uid":"1f.internal","created":7,"value":{"name":"1f.internal","aliases":["d.org"],"defaultAlias":"d.org"}}`)
	})
	mux.HandleFunc("GET /api/servers/default/_complete", answers(t, servers))
	mux.HandleFunc("GET /api/servers/default/1f.internal/byAssignment", answers(t, mail))
	mux.HandleFunc("GET /api/system/domaintemplate", answers(t, domainTemplate))
	mux.HandleFunc("POST /api/servers/default/1f.internal/assignments/{server}/_assign", func(_ http.ResponseWriter, r *http.Request) {
		*assigned = append(*assigned, r.PathValue("server")+" "+r.URL.Query().Get("tag"))
	})
}

func TestCreateDomain(t *testing.T) {
	all := []string{"bm-master bm/core", "bm-master mail/imap", "bm-master bm/es", "bm-master x/own", "edge mail/smtp", "store2 bm/es"}
	other := []string{"store2 mail/imap", "store2 bm/es", "bm-master bm/core", "bm-master bm/es", "edge mail/smtp"}
	for name, tc := range map[string]struct {
		exists bool
		put    func(http.ResponseWriter, *bool)
		mail   string
		puts   int
		want   []string
		code   Code
	}{
		"made":                    {put: func(_ http.ResponseWriter, e *bool) { *e = true }, mail: `[]`, puts: 1, want: all},
		"there already":           {exists: true, mail: `[]`, want: all},
		"there with mail":         {exists: true, mail: `["store2"]`, want: other},
		"answer lost":             {put: func(_ http.ResponseWriter, e *bool) { *e = true; panic(http.ErrAbortHandler) }, mail: `[]`, puts: 4, want: all},
		"another was first":       {put: func(w http.ResponseWriter, e *bool) { *e = true; faults(w, 500, CodeAlreadyExists, "") }, mail: `[]`, puts: 1, want: all},
		"refused for its name":    {put: func(w http.ResponseWriter, _ *bool) { faults(w, 500, CodeInvalidDomainName, "") }, mail: `[]`, puts: 1, code: CodeInvalidDomainName},
		"refused to other people": {put: func(w http.ResponseWriter, _ *bool) { faults(w, 403, CodePermissionDenied, "") }, mail: `[]`, puts: 1, code: CodePermissionDenied},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			var assigned []string
			exists, puts := tc.exists, 0
			domainMux(t, mux, &exists, tc.mail, &assigned)
			mux.HandleFunc("PUT /api/domains/1f.internal", func(w http.ResponseWriter, r *http.Request) {
				wantJSON(t, "domain", body(t, r), `{"name":"1f.internal","label":"d.org","description":"","aliases":["d.org","e.org"],"defaultAlias":"d.org","global":false,"properties":{}}`)
				puts++
				tc.put(w, &exists)
			})
			d, err := c.WithKey("adm").CreateDomain(t.Context(), NewDomain{UID: "1F.internal", DefaultAlias: "D.org", Aliases: []string{"e.org", "E.org", "1f.internal"}})
			if CodeOf(err) != tc.code || tc.code == "" && (err != nil || d.UID != "1f.internal") {
				t.Errorf("got %+v, %v", d, err)
			}
			if !slices.Equal(assigned, tc.want) || puts != tc.puts {
				t.Errorf("%d times put, assigned %q", puts, assigned)
			}
		})
	}
}

func TestNewDomainByItsName(t *testing.T) {
	wantJSON(t, "domain", NewDomain{DefaultAlias: "D.org"}.wire(),
		`{"name":"d.org","label":"d.org","description":"","aliases":[],"defaultAlias":"d.org","global":false,"properties":{}}`)
}

func TestNoMailServer(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/servers/default/_complete", answers(t, servers))
	if err := c.WithKey("adm").AssignServers(t.Context(), "d", "edge"); err == nil {
		t.Error("edge keeps no mail")
	}
}

func TestAliases(t *testing.T) {
	c, mux, p := setup(t)
	states := []string{`{"state":"NotStarted"}`, `{"state":"InProgress"}`, `{"state":"InError","lastLogEntry":"alias in use"}`}
	mux.HandleFunc("POST /api/domains/d/_aliases", func(w http.ResponseWriter, r *http.Request) {
		wantJSON(t, "aliases", body(t, r), `["a.org"]`)
		io.WriteString(w, `{"id":"t1"}`)
	})
	mux.HandleFunc("GET /api/tasks/t1", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, states[0])
		states = states[1:]
	})
	mux.HandleFunc("POST /api/domains/d/_default_alias", func(_ http.ResponseWriter, r *http.Request) { wantJSON(t, "alias", body(t, r), `"a.org"`) })
	s := c.WithKey("adm")
	err := s.SetAliases(t.Context(), "d", []string{"A.org"})
	if e, ok := errors.AsType[*TaskError](err); !ok || e.LastLogEntry != "alias in use" || e.ID != "t1" {
		t.Errorf("got %v", err)
	}
	if fmt.Sprint(p.list()) != "[10ms 20ms]" {
		t.Errorf("waited %v", p.list())
	}
	if err := s.SetDefaultAlias(t.Context(), "d", "A.org"); err != nil {
		t.Error(err)
	}
}

func TestAwait(t *testing.T) {
	c, mux, p := setup(t)
	n := 0
	mux.HandleFunc("GET /api/tasks/long", func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 12 {
			io.WriteString(w, `{"state":"InProgress","steps":4.0,"progress":1.5,"result":null}`)
			return
		}
		io.WriteString(w, `{"state":"Success","result":"r"}`)
	})
	mux.HandleFunc("GET /api/tasks/gone", func(w http.ResponseWriter, _ *http.Request) { faults(w, 404, CodeNotFound, "") })
	s := c.WithKey("adm")
	st, err := s.Await(t.Context(), TaskRef{ID: "long"})
	waits := p.list()
	if err != nil || st.Result != "r" || len(waits) != 11 || waits[10] != 1e9 || slices.Max(waits) != 1e9 || waits[0] != 1e7 {
		t.Errorf("got %+v, %v after %v", st, err, waits)
	}
	if _, err := s.Await(t.Context(), TaskRef{ID: "gone"}); !errors.Is(err, ErrTaskUnknown) || !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/domains/d/_settings", answers(t, `{"lang":"fr","mailbox_max_user_quota":null}`))
	mux.HandleFunc("PUT /api/domains/d/_settings", func(_ http.ResponseWriter, r *http.Request) {
		wantJSON(t, "settings", body(t, r), `{"lang":"de","mailbox_max_user_quota":""}`)
	})
	s := c.WithKey("adm")
	m, err := s.Settings(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	m[SettingLang] = "de"
	if err := s.PutSettings(t.Context(), "d", m); err != nil {
		t.Error(err)
	}
}

func TestInstallation(t *testing.T) {
	for name, tc := range map[string]struct {
		answer       string
		major, minor int
		refused      bool
	}{
		"5.1":                  {`{"softwareVersion":"5.1.12345","releaseName":"5.1","defaultDomain":"d.org"}`, 5, 1, false},
		"4.9 in words":         {`{"softwareVersion":"4.1.60000","releaseName":"BlueMind 4.9.3"}`, 4, 9, false},
		"without release":      {`{"softwareVersion":"5.0.0","releaseName":null}`, 5, 0, false},
		"3.5 calls itself 3.1": {`{"softwareVersion":"3.1.40000","releaseName":"3.5.14"}`, 3, 5, true},
		"later than we know":   {`{"softwareVersion":"6.0.1","releaseName":"6"}`, 6, 0, false},
		"unreadable":           {`{"softwareVersion":"","releaseName":"next"}`, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, mux, _ := setup(t)
			mux.HandleFunc("GET /api/system/installation/_infos", answers(t, tc.answer))
			v, err := c.Installation(t.Context())
			e, refused := errors.AsType[*VersionError](err)
			if v.Major != tc.major || v.Minor != tc.minor || refused != tc.refused || !refused && err != nil || refused && e.Version != v {
				t.Errorf("got %+v, %v", v, err)
			}
		})
	}
}

func TestStateAndConfiguration(t *testing.T) {
	c, mux, _ := setup(t)
	mux.HandleFunc("GET /api/system/installation/state", answers(t, `"CORE_STATE_RUNNING"`))
	mux.HandleFunc("GET /api/system/installation/version", answers(t, `{"versionName":null,"needsUpgrade":true}`))
	mux.HandleFunc("GET /api/configuration", answers(t, `{"values":{"message_size_limit":"20000000","external_url":"mail.d.org","x":null}}`))
	s := c.WithKey("adm")
	state, err := c.State(t.Context())
	up, err2 := s.NeedsUpgrade(t.Context())
	conf, err3 := s.Configuration(t.Context())
	if err := errors.Join(err, err2, err3); err != nil || state != Running || !up || conf.MessageSizeLimit() != 20_000_000 || conf.ExternalURL() != "mail.d.org" {
		t.Errorf("got %q %v %v, %v", state, up, conf, err)
	}
	if (Configuration{}).MessageSizeLimit() != 0 || (Configuration{"message_size_limit": "-1"}).MessageSizeLimit() != 0 {
		t.Error("limit that is none")
	}
}

func TestIdentity(t *testing.T) {
	identity := func(created int, servers string) string {
		c, mux, _ := setup(t)
		mux.HandleFunc("GET /api/domains/global.virt", answers(t, fmt.Sprintf(`{"uid":"global.virt","created":%d,"updated":%d,"value":{"global":true}}`, created, created*2)))
		mux.HandleFunc("GET /api/servers/default/_complete", answers(t, servers))
		id, err := c.WithKey("adm").Identity(t.Context())
		if err != nil {
			return err.Error()
		}
		return id
	}
	const one = `{"uid":"bm-master","created":200,"value":{"ip":"10.0.0.5"}}`
	first := identity(100, "["+one+"]")
	if len(first) != 32 || first != identity(100, `[{"uid":"bm-master","created":200,"value":{"ip":"10.9.9.9","fqdn":"new.name"}}]`) {
		t.Errorf("%s changes with the address", first)
	}
	if first != identity(100, `[{"uid":"edge","created":900,"value":{}},`+one+`]`) {
		t.Error("changes with a server added")
	}
	if first == identity(101, "["+one+"]") || first == identity(100, `[{"uid":"bm-master","created":201,"value":{}}]`) {
		t.Error("another installation has the same")
	}
	if got := identity(0, "["+one+"]"); len(got) == 32 {
		t.Error("made of nothing")
	}
}
