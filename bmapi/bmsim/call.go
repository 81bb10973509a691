package bmsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
)

// call is one REST call on its way through a handler.
type call struct {
	sim     *Sim
	req     *http.Request
	path    string // raw, after /api
	route   *route // nil: no service has such a path
	clean   bool   // the path has the form of the route's pattern
	params  map[string]string
	query   url.Values
	session *directory.Session // nil: nobody is logged in
	body    []byte
	chunked bool

	imported string // login@domain uid of whom the call took from a directory
	ofOthers bool   // it wants to change what a directory owns
	dry      bool   // it looks, and changes nothing
	done     bool   // the handler ran and had nothing against it
}

func (c *call) p(name string) string { return c.params[name] }
func (c *call) q(name string) string { return c.query.Get(name) }

// who is the author of a change.
func (c *call) who() string {
	if c.session == nil {
		return ""
	}
	return c.session.UID
}

// owned notes that a call wants to change an entry, if a directory owns it.
func (c *call) owned(domainUID, uid string) {
	if e, ok := c.sim.dir.Entry(domainUID, uid); ok && e.Owned() {
		c.ofOthers = true
	}
}

func denied(what string) error {
	return directory.Faultf(directory.PermissionDenied, "%s", what)
}

// known refuses anonymous callers.
func (c *call) known() error {
	if c.session == nil {
		return denied("anonymous access is not allowed")
	}
	return nil
}

// admin lets the administrator pass.
func (c *call) admin() error {
	if c.session != nil && c.session.Admin() {
		return nil
	}
	return denied("role missing")
}

// self lets the user himself and the administrator pass.
func (c *call) self(domainUID, uid string) error {
	if c.session != nil && c.session.Domain == domainUID && c.session.UID == uid {
		return nil
	}
	return c.admin()
}

// domain resolves {d} by uid or alias, as the services of a directory do.
func (c *call) domain() (string, error) {
	d, ok := c.sim.dir.LookupDomain(c.p("d"))
	if !ok {
		return "", &directory.Fault{Code: directory.NotFound, Type: "DomainNotFoundException", Message: "domain " + c.p("d") + " not found"}
	}
	return d.UID, nil
}

// adminOf resolves {d} for a call that only the administrator may make.
func (c *call) adminOf() (string, error) {
	uid, err := c.domain()
	if err != nil {
		return "", err
	}
	return uid, c.admin()
}

func badParameter(name string) error {
	return directory.Faultf(directory.Unknown, "Error during parsing parameter \"%s\"", name)
}

// bodyMax is the limit of nginx and of bm-core's JSON bodies.
const bodyMax = 10 << 20

// decode reads the JSON body; nil: there was none, or null.
func decode[T any](c *call) (*T, error) {
	if c.chunked {
		return nil, badParameter("body")
	}
	if len(c.body) == 0 {
		return nil, nil
	}
	var v *T
	if err := json.Unmarshal(c.body, &v); err != nil {
		return nil, badParameter("body")
	}
	return v, nil
}

// need is decode where null ends in a Java exception.
func need[T any](c *call) (T, error) {
	v, err := decode[T](c)
	if err == nil && v == nil {
		err = directory.Exception("NullPointerException", "")
	}
	if err != nil {
		var none T
		return none, err
	}
	return *v, nil
}

// text reads a body that is one string: in JSON or, as text/plain, raw.
func (c *call) text() (string, error) {
	if c.req.Header.Get("Content-Type") == "text/plain" && !c.chunked {
		return string(c.body), nil
	}
	s, err := decode[string](c)
	if err != nil || s == nil {
		return "", err
	}
	return *s, nil
}

func (c *call) readBody() error {
	c.chunked = c.req.ContentLength < 0
	if c.chunked {
		return nil
	}
	var err error
	c.body, err = io.ReadAll(io.LimitReader(c.req.Body, bodyMax+1))
	return err
}

// journalPath is the path without secrets: a key in it is replaced by the name
// of its parameter.
func (c *call) journalPath(path string) string {
	if c.route != nil && strings.HasPrefix(c.route.pattern, "/auth/keys/") {
		return c.route.pattern
	}
	return path
}

func (c *call) journalQuery() string {
	q := url.Values{}
	for k, v := range c.query {
		if k != "apikey" {
			q[k] = v
		}
	}
	return q.Encode()
}
