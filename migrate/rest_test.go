package migrate_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// meter counts what goes between us and a server: octets of its answers, and
// round trips, each a turn from what we say to what it says.
type meter struct {
	mu    sync.Mutex
	up    imap.Server
	lines []string // sent, without tags
	trips int
	down  int64
	asked bool
}

// metered puts a meter before a server.
func (w *world) metered(server *imap.Server) *meter {
	w.t.Helper()
	m := &meter{up: *server}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { m.serve(conn) })
		}
	})
	w.t.Cleanup(func() { ln.Close(); all.Wait() })
	*server = imap.Server{Addr: ln.Addr().String(), Security: imap.Plaintext}
	return m
}

func (m *meter) serve(client net.Conn) {
	defer client.Close()
	server, err := tls.Dial("tcp", m.up.Addr, m.up.TLS)
	if err != nil {
		return
	}
	defer server.Close()
	var back sync.WaitGroup
	back.Go(func() {
		defer client.Close()
		io.Copy(client, io.TeeReader(server, count(func(p []byte) {
			if m.down += int64(len(p)); m.asked {
				m.trips, m.asked = m.trips+1, false
			}
		}, &m.mu)))
	})
	io.Copy(server, io.TeeReader(client, count(func(p []byte) {
		m.asked = true
		for line := range strings.Lines(string(p)) {
			_, command, _ := strings.Cut(strings.TrimSpace(line), " ")
			m.lines = append(m.lines, command)
		}
	}, &m.mu)))
	server.Close()
	back.Wait()
}

// count is a writer that tells fn what passes, under a lock.
func count(fn func(p []byte), mu *sync.Mutex) io.Writer { return counter{fn, mu} }

type counter struct {
	fn func([]byte)
	mu *sync.Mutex
}

func (c counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fn(p)
	return len(p), nil
}

// took gives what was counted, and counts anew.
func (m *meter) took() (trips int, down int64, lines []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	trips, down, lines = m.trips, m.down, m.lines
	m.trips, m.down, m.lines, m.asked = 0, 0, nil, false
	return trips, down, lines
}

// meterBoth meters the source and the target.
func (w *world) meterBoth() (src, dst *meter) {
	old := w.opts.Sources["old"]
	src = w.metered(&old.Server)
	w.opts.Sources = map[string]migrate.Source{"old": old}
	return src, w.metered(&w.opts.Target.IMAP)
}

// thirty puts mail into thirty folders beside INBOX.
func (w *world) thirty() {
	w.letters("INBOX", 0, 3)
	for i := range 30 {
		w.letters(fmt.Sprintf("Folder %d", i), 10*i, 4)
	}
}

// rests runs over an account in which nothing is new, and gives what it costs.
func (w *world) rests(src, dst *meter) (total int) {
	w.t.Helper()
	src.took()
	dst.took()
	if res := w.complete(); res.Copied != 0 {
		w.t.Errorf("%+v", res)
	}
	a, fromSource, said := src.took()
	b, fromTarget, asked := dst.took()
	w.t.Logf("untouched: source %d round trips, %d octets; target %d, %d", a, fromSource, b, fromTarget)
	if a > 8 || b > 9 {
		w.t.Errorf("an untouched account costs %d and %d round trips:\n%s\n\n%s", a, b, strings.Join(said, "\n"), strings.Join(asked, "\n"))
	}
	return a + b
}

// An account in which nothing is new costs a handful of round trips, however many
// folders it has: the source tells of all of them at once, and the target is
// looked at in many at a time.
func TestAnUntouchedAccountCostsAHandfulOfRoundTrips(t *testing.T) {
	for name, without := range map[string][]string{"all extensions": nil, "no LIST-STATUS": {"LIST-STATUS"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "ada")
			w.source.SetQuirks(imaptest.Quirks{Without: without})
			w.thirty()
			w.plan()
			direct := *w
			src, dst := w.meterBoth()
			w.complete()
			w.rests(src, dst)

			w.letters("Folder 7", 1000, 2) // the others rest
			if res := w.complete(); res.Copied != 2 {
				t.Errorf("%+v", res)
			}
			_, _, said := src.took()
			if n := strings.Count(strings.Join(said, "\n"), "EXAMINE"); n > 4 {
				t.Errorf("%d folders were opened for the one that moved:\n%s", n, strings.Join(said, "\n"))
			}
			direct.same(direct.opts.Target)

			direct.expungeOnTarget("ada@"+domain, "Folder 9", 0) // its user deletes one
			w.complete()
			w.rests(src, dst)
		})
	}
}

// A STATUS that isn't what opening the folder shows is not believed.
func TestNoFolderRestsByACachedStatus(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.thirty()
	w.plan()
	w.complete()
	box, direct := w.at("INBOX"), *w
	old := w.opts.Sources["old"]
	stale := staleStatus(w, &old.Server, "INBOX", "Folder 3")
	w.opts.Sources = map[string]migrate.Source{"old": old}
	w.complete() // what STATUS says now is what it will go on saying
	stale()
	box.Append(message(500))
	w.letters("Folder 3", 600, 1)
	if res := w.complete(); res.Copied != 2 {
		t.Errorf("%d messages were found behind a STATUS that stands still", res.Copied)
	}
	direct.same(direct.opts.Target)
}

// TestLabUntouchedAccount is the same over real servers.
func TestLabUntouchedAccount(t *testing.T) {
	w, lab := labWorld(t, "resting")
	login := w.rows[0].Login
	for i := range 30 {
		var msgs []labtest.Message
		for k := range 4 {
			msgs = append(msgs, labtest.Message{Body: message(10*i + k).Body, InternalDate: message(k).InternalDate})
		}
		lab.WriteMaildir(t, login, fmt.Sprintf("Folder %d", i), msgs)
	}
	w.plan()
	src, dst := w.meterBoth()
	w.complete()
	first, _, _ := src.took()
	second, _, _ := dst.took()
	t.Logf("first pass: source %d round trips, target %d", first, second)
	w.rests(src, dst)
}

// staleStatus stands before a source whose STATUS of some folders doesn't move any
// more, once what is given was called.
func staleStatus(w *world, server *imap.Server, folders ...string) (freeze func()) {
	w.t.Helper()
	var mu sync.Mutex
	frozen, last := false, map[string]string{}
	up := *server
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer client.Close()
				conn, err := (&tls.Dialer{Config: up.TLS}).DialContext(context.Background(), "tcp", up.Addr)
				if err != nil {
					return
				}
				defer conn.Close()
				all.Go(func() { io.Copy(conn, client); conn.Close() })
				middle{}.lines(conn, [2]string{}, func(line string) bool {
					mu.Lock()
					defer mu.Unlock()
					for _, f := range folders {
						if strings.HasPrefix(line, `* STATUS "`+f+`"`) {
							if frozen {
								line = last[f]
							}
							last[f] = line
						}
					}
					_, err := io.WriteString(client, line)
					return err == nil
				})
			})
		}
	})
	w.t.Cleanup(func() { ln.Close(); all.Wait() })
	*server = imap.Server{Addr: ln.Addr().String(), Security: imap.Plaintext}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		frozen = true
	}
}
