package imap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// logoutLimit is how long Close waits for the answer to LOGOUT.
const logoutLimit = 2 * time.Second

// Session is what a Source and a Target have in common: a logged-in
// connection, used by one goroutine at a time.
type Session struct {
	c      *conn
	client *imapclient.Client
	opts   Options
	caps   []string
	id     map[string]string
	hello  string // text of the greeting
	source bool

	namespaces *Namespaces // nil: not told
	selected   string      // wire name of the mailbox that may be open; "": none

	use   sync.Mutex // held while a command is under way
	once  sync.Once  // Close
	names sync.Map   // Mailbox.Name → Wire, of listed malformed names

	pace  pace    // of what a copy writes
	ahead float64 // of what a copy reads: see type ahead
}

// Capabilities are those announced after the login, as sent.
func (s *Session) Capabilities() []string { return slices.Clone(s.caps) }

// Can says whether a capability was announced, whatever its case.
func (s *Session) Can(capability string) bool { return hasFlag(s.caps, capability) }

// ServerID is the server's answer to ID (RFC 2971), empty if it gave none.
func (s *Session) ServerID() map[string]string { return maps.Clone(s.id) }

// Greeting is the text of the server's greeting, without its code; old servers
// say in it what they are.
func (s *Session) Greeting() string { return s.hello }

// Err says why the session can't be used any more, nil if it can.
func (s *Session) Err() error { return s.c.Err() }

// Repairs counts what the server sent and the session had to mend or to drop,
// by kind.
func (s *Session) Repairs() map[string]int {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return maps.Clone(s.c.repairs)
}

// Trace gives the last protocol lines, without literals and secrets.
func (s *Session) Trace() string {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.redactLocked(s.c.trace.String())
}

// Noop asks for nothing, and keeps the connection alive.
func (s *Session) Noop(ctx context.Context) error {
	return s.withClient(ctx, "NOOP", func() error { return s.client.Noop().Wait() })
}

// Close says goodbye, for a short while, and closes the connection. Repeating
// it is harmless. It may be called while a command is under way, which then
// fails; it returns when the session's goroutine has ended.
func (s *Session) Close() error {
	s.once.Do(func() {
		if s.use.TryLock() {
			s.logout()
			s.use.Unlock()
		}
		s.c.close()
		<-s.client.Closed()
	})
	return nil
}

func (s *Session) logout() {
	if s.c.Err() != nil {
		return
	}
	s.c.mu.Lock()
	s.c.closing = true
	s.c.mu.Unlock()
	limit := time.AfterFunc(logoutLimit, s.c.close)
	defer limit.Stop()
	_ = s.client.Logout().Wait() // best effort: the connection ends anyway
}

// close ends the connection on our own wish.
func (c *conn) close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.fail(&Error{Kind: KindClosed})
}

// acquire takes the session for one command, or several that belong together,
// and binds it to ctx.
func (s *Session) acquire(ctx context.Context) (release func(), err error) {
	if err := s.c.Err(); err != nil {
		return nil, err
	}
	if !s.use.TryLock() {
		return nil, s.c.refusal(&Error{Kind: KindRefused, Err: errBusy})
	}
	stop, err := s.c.watch(ctx)
	if err != nil {
		s.use.Unlock()
		return nil, err
	}
	return func() {
		stop()
		s.use.Unlock()
	}, nil
}

// withClient runs one command of go-imap.
func (s *Session) withClient(ctx context.Context, verb string, run func() error) error {
	release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	s.c.client = clientState{}
	if err := run(); err != nil {
		return s.c.clientError(verb, err)
	}
	return nil
}

// selectMailbox opens a mailbox by its wire name. UIDVALIDITY is what all
// later work rests on: without one the mailbox can't be used.
func (s *Session) selectMailbox(ctx context.Context, wire string, readOnly bool) (Status, error) {
	verb := "SELECT"
	if readOnly {
		verb = "EXAMINE"
	}
	if err := s.unsendable(verb, wire); err != nil {
		return Status{}, err
	}
	var st Status
	s.selected = wire
	err := s.withClient(ctx, verb, func() error {
		// Dovecot tells HIGHESTMODSEQ only to who asks for CONDSTORE.
		opts := &goimap.SelectOptions{ReadOnly: readOnly, CondStore: s.Can("CONDSTORE")}
		data, err := s.client.Select(tokenFor(wire), opts).Wait()
		if err != nil {
			return err
		}
		st = Status{
			Messages: data.NumMessages, UIDNext: uint32(data.UIDNext), UIDValidity: data.UIDValidity,
			HighestModSeq: data.HighestModSeq, PermanentFlags: s.c.client.permanent,
			ReadOnly: s.c.client.answer.code == "READ-ONLY",
		}
		return nil
	})
	if err != nil {
		return Status{}, err
	}
	if st.UIDValidity == 0 {
		return Status{}, s.c.refusal(&Error{Kind: KindRefused, Command: verb, Err: ErrNoUIDValidity})
	}
	return st, nil
}

// unsendable refuses a mailbox name that no quoted string can hold, before a
// byte has left: a listed literal may hold one.
func (s *Session) unsendable(verb, wire string) error {
	if !strings.ContainsAny(wire, "\r\n\x00") {
		return nil
	}
	return s.c.refusal(&Error{Kind: KindRefused, Command: verb, Text: "a mailbox name with a line end or NUL can't be sent"})
}

