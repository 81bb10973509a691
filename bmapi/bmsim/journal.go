package bmsim

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// Call is one REST call.
type Call struct {
	Method    string `json:"method"`
	Path      string `json:"path"`            // as sent, after /api; secrets replaced by their parameter's name
	Query     string `json:"query,omitempty"` // without apikey
	Who       string `json:"who"`             // login@domain uid; "-" without a session
	Status    int    `json:"status"`
	ErrorCode string `json:"errorCode,omitempty"`

	Write    bool   `json:"write,omitempty"`    // it asks for a change of domains, entries, rights, subscriptions or settings
	Wrote    bool   `json:"wrote,omitempty"`    // it asked for a change and was granted it, whatever the client heard
	Owned    bool   `json:"owned,omitempty"`    // it asks for a change of what LDAP or AD owns
	Imported string `json:"imported,omitempty"` // login@domain uid of the user that it made by importing him
}

// Login is one IMAP login that reached the proxy.
type Login struct {
	Address string `json:"address"`         // as the client called itself
	Login   string `json:"login,omitempty"` // login@domain uid it was resolved to
	Secret  string `json:"secret"`          // "key", "password", "session" or "refused"
	Reason  string `json:"reason,omitempty"`
}

// Append is one message that was stored over IMAP.
type Append struct {
	Who         string        `json:"who"` // login@domain uid
	Box         string        `json:"box"` // entry uid
	Folder      string        `json:"folder"`
	UIDValidity uint32        `json:"uidValidity"`
	UID         uint32        `json:"uid"`
	Size        int64         `json:"size"`
	SHA1        string        `json:"sha1"` // of the octets stored
	Flags       []string      `json:"flags,omitempty"`
	Date        time.Time     `json:"date"`
	Late        bool          `json:"late,omitempty"`       // stored after its connection was gone
	Unanswered  bool          `json:"unanswered,omitempty"` // stored, and the answer withheld
	Fault       IMAPFaultKind `json:"fault,omitempty"`      // what spoiled it
}

// Notice is a mail BlueMind would send to a person because rights changed.
type Notice struct {
	Entry   string `json:"entry"`   // whose box
	Subject string `json:"subject"` // who is told
	Kind    string `json:"kind"`    // "added", "updated" or "removed": what became of his rights
}

// Event is a line of the journal: one of its parts is set.
type Event struct {
	Time   time.Time `json:"time"`
	Call   *Call     `json:"call,omitempty"`
	Login  *Login    `json:"login,omitempty"`
	Append *Append   `json:"append,omitempty"`
	Notice *Notice   `json:"notice,omitempty"`
	Note   string    `json:"note,omitempty"`
}

// journalMax bounds the events held in memory; the file has them all.
const journalMax = 1 << 18

// Journal tells what clients did. Its methods may be called from several
// goroutines.
type Journal struct {
	now      func() time.Time
	keys     func() map[string]int
	sessions func() map[string]int

	mu     sync.Mutex
	events []Event
	file   *os.File
	err    error
}

// openJournal reads the journal of earlier runs, and appends to it. Without a
// path it is kept in memory.
func openJournal(path string, now func() time.Time) (*Journal, error) {
	j := &Journal{now: now}
	if path == "" {
		return j, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	j.file = f
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var e Event
		if json.Unmarshal(line, &e) == nil {
			j.keep(e)
		}
		if errors.Is(err, io.EOF) {
			if len(line) > 0 { // torn by the end of a process: it ends here
				_, err = f.WriteString("\n")
				return j, err
			}
			return j, nil
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}

func (j *Journal) keep(e Event) {
	if len(j.events) >= journalMax {
		j.events = slices.Delete(j.events, 0, journalMax/4)
	}
	j.events = append(j.events, e)
}

func (j *Journal) add(e Event) {
	e.Time = j.now()
	line, err := json.Marshal(e)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keep(e)
	if j.file == nil {
		return
	}
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	j.err = errors.Join(j.err, err)
}

func (j *Journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := errors.Join(j.err, j.file.Close())
	j.file = nil
	return err
}

// Events lists all that happened, oldest first.
func (j *Journal) Events() []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

func pick[T any](j *Journal, part func(Event) *T) []T {
	all := []T{}
	for _, e := range j.Events() {
		if p := part(e); p != nil {
			all = append(all, *p)
		}
	}
	return all
}

// Calls lists REST calls.
func (j *Journal) Calls() []Call { return pick(j, func(e Event) *Call { return e.Call }) }

// Writes lists the calls that asked for a change, refused ones included, and
// those that made a user by importing him. Keys and sessions are no such change.
func (j *Journal) Writes() []Call {
	return slices.DeleteFunc(j.Calls(), func(c Call) bool { return !c.Write && c.Imported == "" })
}

// Logins lists IMAP logins, refused ones included.
func (j *Journal) Logins() []Login { return pick(j, func(e Event) *Login { return e.Login }) }

// Appends lists the messages stored over IMAP.
func (j *Journal) Appends() []Append { return pick(j, func(e Event) *Append { return e.Append }) }

// Notices lists the mails that changes of rights would have sent.
func (j *Journal) Notices() []Notice { return pick(j, func(e Event) *Notice { return e.Notice }) }

// KeysAlive counts API keys by login@domain uid.
func (j *Journal) KeysAlive() map[string]int { return j.keys() }

// Sessions counts live sessions by login@domain uid.
func (j *Journal) Sessions() map[string]int { return j.sessions() }
