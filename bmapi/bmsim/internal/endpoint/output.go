package endpoint

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// oneLine keeps an error's text from breaking the protocol.
func oneLine(s string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}

// output is the connection's other direction. Both goroutines write to it, each
// an item at a time.
type output struct {
	conn net.Conn
	mu   sync.Mutex
	w    *bufio.Writer
	last time.Time // of the last item
	mute bool      // nothing more is sent
}

// silence lets nothing more through.
func (o *output) silence() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mute = true
}

// line sends a line, and what was kept before it. Whether it arrives is for the
// reader to find out.
func (o *output) line(format string, args ...any) {
	o.write(func(w *bufio.Writer) error {
		fmt.Fprintf(w, format+"\r\n", args...)
		return w.Flush()
	})
}

// write keeps something whole to be sent: a line or flush must follow. When it
// fails half-way the connection is lost.
func (o *output) write(write func(w *bufio.Writer) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mute {
		return
	}
	o.last = time.Now()
	if err := write(o.w); err != nil {
		o.conn.Close()
	}
}

// flush sends what was kept.
func (o *output) flush() { o.write(func(w *bufio.Writer) error { return w.Flush() }) }

func (o *output) wroteSince(t time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last.After(t)
}
