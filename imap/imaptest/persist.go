package imaptest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"
)

// indexFormat is the version of the index; a newer one is refused.
const indexFormat = 1

// The index of a kept store. Bodies of messages that are gone stay as files.
type (
	index struct {
		Format       int         `json:"format"`
		LastValidity uint32      `json:"lastValidity"`
		Users        []indexUser `json:"users"`
	}
	indexUser struct {
		Login      string         `json:"login"`
		Password   string         `json:"password"`
		Subscribed []string       `json:"subscribed"`
		Mailboxes  []indexMailbox `json:"mailboxes"`
	}
	indexMailbox struct {
		Name        string         `json:"name"`
		Wire        rawString      `json:"wire,omitzero"`
		NoSelect    bool           `json:"noSelect,omitempty"`
		SpecialUse  string         `json:"specialUse,omitempty"`
		Attributes  []string       `json:"attributes,omitempty"`
		UIDValidity uint32         `json:"uidValidity"`
		UIDNext     uint32         `json:"uidNext"`
		RecentFrom  uint32         `json:"recentFrom"`
		ModSeq      uint64         `json:"modSeq"`
		Messages    []indexMessage `json:"messages"`
	}
	indexMessage struct {
		UID    uint32      `json:"uid"`
		ModSeq uint64      `json:"modSeq"`
		Flags  []rawString `json:"flags"`
		Date   time.Time   `json:"date"`
		Size   int64       `json:"size"`
		SHA1   string      `json:"sha1"`
		SHA256 string      `json:"sha256"`
		Odd    *Odd        `json:"odd,omitempty"`
	}
)

// rawString is a string that JSON keeps even if it is no UTF-8.
type rawString string

// MarshalJSON writes a string, or what is no UTF-8 in hexadecimal.
func (r rawString) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(r)) {
		return json.Marshal(string(r))
	}
	return json.Marshal(map[string]string{"hex": hex.EncodeToString([]byte(r))})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *rawString) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, (*string)(r))
	}
	var odd struct{ Hex string }
	if err := json.Unmarshal(data, &odd); err != nil {
		return err
	}
	raw, err := hex.DecodeString(odd.Hex)
	*r = rawString(raw)
	return err
}

// Save writes the index of a kept store if anything has changed. Listening
// servers do so every few seconds, and Close does.
func (s *Server) Save() error {
	if s.opts.Dir == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	if !s.dirty {
		s.mu.Unlock()
		return nil
	}
	x := s.index()
	s.dirty = false
	s.mu.Unlock()
	data, err := json.MarshalIndent(x, "", " ")
	if err == nil {
		err = writeFile(s.indexPath(), bytes.NewReader(append(data, '\n')))
	}
	if err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		return fmt.Errorf("save mail store: %w", err)
	}
	return nil
}

func (s *Server) indexPath() string { return filepath.Join(s.opts.Dir, "index.json") }

// index copies the store; the lock is held.
func (s *Server) index() index {
	x := index{Format: indexFormat, LastValidity: s.lastValidity}
	for _, u := range s.sortedUsers() {
		iu := indexUser{Login: u.login, Password: u.password, Subscribed: u.sortedSubscriptions()}
		for _, m := range u.sorted() {
			iu.Mailboxes = append(iu.Mailboxes, m.index())
		}
		x.Users = append(x.Users, iu)
	}
	return x
}

func (m *Mailbox) index() indexMailbox {
	im := indexMailbox{
		Name: m.name, Wire: rawString(m.wire), NoSelect: m.noSelect, SpecialUse: m.specialUse, Attributes: m.attributes,
		UIDValidity: m.uidValidity, UIDNext: m.uidNext, RecentFrom: m.recentFrom, ModSeq: m.modSeq,
		Messages: make([]indexMessage, len(m.messages)),
	}
	for i, msg := range m.messages {
		flags := make([]rawString, len(msg.flags))
		for k, f := range msg.flags {
			flags[k] = rawString(f)
		}
		im.Messages[i] = indexMessage{
			UID: msg.uid, ModSeq: msg.modSeq, Flags: flags, Date: msg.date, Size: msg.body.size,
			SHA1: hex.EncodeToString(msg.body.sha1[:]), SHA256: hex.EncodeToString(msg.body.key[:]),
		}
		if msg.odd != nil {
			odd := *msg.odd
			im.Messages[i].Odd = &odd
		}
	}
	return im
}

// load reads the index, if there is one.
func (s *Server) load() error {
	data, err := os.ReadFile(s.indexPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var x index
	if err := json.Unmarshal(data, &x); err != nil {
		return fmt.Errorf("%s: %w", s.indexPath(), err)
	}
	if x.Format > indexFormat {
		return fmt.Errorf("%s has format %d, this program knows %d", s.indexPath(), x.Format, indexFormat)
	}
	for _, iu := range x.Users {
		u := s.AddUser(iu.Login, iu.Password)
		clear(u.subscribed)
		for _, name := range iu.Subscribed {
			u.subscribed[name] = true
		}
		for _, im := range iu.Mailboxes {
			if err := u.restore(im); err != nil {
				return fmt.Errorf("%s: mailbox %q of %s: %w", s.indexPath(), im.Name, iu.Login, err)
			}
		}
	}
	s.lastValidity = x.LastValidity
	s.dirty = false
	return nil
}

// restore makes a mailbox as it was. The index names parents before children.
func (u *User) restore(im indexMailbox) error {
	m := &Mailbox{
		user: u, name: im.Name, wire: string(im.Wire), noSelect: im.NoSelect, specialUse: im.SpecialUse, attributes: im.Attributes,
		uidValidity: im.UIDValidity, uidNext: im.UIDNext, recentFrom: im.RecentFrom, modSeq: im.ModSeq,
		messages: make([]*message, len(im.Messages)),
	}
	u.mailboxes[m.name] = m
	for i, msg := range im.Messages {
		b, err := u.srv.bodies.restore(msg)
		if err != nil {
			return fmt.Errorf("UID %d: %w", msg.UID, err)
		}
		var flags []string
		for _, f := range msg.Flags {
			flags = append(flags, string(f))
		}
		_, offset := msg.Date.Zone()
		m.messages[i] = &message{
			uid: msg.UID, modSeq: msg.ModSeq, flags: flags, date: msg.Date.In(time.FixedZone("", offset)), body: b, odd: msg.Odd,
		}
	}
	return nil
}

// restore finds the body that an index names.
func (s *bodies) restore(msg indexMessage) (*body, error) {
	sum, err := hex.DecodeString(msg.SHA1)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(msg.SHA256)
	if err != nil {
		return nil, err
	}
	if len(sum) != sha1.Size || len(key) != sha256.Size {
		return nil, errors.New("odd digest")
	}
	return s.find([sha256.Size]byte(key), [sha1.Size]byte(sum), msg.Size)
}
