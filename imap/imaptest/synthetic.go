package imaptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// SyntheticOptions describe a [Synthetic] server.
type SyntheticOptions struct {
	// Folders are the mailboxes of every account; nil: INBOX.
	Folders []string
	// Messages says how many a mailbox holds, with the UIDs from 1 on. It may
	// give more later, never fewer.
	Messages func(login, mailbox string) uint32
	// Size is a message's, in octets; below 200 it is 200. Nil: 600.
	Size func(login, mailbox string, uid uint32) int64
	// ModSeq announces CONDSTORE: a message's modification sequence is its UID.
	ModSeq bool
}

// Synthetic is a read-only IMAP server whose messages are nowhere: each is made
// from its login, mailbox and UID when it is asked for, always the same. So a
// mailbox of a million takes no memory. Everybody may log in. It speaks as much
// of IMAP as a migration asks of a source.
type Synthetic struct {
	opts SyntheticOptions

	// Sessions, Listed and Fetched count logins, messages told of, and bodies sent.
	Sessions, Listed, Fetched atomic.Int64
}

// syntheticValidity is the UIDVALIDITY of the first mailbox.
const syntheticValidity = 1700000000

// NewSynthetic returns a server that does not listen yet.
func NewSynthetic(opts SyntheticOptions) *Synthetic {
	if opts.Folders == nil {
		opts.Folders = []string{"INBOX"}
	}
	if opts.Size == nil {
		opts.Size = func(string, string, uint32) int64 { return 600 }
	}
	return &Synthetic{opts: opts}
}

// Listen serves in clear text on a loopback address such as "127.0.0.1:0", until
// ctx ends. It returns the address, and what waits for the end of all sessions.
func (s *Synthetic) Listen(ctx context.Context, addr string) (at string, wait func(), err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", nil, err
	}
	if host, _, _ := net.SplitHostPort(ln.Addr().String()); !net.ParseIP(host).IsLoopback() {
		return "", nil, errors.Join(fmt.Errorf("listen on %s: only loopback addresses are served", addr), ln.Close())
	}
	var running sync.WaitGroup
	running.Go(func() {
		stop := context.AfterFunc(ctx, func() { ln.Close() })
		defer stop()
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.serve(ctx, conn) })
		}
	})
	return ln.Addr().String(), running.Wait, nil
}

func (s *Synthetic) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	newSyntheticSession(s, conn).run()
}

// Message is one message of a mailbox.
func (s *Synthetic) Message(login, mailbox string, uid uint32) Message {
	m := s.message(login, mailbox, uid)
	var body bytes.Buffer
	m.writeTo(&body) // a buffer takes everything
	return Message{Body: body.Bytes(), Flags: m.flags(), InternalDate: m.date()}
}

// synthetic is a message by its number.
type synthetic struct {
	login, mailbox string
	uid            uint32
	size           int64
}

const leastSynthetic = 200

func (s *Synthetic) message(login, mailbox string, uid uint32) synthetic {
	return synthetic{login, mailbox, uid, max(leastSynthetic, s.opts.Size(login, mailbox, uid))}
}

func (m synthetic) flags() []string {
	switch m.uid % 16 {
	case 0:
		return []string{}
	case 1, 2:
		return []string{`\Seen`, `\Answered`}
	case 3:
		return []string{`\Seen`, "$Forwarded"}
	}
	return []string{`\Seen`}
}

// date is a minute after that of the message before.
func (m synthetic) date() time.Time {
	return time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(m.uid) * time.Minute)
}

// id is the Message-ID, without its brackets.
func (m synthetic) id() string { return fmt.Sprintf("%d.%s", m.uid, m.login) }

// filler is what bodies are made of: whole lines of 64 octets.
var filler = bytes.Repeat([]byte("the plan for next week is attached, please read it in time ...\r\n"), 1024)

// writeTo writes the octets.
func (m synthetic) writeTo(w io.Writer) error {
	head := fmt.Appendf(make([]byte, 0, leastSynthetic), "From: ada@old.example\r\nSubject: %d\r\nMessage-ID: <%s>\r\n\r\n", m.uid, m.id())
	if int64(len(head)) > m.size-2 {
		head = head[:m.size-2] // of a very long login
	}
	left := m.size - int64(len(head)) - 2
	if _, err := w.Write(head); err != nil {
		return err
	}
	for left > 0 {
		n, err := w.Write(filler[:min(left, int64(len(filler)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}
