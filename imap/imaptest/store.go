package imaptest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// User owns mailboxes. Its methods may be called while sessions run.
type User struct {
	srv        *Server
	login      string
	password   string
	mailboxes  map[string]*Mailbox
	subscribed map[string]bool
	quota      int64 // KiB; 0: none
}

// AddUser returns the user of this login, made with an INBOX if there was
// none. The password becomes the one given.
func (s *Server) AddUser(login, password string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(login)
	u := s.users[key]
	if u == nil {
		u = &User{srv: s, login: login, mailboxes: map[string]*Mailbox{}, subscribed: map[string]bool{"INBOX": true}}
		s.users[key] = u
		u.make("INBOX", MailboxOptions{})
	}
	u.password = password
	s.touch()
	return u
}

// User returns the user of this login, nil if there is none.
func (s *Server) User(login string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[strings.ToLower(login)]
}

// Users returns all users, sorted by login.
func (s *Server) Users() []*User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sortedUsers()
}

func (s *Server) sortedUsers() []*User {
	return slices.SortedFunc(maps.Values(s.users), func(a, b *User) int { return cmp.Compare(a.login, b.login) })
}

// touch tells waiting sessions and the saver of a change. The lock is held.
func (s *Server) touch() {
	s.dirty = true
	close(s.changed)
	s.changed = make(chan struct{})
}

// Login returns the name the user logs in with.
func (u *User) Login() string { return u.login }

// CreateMailbox returns the mailbox of this name, made with these options if
// there was none; levels above it that are missing become \Noselect. Levels are
// parted by the server's delimiter.
func (u *User) CreateMailbox(name string, opts MailboxOptions) *Mailbox {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	if m := u.mailboxes[inboxName(name)]; m != nil {
		return m
	}
	defer u.srv.touch()
	return u.make(inboxName(name), opts)
}

// Show makes a mailbox of another user visible to this one, under the same
// name: one of a namespace that [Options] names. It is one mailbox, not two; a
// kept store forgets that.
func (u *User) Show(m *Mailbox) {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	u.mailboxes[m.name] = m
	u.srv.touch()
}

// Mailbox returns the mailbox of this name, nil if there is none.
func (u *User) Mailbox(name string) *Mailbox {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.mailboxes[inboxName(name)]
}

// Mailboxes returns all mailboxes, INBOX first, then by name.
func (u *User) Mailboxes() []*Mailbox {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.sorted()
}

func (u *User) sorted() []*Mailbox {
	return slices.SortedFunc(maps.Values(u.mailboxes), func(a, b *Mailbox) int { return compareNames(a.name, b.name) })
}

func compareNames(a, b string) int {
	if (a == "INBOX") != (b == "INBOX") {
		if a == "INBOX" {
			return -1
		}
		return 1
	}
	return cmp.Compare(a, b)
}

// RenameMailbox renames a mailbox and those below it; false if there is no
// such mailbox or the new name is taken.
func (u *User) RenameMailbox(from, to string) bool {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.rename(inboxName(from), inboxName(to))
}

// DeleteMailbox removes a mailbox and what is in it. If others are below it,
// it stays as a \Noselect parent.
func (u *User) DeleteMailbox(name string) bool {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.remove(inboxName(name))
}

// Subscribe adds a name to the subscriptions; it need not exist.
func (u *User) Subscribe(name string) { u.subscribe(name, true) }

// Unsubscribe takes a name from the subscriptions.
func (u *User) Unsubscribe(name string) { u.subscribe(name, false) }

func (u *User) subscribe(name string, on bool) {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	if on {
		u.subscribed[inboxName(name)] = true
	} else {
		delete(u.subscribed, inboxName(name))
	}
	u.srv.touch()
}

// Subscriptions returns the subscribed names, sorted.
func (u *User) Subscriptions() []string {
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	return u.sortedSubscriptions()
}

func (u *User) sortedSubscriptions() []string {
	return slices.SortedFunc(maps.Keys(u.subscribed), compareNames)
}

// make adds a mailbox and its missing parents. The lock is held.
func (u *User) make(name string, opts MailboxOptions) *Mailbox {
	if parent, ok := u.parent(name); ok && u.mailboxes[parent] == nil {
		u.make(parent, MailboxOptions{NoSelect: true})
	}
	validity := opts.UIDValidity
	if validity == 0 {
		u.srv.lastValidity++
		validity = u.srv.lastValidity
	}
	m := &Mailbox{
		user: u, name: name, wire: opts.Wire, noSelect: opts.NoSelect, specialUse: opts.SpecialUse,
		attributes: slices.Clone(opts.Attributes), uidValidity: validity, uidNext: max(opts.UIDNext, 1), recentFrom: 1, modSeq: 1,
	}
	u.mailboxes[name] = m
	return m
}

// parent returns the name one level up. The prefix of a personal namespace
// ("INBOX.") makes no parent.
func (u *User) parent(name string) (string, bool) {
	i := strings.LastIndex(name, string(u.srv.opts.Delimiter))
	if i <= 0 {
		return "", false
	}
	return name[:i], true
}

func (u *User) hasChildren(name string) bool {
	prefix := name + string(u.srv.opts.Delimiter)
	if prefix == u.srv.opts.Prefix {
		return false // beside it, though their names begin with it
	}
	for other := range u.mailboxes {
		if strings.HasPrefix(other, prefix) {
			return true
		}
	}
	return false
}

func (u *User) rename(from, to string) bool {
	m := u.mailboxes[from]
	if m == nil || u.mailboxes[to] != nil || to == "INBOX" || to == "" {
		return false
	}
	defer u.srv.touch()
	if from == "INBOX" { // RFC 3501 §6.3.5: its messages move, it stays
		m.moveTo(u.make(to, MailboxOptions{}), func(*message) bool { return true })
		return true
	}
	delimiter := string(u.srv.opts.Delimiter)
	for _, other := range u.sorted() {
		if other != m && !strings.HasPrefix(other.name, from+delimiter) {
			continue
		}
		delete(u.mailboxes, other.name)
		other.name = to + strings.TrimPrefix(other.name, from)
		other.wire = ""
		u.mailboxes[other.name] = other
	}
	if parent, ok := u.parent(to); ok && u.mailboxes[parent] == nil {
		u.make(parent, MailboxOptions{NoSelect: true})
	}
	return true
}

func (u *User) remove(name string) bool {
	m := u.mailboxes[name]
	if m == nil || name == "INBOX" {
		return false
	}
	defer u.srv.touch()
	m.deleted = true
	m.modSeq++
	delete(u.mailboxes, name)
	if u.hasChildren(name) {
		u.make(name, MailboxOptions{NoSelect: true})
	}
	return true
}

// inboxName spells INBOX one way, RFC 3501 §5.1.
func inboxName(name string) string {
	if strings.EqualFold(name, "INBOX") {
		return "INBOX"
	}
	return name
}
