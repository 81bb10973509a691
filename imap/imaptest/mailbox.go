package imaptest

import (
	"crypto/sha1"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// MailboxOptions describe a mailbox to make.
type MailboxOptions struct {
	NoSelect    bool     // a level of the tree, without messages
	SpecialUse  string   // RFC 6154: `\Sent`, `\Trash` …
	Attributes  []string // others for LIST, such as `\Marked`
	Wire        string   // raw name, sent between quotes as it is; for malformed names
	UIDValidity uint32   // 0: one above all others
	UIDNext     uint32   // 0: 1
}

// Mailbox holds messages in the order of their UIDs. Its methods may be called
// while sessions run; on a deleted mailbox they reach nobody.
type Mailbox struct {
	user       *User
	name       string
	wire       string
	noSelect   bool
	specialUse string
	attributes []string
	quirks     *Quirks
	deleted    bool

	acl         []string          // pairs
	annotations map[string]string // by entry

	uidValidity, uidNext uint32
	recentFrom           uint32 // UIDs from here on are \Recent to the next SELECT
	modSeq               uint64 // rises with every change
	messages             []*message
}

// Message is a message to append, or what is known of one.
type Message struct {
	UID          uint32 // when appending: taken if not below UIDNEXT; 0: UIDNEXT
	Flags        []string
	InternalDate time.Time // zero when appending: now
	Body         []byte    // when appending, unless Content is given
	Content      io.ReaderAt
	Size         int64 // of Content
	Odd          Odd

	SHA1   [sha1.Size]byte // of the octets; not read by Append
	ModSeq uint64          // not read by Append
}

// Odd is what a server says wrongly about a message.
type Odd struct {
	DateText     string            `json:"dateText,omitempty"` // sent for INTERNALDATE, as it is
	SizeText     string            `json:"sizeText,omitempty"` // sent for RFC822.SIZE, as it is
	FetchNo      string            `json:"fetchNo,omitempty"`  // the body is withheld, FETCH ends with NO and this text
	FetchNoTimes int               `json:"fetchNoTimes,omitempty"`
	Items        map[string]string `json:"items,omitempty"` // FETCH items beyond the standard: "X-GM-MSGID": "42"
}

func (o Odd) none() bool {
	return o.DateText == "" && o.SizeText == "" && o.FetchNo == "" && len(o.Items) == 0
}

type message struct {
	uid    uint32
	modSeq uint64
	flags  []string
	date   time.Time
	body   *body
	odd    *Odd
}

func (m *message) has(flag string) bool {
	return slices.ContainsFunc(m.flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func (m *message) export() Message {
	out := Message{UID: m.uid, Flags: slices.Clone(m.flags), InternalDate: m.date, Size: m.body.size, SHA1: m.body.sha1, ModSeq: m.modSeq}
	if m.odd != nil {
		out.Odd = *m.odd
	}
	return out
}

// Append adds a message and returns its UID; 0 if its body could not be kept,
// and then [Server.Err] says why.
func (m *Mailbox) Append(msg Message) uint32 {
	var b *body
	var err error
	if msg.Content != nil {
		b, err = m.user.srv.bodies.put(msg.Content, msg.Size)
	} else {
		b, err = m.user.srv.bodies.putBytes(msg.Body)
	}
	s := m.user.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.keep(fmt.Errorf("append to %q: %w", m.name, err))
		return 0
	}
	defer s.touch()
	return m.add(msg, b)
}

func (m *Mailbox) add(msg Message, b *body) uint32 {
	added := &message{uid: max(msg.UID, m.uidNext), flags: slices.Clone(msg.Flags), date: msg.InternalDate, body: b}
	if added.date.IsZero() {
		added.date = m.user.srv.opts.Now()
	}
	if !msg.Odd.none() {
		odd := msg.Odd
		added.odd = &odd
	}
	m.modSeq++
	added.modSeq = m.modSeq
	m.uidNext = added.uid + 1
	m.messages = append(m.messages, added)
	return added.uid
}

// Name returns the decoded name, under which sessions see the mailbox.
func (m *Mailbox) Name() string { return locked(m, func() string { return m.name }) }

// UIDValidity returns the UIDVALIDITY.
func (m *Mailbox) UIDValidity() uint32 { return locked(m, func() uint32 { return m.uidValidity }) }

// UIDNext returns the UID that the next message will have.
func (m *Mailbox) UIDNext() uint32 { return locked(m, func() uint32 { return m.uidNext }) }

// Len returns the number of messages.
func (m *Mailbox) Len() int { return locked(m, func() int { return len(m.messages) }) }

// Options returns what the mailbox was made with, as it is now.
func (m *Mailbox) Options() MailboxOptions {
	return locked(m, func() MailboxOptions {
		return MailboxOptions{
			NoSelect: m.noSelect, SpecialUse: m.specialUse, Attributes: slices.Clone(m.attributes),
			Wire: m.wire, UIDValidity: m.uidValidity, UIDNext: m.uidNext,
		}
	})
}

// Messages returns what is known of each message, in order, without bodies.
func (m *Mailbox) Messages() []Message {
	return locked(m, func() []Message {
		out := make([]Message, len(m.messages))
		for i, msg := range m.messages {
			out[i] = msg.export()
		}
		return out
	})
}

// Body returns the octets of a message; false if there is none of this UID or
// its file cannot be read.
func (m *Mailbox) Body(uid uint32) ([]byte, bool) {
	b := locked(m, func() *body {
		if msg := m.find(uid); msg != nil {
			return msg.body
		}
		return nil
	})
	if b == nil {
		return nil, false
	}
	data, err := b.bytes()
	return data, err == nil
}

// SetFlags replaces a message's flags; false if there is none of this UID.
func (m *Mailbox) SetFlags(uid uint32, flags ...string) bool {
	return changed(m, func() bool {
		msg := m.find(uid)
		if msg != nil {
			m.setFlags(msg, slices.Clone(flags))
		}
		return msg != nil
	})
}

// Expunge removes messages and returns how many there were.
func (m *Mailbox) Expunge(uids ...uint32) int {
	return changed(m, func() int { return len(m.expunge(among(uids))) })
}

// Move moves messages to the end of another mailbox of the user.
func (m *Mailbox) Move(to *Mailbox, uids ...uint32) {
	changed(m, func() bool {
		m.moveTo(to, among(uids))
		return true
	})
}

// SetUIDValidity gives the mailbox another life: UIDs stay as they are, as they
// may by accident. Sessions that have it selected are told BYE.
func (m *Mailbox) SetUIDValidity(v uint32) {
	changed(m, func() uint32 { m.uidValidity = v; return v })
}

// Renumber gives all messages new UIDs from first on, as a rebuilt index does.
func (m *Mailbox) Renumber(first uint32) {
	changed(m, func() bool {
		for i, old := range m.messages {
			renumbered := *old
			renumbered.uid = first + uint32(i)
			m.messages[i] = &renumbered
		}
		m.uidNext = first + uint32(len(m.messages))
		return true
	})
}

// SetSpecialUse sets the special-use attribute; "" takes it away.
func (m *Mailbox) SetSpecialUse(attr string) {
	changed(m, func() string { m.specialUse = attr; return attr })
}

// SetQuirks sets the quirks of sessions that have this mailbox selected.
func (m *Mailbox) SetQuirks(q Quirks) {
	locked(m, func() bool { m.quirks = &q; return true })
}

func among(uids []uint32) func(*message) bool {
	set := make(map[uint32]bool, len(uids))
	for _, uid := range uids {
		set[uid] = true
	}
	return func(msg *message) bool { return set[msg.uid] }
}

func locked[T any](m *Mailbox, f func() T) T {
	m.user.srv.mu.Lock()
	defer m.user.srv.mu.Unlock()
	return f()
}

func changed[T any](m *Mailbox, f func() T) T {
	return locked(m, func() T {
		defer m.user.srv.touch()
		m.modSeq++
		return f()
	})
}

// What follows is called with the lock held.

func (m *Mailbox) find(uid uint32) *message {
	i, ok := slices.BinarySearchFunc(m.messages, uid, func(msg *message, uid uint32) int {
		return int(int64(msg.uid) - int64(uid))
	})
	if !ok {
		return nil
	}
	return m.messages[i]
}

func (m *Mailbox) setFlags(msg *message, flags []string) {
	m.modSeq++
	msg.flags, msg.modSeq = flags, m.modSeq
}

// expunge removes and returns the messages that are wanted gone.
func (m *Mailbox) expunge(gone func(*message) bool) []*message {
	var out, kept []*message
	for _, msg := range m.messages {
		if gone(msg) {
			out = append(out, msg)
		} else {
			kept = append(kept, msg)
		}
	}
	if len(out) > 0 {
		m.messages = kept
		m.modSeq++
	}
	return out
}

// copyTo adds the wanted messages to another mailbox and returns both UIDs.
func (m *Mailbox) copyTo(to *Mailbox, wanted func(*message) bool) (from, copied []uint32) {
	for _, msg := range slices.Clone(m.messages) {
		if !wanted(msg) {
			continue
		}
		twin := Message{Flags: msg.flags, InternalDate: msg.date}
		if msg.odd != nil {
			twin.Odd = *msg.odd
		}
		from = append(from, msg.uid)
		copied = append(copied, to.add(twin, msg.body))
	}
	return from, copied
}

func (m *Mailbox) moveTo(to *Mailbox, wanted func(*message) bool) (from, moved []uint32) {
	from, moved = m.copyTo(to, wanted)
	last := uint32(0)
	if len(from) > 0 {
		last = from[len(from)-1]
	}
	m.expunge(func(msg *message) bool { return msg.uid <= last && wanted(msg) })
	return from, moved
}

// keywords returns every flag in use that is no system flag, as first spelled.
func (m *Mailbox) keywords() []string {
	var out []string
	seen := map[string]bool{}
	for _, msg := range m.messages {
		for _, f := range msg.flags {
			if key := strings.ToLower(f); !strings.HasPrefix(f, `\`) && !seen[key] {
				seen[key] = true
				out = append(out, f)
			}
		}
	}
	return out
}
