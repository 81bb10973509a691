package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/migrate"

	"go.yaml.in/yaml/v3"
)

// A key path is the keys from the top, joined with keyDelimiter; keys may
// hold dots.
const keyDelimiter = "::"

// reader walks the YAML tree itself instead of letting yaml.v3 decode it: so
// each fault has its line, none hides another, and a scalar is read as it is
// written (yaml makes 5.1 of 5.10).
type reader struct {
	file     string
	problems []migrate.Problem
	places   map[string]migrate.Problem // by key path: File, Line, Column, Field
	flat     map[string]string          // settings, by key path
}

func newReader(file string) *reader {
	return &reader{file: file, places: map[string]migrate.Problem{}, flat: map[string]string{}}
}

// shown is a key path as people read it.
func shown(path string) string { return strings.ReplaceAll(path, keyDelimiter, ".") }

// at says where a key stands; of a key that isn't there, where its nearest
// parent is.
func (r *reader) at(path string) migrate.Problem {
	for parent := path; ; {
		if p, ok := r.places[parent]; ok {
			if parent != path && p.Line > 0 {
				p.Field = shown(path)
			}
			return p
		}
		i := strings.LastIndex(parent, keyDelimiter)
		if i < 0 {
			return migrate.Problem{File: r.file, Field: shown(path)}
		}
		parent = parent[:i]
	}
}

func (r *reader) add(path, text, mend string) {
	p := r.at(path)
	p.Text, p.Mend = text, mend
	r.problems = append(r.problems, p)
}

func (r *reader) fault(path string, err error) {
	r.problems = append(r.problems, r.at(path).At(err))
}

func (r *reader) place(path string, node *yaml.Node) {
	r.places[path] = migrate.Problem{File: r.file, Line: node.Line, Column: node.Column, Field: shown(path)}
}

// mapping is one block of keys. A mapping of a nil node is empty.
type mapping struct {
	r      *reader
	path   string
	keys   []string // in the order of the file, without repetitions
	values map[string]*yaml.Node
	known  []string
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + keyDelimiter + key
}

// resolve follows an alias; null is no node.
func resolve(node *yaml.Node) *yaml.Node {
	for node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node != nil && node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	return node
}

func (r *reader) mapping(path string, node *yaml.Node) *mapping {
	m := &mapping{r: r, path: path, values: map[string]*yaml.Node{}}
	node = resolve(node)
	if node == nil {
		return m
	}
	if node.Kind != yaml.MappingNode {
		r.add(path, "must be a block of keys", "write its keys on the lines below, indented")
		return m
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name := key.Value
		p := join(path, name)
		switch {
		case key.Kind != yaml.ScalarNode:
			r.problems = append(r.problems, migrate.Problem{File: r.file, Line: key.Line, Column: key.Column, Field: shown(path), Text: "has a key that isn't a word"})
			continue
		case key.Tag == "!!merge":
			r.problems = append(r.problems, migrate.Problem{File: r.file, Line: key.Line, Column: key.Column, Field: shown(path), Text: "has a merge key <<, which isn't understood here", Mend: "write the keys out"})
			continue
		}
		if _, twice := m.values[name]; twice {
			first := r.places[p].Line
			r.problems = append(r.problems, migrate.Problem{File: r.file, Line: key.Line, Column: key.Column, Field: shown(p), Text: fmt.Sprintf("the key is on line %d already", first), Mend: "keep one of the two"})
			continue
		}
		r.place(p, key)
		m.keys = append(m.keys, name)
		m.values[name] = value
	}
	return m
}

// get returns the value of a key that may be there.
func (m *mapping) get(key string) *yaml.Node {
	m.known = append(m.known, key)
	return resolve(m.values[key])
}

func (m *mapping) add(key, text, mend string) { m.r.add(join(m.path, key), text, mend) }

func (m *mapping) has(key string) bool { return resolve(m.values[key]) != nil }

func (m *mapping) sub(key string) *mapping { return m.r.mapping(join(m.path, key), m.get(key)) }

// scalar reads a word as it is written, whatever YAML takes it for.
func (m *mapping) scalar(key string) (string, bool) {
	return m.r.scalar(join(m.path, key), m.get(key))
}

func (r *reader) scalar(path string, node *yaml.Node) (string, bool) {
	if node = resolve(node); node == nil {
		return "", false
	}
	if node.Kind != yaml.ScalarNode {
		r.add(path, "must be a single value", "write it on the line of its key")
		return "", false
	}
	return node.Value, true
}

func (m *mapping) text(key string, into *string) bool {
	s, ok := m.scalar(key)
	if ok {
		*into = s
	}
	return ok
}

