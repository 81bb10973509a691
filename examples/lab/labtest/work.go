package labtest

import (
	"context"
	"fmt"
	"strings"
)

// Session is a mailbox's own user at work: what he types goes to the server as
// it is.
type Session struct {
	c    *client
	stop func() bool
}

// Enter logs a user in. The context's end closes the connection.
func Enter(ctx context.Context, l Login) (*Session, error) {
	c, err := dial(ctx, l)
	if err != nil {
		return nil, err
	}
	return &Session{c, context.AfterFunc(ctx, func() { c.conn.Close() })}, nil
}

// Do gives one command and waits for its OK.
func (s *Session) Do(format string, args ...any) error {
	return s.c.command(nil, fmt.Sprintf(format, args...))
}

// Append stores a message. The server takes non-synchronising literals (RFC 7888).
func (s *Session) Append(folder string, m Message) error {
	return s.Do("APPEND %s (%s) \"%s\" {%d+}\r\n%s", Mailbox(folder), strings.Join(m.Flags, " "),
		m.InternalDate.Format("_2-Jan-2006 15:04:05 -0700"), len(m.Body), m.Body)
}

// Close ends the session.
func (s *Session) Close() {
	s.c.close()
	s.stop()
}

// Mailbox is a folder's name as it goes into a command.
func Mailbox(name string) string { return quote(EncodeUTF7(name)) }
