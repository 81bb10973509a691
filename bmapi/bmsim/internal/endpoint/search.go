package endpoint

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

var (
	searchPattern    = regexp.MustCompile(`(?i)search (.*)$`)
	uidSearchPattern = regexp.MustCompile(`(?i)uid search (.*)$`)
	// sincePattern is what BlueMind asks its database instead of its index.
	sincePattern = regexp.MustCompile(`(?i)^(?:uid (\S+) )?since (\S+?)( all)?$`)
	setPattern   = regexp.MustCompile(`^[\d*:,]+$`)
)

// parseSearch is SEARCH and UID SEARCH: the keys for flags, dates, sizes, UIDs,
// Message-ID and subject, with NOT and OR. Only UID SEARCH brings the selection
// up to date.
func (s *session) parseSearch(byUID bool) func(*command, *task) error {
	return func(c *command, t *task) error {
		re := searchPattern
		if byUID {
			re = uidSearchPattern
		}
		m, err := c.match(re, "search")
		if err != nil {
			return err
		}
		t.lock, t.needs = readSelected, selected
		t.run = func(context.Context) error { return s.search(t.tag, m[1], byUID) }
		return nil
	}
}

func (s *session) search(tag, query string, byUID bool) error {
	begun := time.Now()
	if s.sel == nil {
		return errNothingSelected
	}
	news := ""
	if byUID {
		var err error
		if news, err = s.news(); err != nil {
			return err
		}
	}
	uids, err := s.find(query)
	if _, wrong := err.(searchError); wrong {
		if !byUID {
			s.out.line("%sBAD Invalid Search criteria", tag) // without a space
			return nil
		}
		s.out.line("%s BAD Invalid Search criteria", tag)
		return nil
	}
	if err != nil {
		return err
	}
	if len(uids) == 0 {
		s.out.line("%s* SEARCH\r\n%s OK Completed (took %dms)", news, tag, time.Since(begun).Milliseconds())
		return nil
	}
	if !byUID {
		for i, uid := range uids {
			uids[i] = uint32(s.sel.sequence(uid))
		}
	}
	s.out.line("%s* SEARCH %s\r\n%s OK Completed", news, joinUIDs(uids, " "), tag)
	return nil
}

// searchError says that a query can't be understood.
type searchError string

func (e searchError) Error() string { return string(e) }

// find lists the selected messages that match. When none does and the query has
// a set, the last message does (RFC 3501 §6.4.8).
func (s *session) find(query string) ([]uint32, error) {
	if m := sincePattern.FindStringSubmatch(query); m != nil && (m[1] == "" || m[3] == "") {
		return s.since(m[1], m[2])
	}
	q := &criteria{words: splitQuery(query), sel: s.sel}
	match, err := q.all()
	if err != nil {
		return nil, err
	}
	var uids []uint32
	for _, uid := range s.sel.snap.UIDs {
		rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
		if err == nil && !rec.Expunged && match(rec) {
			uids = append(uids, uid)
		}
	}
	if n := len(s.sel.snap.UIDs); n > 0 && len(uids) == 0 && q.hasSet {
		uids = []uint32{s.sel.snap.UIDs[n-1]}
	}
	return uids, nil
}

// since finds what is younger than the beginning of a day. Its sets are those of
// the database.
func (s *session) since(set, day string) ([]uint32, error) {
	from, err := time.ParseInLocation("2-Jan-2006", day, time.UTC)
	if err != nil {
		return nil, bad("invalid date format")
	}
	x := sqlSet{{0, endless}}
	if set != "" {
		if x, err = parseSQLSet(set); err != nil {
			return nil, err
		}
	}
	var uids []uint32
	for _, uid := range s.sel.snap.UIDs {
		if !x.contains(int64(uid)) {
			continue
		}
		rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
		if err == nil && !rec.Expunged && rec.InternalDate.After(from) {
			uids = append(uids, uid)
		}
	}
	return uids, nil
}

