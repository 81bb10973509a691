package bmapi

import (
	"errors"
	"net/url"
	"strings"
)

// endpoint is a path with its query, and the same path as errors and logs may show it.
type endpoint struct {
	raw, shown string
	query      url.Values
	secrets    []string
	modern     string // what version 4 can do by it and 3.5 can't; "": any version can
	err        error
}

// at joins a service's path, taken as it is, and parts that are escaped.
func at(service string, parts ...string) endpoint {
	e := endpoint{raw: service, shown: service}
	for _, p := range parts {
		e = e.add(p, p)
	}
	return e
}

// secret appends a part that nobody may read.
func (e endpoint) secret(part string) endpoint {
	e.secrets = append(e.secrets, part)
	return e.add(part, "…")
}

// since4 says what a version before 4 can't do, for lack of this call.
func (e endpoint) since4(what string) endpoint {
	e.modern = what
	return e
}

// with sets a query parameter; never a secret.
func (e endpoint) with(name, value string) endpoint {
	q := url.Values{}
	for k, v := range e.query {
		q[k] = v
	}
	q.Set(name, value)
	e.query = q
	return e
}

func (e endpoint) add(part, shown string) endpoint {
	if part == "" || part == "." || part == ".." {
		// A doubled slash is another route, and a proxy resolves dots.
		e.err = errors.New("empty or dotted part in the path")
	}
	e.raw += "/" + escape(part)
	e.shown += "/" + shown
	return e
}

func (e endpoint) url(base string) string {
	if len(e.query) == 0 {
		return base + e.raw
	}
	return base + e.raw + "?" + e.query.Encode()
}

const hexDigits = "0123456789ABCDEF"

// escape encodes one part of a path. BlueMind matches on the raw path and decodes
// each part in the manner of forms, where + is a space: everything that could be
// read otherwise is encoded.
func escape(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		c := part[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~@:!", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
