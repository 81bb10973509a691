package imaptest

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

// Entry is a command as it was received.
type Entry struct {
	Time     time.Time
	Conn     int    // counted from 1 since the server's start
	User     string // "" before login
	Mailbox  string // selected, if any
	ReadOnly bool   // it was opened by EXAMINE
	Tag      string
	Verb     string // upper case: "LOGIN", "UID FETCH" …
	Line     string // after the tag; literals stand as {n}, secrets as ***
}

// String returns one line.
func (e Entry) String() string {
	return strings.Join([]string{e.User, e.Mailbox, e.Tag, e.Line}, " ")
}

// harmless verbs cannot change what a mailbox holds, whatever their arguments.
var harmless = regexp.MustCompile(`^(CAPABILITY|NOOP|LOGIN|AUTHENTICATE|LOGOUT|STARTTLS|ID|ENABLE|NAMESPACE|LIST|LSUB|XLIST|` +
	`STATUS|EXAMINE|UNSELECT|IDLE|(UID )?SEARCH|GETACL|MYRIGHTS|GETQUOTAROOT|GETMETADATA)$`)

// seen matches the FETCH items that set \Seen outside of EXAMINE.
var seen = regexp.MustCompile(`(?i)[ (](BODY\[|RFC822[) ]|RFC822\.TEXT|RFC822$)`)

// Writes reports whether the command is one that may change the store. SELECT
// counts: it takes \Recent away.
func (e Entry) Writes() bool {
	if e.Verb == "FETCH" || e.Verb == "UID FETCH" {
		return seen.MatchString(e.Line)
	}
	return !harmless.MatchString(e.Verb)
}

// Journal is a series of commands.
type Journal []Entry

// Writes returns those commands that may change the store.
func (j Journal) Writes() Journal {
	return j.where(Entry.Writes)
}

// Of returns the commands with this verb.
func (j Journal) Of(verb string) Journal {
	return j.where(func(e Entry) bool { return e.Verb == verb })
}

// By returns the commands of a user.
func (j Journal) By(login string) Journal {
	return j.where(func(e Entry) bool { return strings.EqualFold(e.User, login) })
}

func (j Journal) where(f func(Entry) bool) Journal {
	var out Journal
	for _, e := range j {
		if f(e) {
			out = append(out, e)
		}
	}
	return out
}

// String returns a line for each command.
func (j Journal) String() string {
	var b strings.Builder
	for _, e := range j {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// logLimit bounds the journal; the oldest half goes when it is reached.
const logLimit = 200_000

type log struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= logLimit {
		l.entries = append([]Entry(nil), l.entries[logLimit/2:]...)
	}
	l.entries = append(l.entries, e)
}

// Journal returns the commands received so far.
func (s *Server) Journal() Journal {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return append(Journal(nil), s.log.entries...)
}

// ClearJournal forgets the commands received so far.
func (s *Server) ClearJournal() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.log.entries = nil
}