// splitQuery parts a query at spaces, outside of quotes, which it drops.
func splitQuery(query string) []string {
	var words []string
	var word strings.Builder
	quoted, any := false, false
	for _, c := range query {
		switch {
		case c == '"':
			quoted, any = !quoted, true
		case c == ' ' && !quoted:
			if any {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(c)
			any = true
		}
	}
	if any {
		words = append(words, word.String())
	}
	return words
}

type matcher func(mail.Record) bool

// criteria reads a query.
type criteria struct {
	words  []string
	sel    *selection
	hasSet bool
	depth  int
}

// nesting bounds NOT NOT NOT …
const nesting = 64

func (q *criteria) all() (matcher, error) {
	var all []matcher
	for len(q.words) > 0 {
		m, err := q.key()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, searchError("empty query")
	}
	return func(r mail.Record) bool {
		return !slices.ContainsFunc(all, func(m matcher) bool { return !m(r) })
	}, nil
}

func (q *criteria) word() (string, error) {
	if len(q.words) == 0 {
		return "", searchError("query ends early")
	}
	w := q.words[0]
	q.words = q.words[1:]
	return w, nil
}

func (q *criteria) key() (matcher, error) {
	if q.depth++; q.depth > nesting {
		return nil, searchError("too deep")
	}
	defer func() { q.depth-- }()
	w, err := q.word()
	if err != nil {
		return nil, err
	}
	switch key := strings.ToUpper(w); key {
	case "ALL":
		return func(mail.Record) bool { return true }, nil
	case "NOT":
		m, err := q.key()
		return func(r mail.Record) bool { return !m(r) }, err
	case "OR":
		return q.or()
	case "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN":
		return hasFlag(`\` + key), nil
	case "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN":
		m := hasFlag(`\` + key[2:])
		return func(r mail.Record) bool { return !m(r) }, nil
	case "KEYWORD", "UNKEYWORD":
		flag, err := q.word()
		m := hasFlag(flag)
		return func(r mail.Record) bool { return m(r) == (key == "KEYWORD") }, err
	case "LARGER", "SMALLER":
		return q.size(key == "LARGER")
	case "BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE":
		return q.day(strings.TrimPrefix(key, "SENT"))
	case "HEADER", "SUBJECT":
		return q.field(key)
	case "UID":
		return q.set(true, "")
	default:
		return q.set(false, w)
	}
}

func (q *criteria) or() (matcher, error) {
	a, err := q.key()
	if err != nil {
		return nil, err
	}
	b, err := q.key()
	return func(r mail.Record) bool { return a(r) || b(r) }, err
}

func hasFlag(flag string) matcher {
	return func(r mail.Record) bool {
		return slices.ContainsFunc(r.Flags, func(f string) bool { return strings.EqualFold(f, flag) })
	}
}

func (q *criteria) size(larger bool) (matcher, error) {
	w, err := q.word()
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		return nil, searchError("not a size")
	}
	return func(r mail.Record) bool { return larger && r.Size > n || !larger && r.Size < n }, nil
}

// day compares the INTERNALDATE, also for the SENT keys.
func (q *criteria) day(key string) (matcher, error) {
	w, err := q.word()
	if err != nil {
		return nil, err
	}
	from, err := time.Parse("2-Jan-2006", w)
	if err != nil {
		return nil, searchError("not a date")
	}
	to := from.AddDate(0, 0, 1)
	return func(r mail.Record) bool {
		switch key {
		case "BEFORE":
			return r.InternalDate.Before(from)
		case "ON":
			return !r.InternalDate.Before(from) && r.InternalDate.Before(to)
		default:
			return !r.InternalDate.Before(from)
		}
	}, nil
}

// field looks into what the index has of the header: Message-ID, whole, and the
// subject.
func (q *criteria) field(key string) (matcher, error) {
	name := key
	var err error
	if key == "HEADER" {
		if name, err = q.word(); err != nil {
			return nil, err
		}
	}
	value, err := q.word()
	if err != nil {
		return nil, err
	}
	switch strings.ToUpper(name) {
	case "MESSAGE-ID":
		return func(r mail.Record) bool { return r.MessageID == value }, nil
	case "SUBJECT":
		return func(r mail.Record) bool {
			return strings.Contains(strings.ToLower(r.Subject), strings.ToLower(value))
		}, nil
	}
	return nil, searchError(fmt.Sprintf("%s is not in the index", name))
}

func (q *criteria) set(byUID bool, text string) (matcher, error) {
	if byUID {
		var err error
		if text, err = q.word(); err != nil {
			return nil, err
		}
	}
	if !setPattern.MatchString(text) {
		return nil, searchError("unknown key")
	}
	x, err := parseSet(text)
	if err != nil {
		return nil, searchError(err.Error())
	}
	q.hasSet = true
	return func(r mail.Record) bool {
		if byUID {
			return x.contains(int64(r.UID))
		}
		return x.contains(int64(q.sel.sequence(r.UID)))
	}, nil
}
