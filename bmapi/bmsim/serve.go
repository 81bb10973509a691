package bmsim

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// handler is what the HTTPS listener serves: nginx's part, the API under /api,
// the control address under /sim.
func (s *Sim) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, query, _ := strings.Cut(r.RequestURI, "?")
		if strings.HasPrefix(raw, "/sim/") {
			s.control(w, r, raw)
			return
		}
		path, ok := strings.CutPrefix(raw, "/api")
		if !ok || !strings.HasPrefix(path, "/") {
			http.NotFound(w, r)
			return
		}
		vals, _ := url.ParseQuery(query) // what can't be parsed is left out
		c := &call{sim: s, req: r, query: vals, path: path}
		c.route, c.clean = s.router.find(r.Method, path)
		s.faults.tell(c.told(0, ""))
		code, errorCode := s.serve(w, c, path)
		told := c.told(code, errorCode)
		s.journal.add(Event{Call: &told})
		if code == 0 {
			panic(http.ErrAbortHandler)
		}
	})
}

// told is a call for the journal.
func (c *call) told(code int, errorCode string) Call {
	who := "-"
	if c.session != nil {
		who = c.session.Who()
	}
	write := c.route != nil && c.route.writes && !c.dry
	return Call{
		Method: c.req.Method, Path: c.journalPath(c.path), Query: c.journalQuery(), Who: who, Status: code, ErrorCode: errorCode,
		Write: write, Wrote: write && c.done, Owned: write && c.ofOthers, Imported: c.imported,
	}
}

// gateway answers as nginx does when bm-core does not.
func gateway(w http.ResponseWriter, code int) (int, string) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(code)
	io.WriteString(w, "<html><head><title>"+http.StatusText(code)+"</title></head></html>\r\n")
	return code, ""
}

// discard stands in for the client when its answer is lost on the way.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// serve does what faults are set, and else the call. Status 0: the connection is
// to be cut.
func (s *Sim) serve(w http.ResponseWriter, c *call, path string) (code int, errorCode string) {
	method := c.req.Method
	if f, ok := s.faults.take(Unavailable, method, path); ok {
		return gateway(w, cmp.Or(f.Status, http.StatusServiceUnavailable))
	}
	if f, ok := s.faults.take(Slow, method, path); ok && pause(c.req.Context(), f.Delay) != nil {
		return 0, ""
	}
	if c.readBody() != nil {
		return 0, ""
	}
	if _, ok := s.faults.take(CutBefore, method, path); ok {
		return 0, ""
	}
	if _, ok := s.faults.take(Restarting, method, path); ok {
		s.Restart()
		return gateway(w, http.StatusBadGateway)
	}
	if _, ok := s.faults.take(Sessions, method, path); ok {
		s.ExpireSessions()
	}
	if f, ok := s.faults.take(Failing, method, path); ok {
		fault := directory.Faultf(cmp.Or(f.Code, "SQL_ERROR"), "failing on purpose")
		writeFault(w, status(fault), fault)
		return status(fault), fault.Code
	}
	if len(c.body) > bodyMax {
		return gateway(w, http.StatusRequestEntityTooLarge)
	}
	if _, ok := s.faults.take(Late, method, path); ok {
		s.answer(discard{http.Header{}}, c, path)
		return gateway(w, http.StatusGatewayTimeout)
	}
	if _, ok := s.faults.take(CutAfter, method, path); ok {
		s.answer(discard{http.Header{}}, c, path)
		return 0, ""
	}
	return s.answer(w, c, path)
}

// answer keeps bm-core's order: the route, the session, the parameters, and
// only then, in the handler, the body, the domain and the rights.
func (s *Sim) answer(w http.ResponseWriter, c *call, path string) (int, string) {
	if c.route == nil {
		writeUnknown(w, c.req.Method, path)
		return http.StatusInternalServerError, ""
	}
	key := c.req.Header.Get("X-BM-ApiKey")
	if key == "" {
		key = c.q("apikey")
	}
	if key != "" {
		session, ok := s.dir.Session(key)
		if !ok {
			writeDead(w, key)
			return http.StatusUnauthorized, "AUTHENTICATION_FAIL"
		}
		c.session = session
	}
	v, err := c.invoke(path, c.clean)
	if err != nil {
		f := asFault(err)
		writeFault(w, status(f), f)
		return status(f), f.Code
	}
	c.done = true
	return c.reply(w, v), ""
}

func (c *call) invoke(path string, clean bool) (any, error) {
	if !clean && len(c.route.params) > 0 {
		return nil, exception("IllegalStateException", "No match found")
	}
	if clean {
		var err error
		if c.params, err = c.route.values(path); err != nil {
			return nil, exception("IllegalArgumentException", "invalid hex byte in path")
		}
	}
	return c.route.handle(c)
}
