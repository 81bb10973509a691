package bmsim

import (
	"net/url"
	"slices"
	"strings"
)

// route is one call of the API.
type route struct {
	method, pattern string
	params          []string // names, in order
	writes          bool     // it changes domains, entries, rights, subscriptions or settings
	handle          func(*call) (any, error)
}

// reading are calls that change nothing although they are no GET. Sessions, keys
// and the search index are none of what an administrator provisions.
var reading = []string{"/auth/", "/_search", "/_mget", "/_list", "/_listforuser", "/_canAccess", "/_mgetById", "/_multipleById", "/_count", "/_sorted",
	"/_filteredChangesetById", "/_consolidate", "/_maintenance/check"}

func writes(method, pattern string) bool {
	return method != "GET" && !slices.ContainsFunc(reading, func(part string) bool {
		return strings.HasPrefix(pattern, part) || strings.HasSuffix(pattern, part)
	})
}

// node is a level of the tree of paths. As in bm-core a literal segment goes
// before a parameter, and there is no way back.
type node struct {
	children map[string]*node
	leaves   map[string]*route
}

// anySegment stands for a parameter among children and leaves.
const anySegment = "{}"

func newNode() *node { return &node{map[string]*node{}, map[string]*route{}} }

type router struct{ methods map[string]*node }

func (r *router) add(method, pattern string, handle func(*call) (any, error)) {
	if r.methods == nil {
		r.methods = map[string]*node{}
	}
	if r.methods[method] == nil {
		r.methods[method] = newNode()
	}
	rt := &route{method: method, pattern: pattern, writes: writes(method, pattern), handle: handle}
	at := r.methods[method]
	segments := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	for i, s := range segments {
		key := s
		if strings.HasPrefix(s, "{") {
			rt.params = append(rt.params, strings.Trim(s, "{}"))
			key = anySegment
		}
		if i == len(segments)-1 {
			at.leaves[key] = rt
			return
		}
		if at.children[key] == nil {
			at.children[key] = newNode()
		}
		at = at.children[key]
	}
}

// find looks a raw path up. Doubled slashes are skipped; clean tells whether
// the path has the pattern's own form.
func (r *router) find(method, path string) (rt *route, clean bool) {
	at, clean := r.methods[method], true
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, s := range segments {
		if at == nil {
			return nil, false
		}
		if i == len(segments)-1 {
			if rt = at.leaves[s]; rt == nil || s == anySegment {
				rt = at.leaves[anySegment]
			}
			return rt, clean && s != ""
		}
		if s == "" {
			clean = false
			continue
		}
		next := at.children[s]
		if next == nil || s == anySegment {
			next = at.children[anySegment]
		}
		at = next
	}
	return nil, false
}

// values decodes the parameters of a path: percent signs and, as in a query,
// "+" for a space.
func (rt *route) values(path string) (map[string]string, error) {
	vals := map[string]string{}
	names := rt.params
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, p := range strings.Split(strings.TrimPrefix(rt.pattern, "/"), "/") {
		if !strings.HasPrefix(p, "{") {
			continue
		}
		v, err := url.QueryUnescape(segments[i])
		if err != nil {
			return nil, err
		}
		vals[names[0]], names = v, names[1:]
	}
	return vals, nil
}