// named runs one command of go-imap on a mailbox.
func (t *Target) named(ctx context.Context, verb, name string, run func(token string) error) error {
	wire := t.wire(name)
	if err := t.unsendable(verb, wire); err != nil {
		return err
	}
	return t.withClient(ctx, verb, func() error { return run(tokenFor(wire)) })
}

// wire gives the name to send for a mailbox: as listed, if its listing was
// malformed, else as encoded.
func (s *Session) wire(name string) string {
	if w, ok := s.names.Load(name); ok {
		return w.(string)
	}
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return EncodeUTF7(name)
}

// Source is a session that reads and can't change anything.
type Source struct{ Session }

// Examine opens a mailbox read-only, by the decoded name that List gave.
func (s *Source) Examine(ctx context.Context, name string) (Status, error) {
	return s.selectMailbox(ctx, s.wire(name), true)
}

// ExamineWire opens a mailbox read-only by its name as the server wrote it
// (Mailbox.Wire), without having listed it before.
func (s *Source) ExamineWire(ctx context.Context, wire string) (Status, error) {
	return s.selectMailbox(ctx, wire, true)
}

// Target is a session as one user of BlueMind, which fills that user's
// mailboxes.
type Target struct{ Session }

// Select opens a mailbox. On BlueMind 5 each APPEND reloads the selected
// folder: an [Appender] of the same mailbox leaves it first.
func (t *Target) Select(ctx context.Context, name string) (Status, error) {
	return t.selectMailbox(ctx, t.wire(name), false)
}

// leaving gives the command that closes the open mailbox, if that is the one
// named, and nothing else; "" where there is none. UNSELECT (RFC 3691) does so.
// CLOSE would expunge, but for BlueMind 5, which knows only that and expunges
// nothing.
func (t *Target) leaving(wire string) string {
	switch {
	case t.selected != wire:
	case t.Can("UNSELECT"):
		return "UNSELECT"
	case t.Can("BM-ROCKS"):
		return "CLOSE"
	}
	return ""
}

// Create makes a mailbox. Parents are not made: create them first.
func (t *Target) Create(ctx context.Context, name string) error {
	return t.named(ctx, "CREATE", name, func(token string) error { return t.client.Create(token, nil).Wait() })
}

// Subscribe adds a mailbox to the user's subscriptions.
func (t *Target) Subscribe(ctx context.Context, name string) error {
	return t.named(ctx, "SUBSCRIBE", name, func(token string) error { return t.client.Subscribe(token).Wait() })
}

// Rename gives a mailbox another name, with those below it (RFC 9051 §6.3.6).
// Parents of the new name are not made: create them first. BlueMind 5 leaves
// what lies below a name with an accent behind, and gives no answer for a name
// with "&"; Cyrus loses the subscriptions. Both keep UIDVALIDITY and UIDs.
func (t *Target) Rename(ctx context.Context, from, to string) error {
	if err := t.unsendable("RENAME", t.wire(to)); err != nil {
		return err
	}
	return t.named(ctx, "RENAME", from, func(token string) error { return t.client.Rename(token, tokenFor(t.wire(to)), nil).Wait() })
}

// Delete removes a mailbox: a probe's scratch folder, or one whose source is gone.
func (t *Target) Delete(ctx context.Context, name string) error {
	return t.named(ctx, "DELETE", name, func(token string) error { return t.client.Delete(token).Wait() })
}

// errNoUIDPlus says that expunging would reach further than asked.
var errNoUIDPlus = errors.New("the server has no UIDPLUS: only UID EXPUNGE removes given messages and no others")

// UIDExpunge removes those of the given messages of the selected mailbox that
// carry \Deleted (RFC 4315 §2.1). The UIDs are sorted.
func (t *Target) UIDExpunge(ctx context.Context, uids []uint32) error {
	if !t.Can("UIDPLUS") {
		return t.c.refusal(&Error{Kind: KindRefused, Command: "UID EXPUNGE", Err: errNoUIDPlus})
	}
	for _, chunk := range uidChunks(uids, 0) {
		set := uidSetOf(chunk.uids)
		if err := t.withClient(ctx, "UID EXPUNGE", func() error { return t.client.UIDExpunge(set).Close() }); err != nil {
			return err
		}
	}
	return nil
}

// uidSetOf builds go-imap's form of sorted UIDs.
func uidSetOf(uids []uint32) goimap.UIDSet {
	var set goimap.UIDSet
	for i := 0; i < len(uids); {
		j := i + 1
		for j < len(uids) && uids[j]-uids[j-1] <= 1 {
			j++
		}
		set = append(set, goimap.UIDRange{Start: goimap.UID(uids[i]), Stop: goimap.UID(uids[j-1])})
		i = j
	}
	return set
}

// StoreFlags changes the flags of messages of the selected mailbox. The UIDs
// are sorted. \Recent is left out.
func (t *Target) StoreFlags(ctx context.Context, uids []uint32, flags []string, mode FlagMode) error {
	list, err := flagList(flags)
	if err != nil {
		return t.c.refusal(&Error{Kind: KindRefused, Command: "UID STORE", Err: err})
	}
	item := map[FlagMode]string{AddFlags: "+FLAGS.SILENT ", RemoveFlags: "-FLAGS.SILENT ", ReplaceFlags: "FLAGS.SILENT "}[mode]
	if item == "" {
		return t.c.refusal(&Error{Kind: KindRefused, Command: "UID STORE", Text: "unknown mode"})
	}
	for _, chunk := range uidChunks(uids, 0) {
		if _, err := t.exchange(ctx, "UID STORE "+chunk.set+" "+item+list, nil); err != nil {
			return err
		}
	}
	return nil
}
