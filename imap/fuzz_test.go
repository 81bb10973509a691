package imap

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// canned is a connection that has all its answers already.
type canned struct{ io.Reader }

func (canned) Write(p []byte) (int, error)      { return len(p), nil }
func (canned) Close() error                     { return nil }
func (canned) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (canned) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (canned) SetDeadline(time.Time) error      { return nil }
func (canned) SetReadDeadline(time.Time) error  { return nil }
func (canned) SetWriteDeadline(time.Time) error { return nil }

func cannedConn(stream []byte) *conn {
	c := newConn(newSock(canned{bytes.NewReader(stream)}, time.Minute), Options{}.withDefaults())
	c.pending["B1"] = "NOOP"
	return c
}

// Whatever stands around a literal, the response after it is found again.
func FuzzStaysInStep(f *testing.F) {
	f.Add("* 1 FETCH (UID 1 BODY[] ", []byte("abc"), ")", uint8(0))
	f.Add("* 1 FETCH (FLAGS ([css3-page] \\ \"x) BODY[] ~", []byte(")\r\nB1 OK"), " UID 1)", uint8(1))
	f.Add("* XFOO (((", []byte{0}, "\"", uint8(2))
	f.Add("* LIST () \"/\" ", []byte("a\"b"), "", uint8(3))
	f.Add("* STATUS ", []byte("x {3}"), " (MESSAGES 1)", uint8(4))
	f.Add("* NAMESPACE ((", []byte("x"), " \"/\")) NIL", uint8(5))
	f.Add("* ID (", []byte("name"), " NIL)", uint8(6))
	f.Add("* FLAGS (\\", []byte("x"), "", uint8(7))
	f.Fuzz(func(t *testing.T, before string, lit []byte, after string, use uint8) {
		if strings.ContainsAny(before+after, "\r\n") || strings.HasSuffix(after, "}") {
			t.Skip()
		}
		stream := fmt.Appendf(nil, "%s{%d}\r\n%s%s\r\n* 4711 EXISTS\r\n", before, len(lit), lit, after)
		c := cannedConn(stream)
		r, err := c.readResponse()
		if err != nil {
			t.Fatal(err)
		}
		if r.mark < 0 { // human text or no response at all: there is no literal in it
			return
		}
		consume(r, use)
		if r, err = c.readResponse(); err != nil || r.name != "EXISTS" || r.num != 4711 {
			t.Errorf("out of step after %q: %q %d, %v", stream, r.name, r.num, err)
		}
	})
}

// consume reads a response in one of the ways that sessions do.
func consume(r *response, use uint8) {
	switch use % 11 {
	case 0:
		r.drain()
	case 1:
		newListing(1, 0, hasFlags|hasSize, func(*partial) error { return nil }).response(r)
	case 2:
		b := newBodies()
		b.expect(&order{uids: []uint32{1, 2, 3}, take: func(_ uint32, _ int64, body io.Reader) error {
			io.CopyN(io.Discard, body, 2)
			return nil
		}})
		b.response(r)
		b.close()
	case 3:
		r.mailbox()
	case 4:
		r.mailboxStatus("x", &Status{})
	case 5:
		r.namespace()
	case 6:
		r.pairs()
	case 7:
		r.c.feed(r)
	case 8:
		r.acl()
	case 9:
		r.quota(&StorageQuota{}, new(bool))
	case 10:
		r.annotations([]string{"/x"}, map[string]string{})
	}
}

// Strangers' octets end in an error or in the stream's end, never in a panic
// or a loop, and no body is longer than what came.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"* OK [PERMANENTFLAGS (\\*)] x\r\n* 3 EXISTS\r\nB1 OK done\r\n",
		"* 1 FETCH (UID 1 FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 44827)\r\n",
		"* 1 FETCH (BODY[] {3}\r\nabc UID 1)\r\n* 1 EXPUNGE\r\n", "* 1 FETCH (UID 1 BODY[] ~{3}\r\nabc)\r\n",
		"* LIST (\\Noselect) \"\\\" foo bar\r\n", "* LIST (\\HasNoChildren) NIL {2}\r\nab\r\n",
		"* STATUS {1}\r\nx (MESSAGES (1 (2)) UIDNEXT \"3\" UIDVALIDITY 4)\r\n", "* NAMESPACE ((\"\" \"/\" \"X\" (\"a\"))) NIL NIL\r\n",
		"* ID (\"name\" NIL \"a\" (b))\r\n", "+ \r\n", " BAD what\r\n", "B1OK x\r\n", "\r\n", "* \r\n", "* 5\r\n", "* BYE [X\r\n",
		"* 1 FETCH (DIGEST.SHA1 0123456789012345678901234567890123456789 UID 2 X (((\r\n", "* 1 FETCH (BODY[HEADER.FIELDS (A] \"x\\\r\n",
		"* 1 FETCH (UID 1 BODY[] {999999999999999999}\r\nabc",
		"* ACL x a lr \"-b\" (\r\n", "* ACL {1}\r\nx {2}\r\nab\r\n", "* QUOTA \"\" (STORAGE 1 2 X (\r\n", "* METADATA x (/x \"a\" (\r\n", "* ANNOTATION x y (/x NIL\r\n",
	} {
		for use := range uint8(11) {
			f.Add([]byte(s), use)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, use uint8) {
		c := cannedConn(stream)
		var total int64
		l := newListing(1, 0, hasFlags, func(*partial) error { return nil })
		b := newBodies()
		b.expect(&order{uids: []uint32{1, 2, 3}, take: func(_ uint32, _ int64, body io.Reader) error {
			n, err := io.Copy(io.Discard, body)
			total += n
			return err
		}})
		defer b.close()
		for {
			r, err := c.readResponse()
			if err != nil {
				break
			}
			switch use % 11 {
			case 1:
				err = l.response(r)
			case 2:
				err = b.response(r)
			default:
				consume(r, use)
			}
			if err != nil {
				break
			}
		}
		if total > int64(len(stream)) {
			t.Errorf("%d octets of bodies in %d", total, len(stream))
		}
	})
}