// convert reads a scalar by parse and reports its error at the key.
func convert[T any](m *mapping, key string, into *T, parse func(string) (T, error)) bool {
	s, ok := m.scalar(key)
	if !ok {
		return false
	}
	v, err := parse(s)
	if err != nil {
		m.r.fault(join(m.path, key), err)
		return false
	}
	*into = v
	return true
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, migrate.Problem{Text: "is neither true nor false", Mend: "write true or false"}
}

func parseNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, migrate.Problem{Text: quoted(s) + " is not a whole number"}
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, migrate.Problem{Text: quoted(s) + " is not a duration", Mend: `write a number with its unit, as in "30s" or "2m"`}
	}
	return d, nil
}

// words makes a parser of a few known words. The value isn't quoted: somebody
// may have written a password there.
func words(known ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if slices.Contains(known, s) {
			return s, nil
		}
		return "", migrate.Problem{Text: "isn't one of the words known here", Mend: "write " + migrate.Alternatives(known)}
	}
}

// quoted shows what was written, cut to a line.
func quoted(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}

// list reads a list of words; a single word is a list of one.
func (m *mapping) list(key string) []string {
	node := m.get(key)
	path := join(m.path, key)
	if node == nil {
		return nil
	}
	if node.Kind == yaml.ScalarNode {
		return []string{node.Value}
	}
	if node.Kind != yaml.SequenceNode {
		m.r.add(path, "must be a list", "write [a, b], or one line with - for each")
		return nil
	}
	var out []string
	for i, item := range node.Content {
		p := join(path, strconv.Itoa(i))
		m.r.place(p, item)
		if s, ok := m.r.scalar(p, item); ok {
			out = append(out, s)
		} else if resolve(item) == nil {
			m.r.add(p, "is empty", "write a word, or remove the line")
		}
	}
	return out
}

// items reads a list of blocks.
func (m *mapping) items(key string) []*mapping {
	node := m.get(key)
	path := join(m.path, key)
	if node == nil {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		m.r.add(path, "must be a list of blocks", "begin each with -")
		return nil
	}
	var out []*mapping
	for i, item := range node.Content {
		p := join(path, strconv.Itoa(i))
		m.r.place(p, item)
		out = append(out, m.r.mapping(p, item))
	}
	return out
}

// pairs reads a block whose keys are the operator's own.
func (m *mapping) pairs(key string) map[string]string {
	sub := m.sub(key)
	if len(sub.keys) == 0 {
		return nil
	}
	out := make(map[string]string, len(sub.keys))
	for _, k := range sub.keys {
		if s, ok := sub.scalar(k); ok {
			out[k] = s
		} else if resolve(sub.values[k]) == nil {
			sub.add(k, "has no value", "")
		}
	}
	return out
}

// secret reads the three ways to name a secret. What stands there isn't
// quoted: somebody may have written the password itself.
func (m *mapping) secret() SecretRef {
	var ref SecretRef
	given := 0
	for _, k := range []struct {
		key  string
		into *string
	}{{"secret_env", &ref.Env}, {"secret_file", &ref.File}, {"secret_command", &ref.Command}} {
		if m.text(k.key, k.into) {
			given++
			if *k.into == "" {
				m.add(k.key, "is empty", "")
			}
		}
		if given > 1 {
			m.add(k.key, "secret_env, secret_file and secret_command exclude each other", "keep one of them")
			given = 1
		}
	}
	if ref.Env != "" && !migrate.IsEnvName(ref.Env) {
		m.add("secret_env", "isn't the name of an environment variable", "write a name such as BLUEMIND_ADMIN; the secret itself never stands here")
	}
	if ref.Command != "" {
		if _, err := splitCommand(ref.Command); err != nil {
			m.add("secret_command", err.Error(), "")
		}
	}
	return ref
}

// secretWords mark a key that would hold a secret itself.
var secretWords = []string{"password", "passwd", "passphrase", "secret", "token", "api_key", "apikey"}

// done reports the keys that nobody asked for.
func (m *mapping) done() {
	for _, key := range m.keys {
		if slices.Contains(m.known, key) {
			continue
		}
		lower := strings.ToLower(key)
		if near := migrate.Nearest(key, m.known); near != "" && near != "secret_env" {
			m.add(key, "unknown key", "did you mean "+near+"?")
		} else if slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(lower, w) }) {
			m.add(key, "a secret doesn't stand in this file", "use secret_env, secret_file or secret_command, which say where it is kept")
		} else {
			m.add(key, "unknown key", "known here are "+strings.Join(m.known, ", "))
		}
	}
}
