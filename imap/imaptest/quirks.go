package imaptest

import (
	"slices"
	"strings"
	"time"
)

// Quirks are the ways in which a server deviates, each off in the zero value.
// Set on a mailbox they replace the server's as a whole while that mailbox is
// selected.
type Quirks struct {
	// UIDAfterBody sends the UID as the last item of a FETCH response.
	UIDAfterBody bool
	// SplitFetch sends a message's body in a FETCH response of its own, after
	// one with all other items.
	SplitFetch bool
	// UnsolicitedFlags sends FETCH (UID n FLAGS (…)) before each response that
	// carries a body.
	UnsolicitedFlags bool
	// ExpungeAtFetch removes the message of this UID when a FETCH reaches it,
	// and announces EXPUNGE instead of sending it.
	ExpungeAtFetch uint32
	// OmitUIDs are passed over by FETCH and SEARCH without a word.
	OmitUIDs []uint32
	// Window makes only the last n messages of a mailbox visible.
	Window int
	// PermanentFlags replaces the list announced by SELECT and EXAMINE.
	PermanentFlags []string

	// Refuse gives the answer to an APPEND that holds this message, such as
	// "NO Message contains bare newlines"; "": it is taken; "CUT": the
	// connection is closed without a word.
	Refuse func(Message) string
	// Alter changes a message as APPEND stores it: its flags, its date.
	Alter func(*Message)
	// Munge stores X for header octets above 127, as Cyrus's munge8bit does.
	Munge bool

	// HideCopyUID leaves COPYUID out of the answers to COPY and MOVE, though
	// UIDPLUS is announced.
	HideCopyUID bool

	// Keep gives what is stored of a message's octets; nil: all, as they came.
	Keep func([]byte) []byte

	// HideForeign leaves the mailboxes of Options.Others and Options.Shared
	// out of listings whose pattern doesn't begin with the prefix.
	HideForeign bool
	// ListLiterals sends mailbox names in LIST as literals.
	ListLiterals bool
	// Without hides capabilities, and with them what they stand for:
	// "UIDPLUS", "SPECIAL-USE", "LITERAL+" …
	Without []string
	// LoginDisabled announces LOGINDISABLED and refuses LOGIN.
	LoginDisabled bool
	// BareGreeting sends no capability unasked: neither in the greeting nor
	// after login. Before login CAPABILITY tells next to nothing.
	BareGreeting bool
	// Preauth greets with PREAUTH as this user.
	Preauth string

	// DieOfQuota cuts the connection at GETQUOTAROOT, as Dovecot's imap process
	// does where a maildir holds a folder with a name it can't have.
	DieOfQuota bool

	// MaxConnections greets the connections above it with BYE.
	MaxConnections int
	// MaxUserConnections says BYE at the login above it of one user.
	MaxUserConnections int
	// RefuseConnection greets the n-th connection accepted with BYE, once.
	RefuseConnection int
	// ResponseDelay passes before each response line.
	ResponseDelay time.Duration
	// CutAfter closes a connection after n octets sent to the client (under
	// TLS: of clear text).
	CutAfter int64
	// CutConnections limits CutAfter to the connections up to this number,
	// counted from the server's start; 0: all.
	CutConnections int
}

func (q Quirks) hides(capability string) bool {
	return slices.ContainsFunc(q.Without, func(s string) bool { return strings.EqualFold(s, capability) })
}

// SetQuirks changes how the server deviates, from the next command on.
func (s *Server) SetQuirks(q Quirks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quirks = q
}

// Action is what a sprung [Trap] does.
type Action int

// The actions of a trap.
const (
	No         Action = iota // answer NO Text
	Bad                      // answer BAD Text
	Bye                      // untagged BYE Text, then close
	Cut                      // close without a word
	CutLiteral               // FETCH of UID: send Part of the body, then close
	Stall                    // answer nothing more until the connection ends
	Delay                    // wait, then go on as if nothing had been
	Obey                     // do it, then close before the tagged answer
)

// Trap waits for a command and then misbehaves. Conditions left zero match
// everything.
type Trap struct {
	Command string // "FETCH" (also matches "UID FETCH"), "UID FETCH", "LOGIN" …
	User    string // logged in, or trying to
	Mailbox string // the selected one
	UID     uint32 // springs when a FETCH for bodies reaches this message
	Skip    int    // so many matches pass unharmed first
	Times   int    // springs at most so often; 0: always
	Action  Action
	Text    string // response code included, such as "[THROTTLED] slow down"
	Wait    time.Duration
	// Part is how many octets of a body of so many CutLiteral sends; nil: half.
	Part func(size int64) int64
}

type trapState struct {
	Trap
	seen, sprung int
}

// SetTraps replaces all traps; their counts start anew.
func (s *Server) SetTraps(traps ...Trap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traps = nil
	for _, t := range traps {
		s.traps = append(s.traps, &trapState{Trap: t})
	}
}

// Sprung returns how often each trap has sprung, in the order they were set.
func (s *Server) Sprung() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n []int
	for _, t := range s.traps {
		n = append(n, t.sprung)
	}
	return n
}

func (t Trap) matches(verb, user, mailbox string, uid uint32) bool {
	return (t.Command == "" || strings.EqualFold(t.Command, verb) || strings.EqualFold("UID "+t.Command, verb)) &&
		(t.User == "" || strings.EqualFold(t.User, user)) &&
		(t.Mailbox == "" || t.Mailbox == mailbox) &&
		t.UID == uid
}

// spring returns the first trap that matches and is due, nil mostly.
func (s *Server) spring(matches func(Trap) bool) *Trap {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.traps {
		if !matches(t.Trap) {
			continue
		}
		if t.seen++; t.seen <= t.Skip || t.Times > 0 && t.sprung >= t.Times {
			continue
		}
		t.sprung++
		sprung := t.Trap
		return &sprung
	}
	return nil
}
