package endpoint_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/endpoint"
	"bmsync/bmapi/bmsim/internal/mail"
)

var (
	alice = mail.Box{Domain: "example.org", EntryUID: "u-alice", Kind: mail.KindUser, Name: "alice"}
	bob   = mail.Box{Domain: "example.org", EntryUID: "u-bob", Kind: mail.KindUser, Name: "bob"}
	sales = mail.Box{Domain: "example.org", EntryUID: "s-sales", Kind: mail.KindMailshare, Name: "sales"}
	legal = mail.Box{Domain: "example.org", EntryUID: "s-legal", Kind: mail.KindMailshare, Name: "legal"}
)

// rig is an endpoint that runs: alice, bob, and two shares that alice may use;
// she is subscribed to sales only. Secrets are "secret".
type rig struct {
	t      testing.TB
	store  *mail.Store
	faults *endpoint.Faults
	addr   string
	stop   func()

	mu     sync.Mutex
	events []endpoint.Event
}

func start(t testing.TB, opts mail.Options, change func(*endpoint.Config)) *rig {
	t.Helper()
	return startIn(t, "", opts, change)
}

// startIn is start with the store in a folder.
func startIn(t testing.TB, dir string, opts mail.Options, change func(*endpoint.Config)) *rig {
	t.Helper()
	store, err := mail.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, faults: new(endpoint.Faults)}
	for _, b := range []mail.Box{alice, bob, sales, legal} {
		if err := store.Create(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	cfg := endpoint.Config{
		Store: store, Faults: r.faults, RefusalDelay: -1, Location: time.FixedZone("", 3600),
		Auth: func(_ context.Context, login, secret string) (endpoint.Login, error) {
			name, domain, _ := strings.Cut(login, "@")
			box, err := store.BoxByName(domain, name)
			if err != nil || secret != "secret" {
				return endpoint.Login{}, errors.New("wrong")
			}
			return endpoint.Login{Box: box, Email: name + "@mail.example.org", MaxLiteral: 10_000_000}, nil
		},
		Shares:   func(context.Context, mail.Box) ([]mail.Box, error) { return []mail.Box{sales}, nil },
		Readable: func(_ context.Context, who, share mail.Box) bool { return who == alice },
		Writable: func(_ context.Context, who, share mail.Box) bool { return share != legal },
		Journal: func(e endpoint.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e)
		},
	}
	if change != nil {
		change(&cfg)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- endpoint.Serve(ctx, ln, cfg) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		r.stop()
		store.Close()
	})
	return r
}

func (r *rig) journal(kind endpoint.Kind) []endpoint.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.events), func(e endpoint.Event) bool { return e.Kind != kind })
}

func (r *rig) folder(b mail.Box, name string) mail.Folder {
	r.t.Helper()
	f, err := r.store.FolderByName(b, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func (r *rig) records(b mail.Box, name string) []mail.Record {
	r.t.Helper()
	recs, err := r.store.Records(r.t.Context(), r.folder(b, name).UID)
	if err != nil {
		r.t.Fatal(err)
	}
	return recs
}

func (r *rig) create(b mail.Box, names ...string) {
	r.t.Helper()
	for _, name := range names {
		if _, err := r.store.CreateFolder(r.t.Context(), b, name); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) add(b mail.Box, folder, text string, date time.Time, flags ...string) mail.Record {
	r.t.Helper()
	d := r.store.NewDraft(int64(len(text)))
	if _, err := io.WriteString(d, text); err != nil {
		r.t.Fatal(err)
	}
	rec, err := r.store.Append(r.t.Context(), r.folder(b, folder).UID, d, flags, date)
	if err != nil {
		r.t.Fatal(err)
	}
	return rec
}

// client speaks to the endpoint in transcripts.
type client struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return &client{r.t, conn, bufio.NewReader(conn)}
}

// login dials and logs in as name@example.org.
func (r *rig) login(name string) *client {
	r.t.Helper()
	c := r.dial()
	c.play("S: * OK IMAP4 ready\nC: l LOGIN " + name + "@example.org \"secret\"\nS~ l OK .*")
	return c
}

// play follows a transcript, a line of it each: "C: " is sent with CRLF, "C> "
// without, its escapes read as Go's; "S: " must be received as it stands, "S~ "
// as a regular expression. "S. " is the end of the connection.
func (c *client) play(transcript string) {
	c.t.Helper()
	for n, row := range strings.Split(strings.Trim(transcript, "\n"), "\n") {
		row = strings.TrimLeft(row, "\t")
		if row == "" {
			continue
		}
		what, text := row[:2], ""
		if len(row) > 3 {
			text = row[3:]
		}
		switch what {
		case "C:":
			c.send(text + "\r\n")
		case "C>":
			raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
			if err != nil {
				c.t.Fatalf("line %d: %v", n+1, err)
			}
			c.send(raw)
		case "S:", "S~":
			line := c.line()
			if what == "S:" && line != text || what == "S~" && !regexp.MustCompile("^(?:"+text+")$").MatchString(line) {
				c.t.Fatalf("line %d:\n got %q\nwant %q", n+1, line, text)
			}
		case "S.":
			if b, err := io.ReadAll(c.in); len(b) > 0 {
				c.t.Fatalf("line %d: got %q (%v), want the end", n+1, b, err)
			}
		default:
			c.t.Fatalf("line %d: %q?", n+1, row)
		}
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read: %v (after %q)", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

func message(i int) string {
	return fmt.Sprintf("Message-ID: <%d@example.org>\r\nSubject: number %d\r\n\r\nbody %d\r\n", i, i, i)
}

func appendLine(tag, folder, text string) string {
	return fmt.Sprintf("%s APPEND \"%s\" () \" 7-Feb-2021 22:42:04 +0100\" {%d+}\r\n%s\r\n", tag, folder, len(text), text)
}

// waitFor polls for something another goroutine does.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}
