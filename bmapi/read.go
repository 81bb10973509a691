package bmapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

var errTooLong = errors.New("answer is too long")

// watchdog ends a try that stands still.
type watchdog struct {
	ctx   context.Context
	end   context.CancelFunc
	timer *time.Timer
	limit time.Duration
	fired atomic.Bool
}

func watch(ctx context.Context, limit time.Duration) *watchdog {
	w := &watchdog{limit: limit}
	w.ctx, w.end = context.WithCancel(ctx)
	w.timer = time.AfterFunc(limit, func() {
		w.fired.Store(true)
		w.end()
	})
	return w
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.end()
}

// watched is a body whose reads may not stand still. Between them there is no
// hurry: a reader of a message waits for whoever takes it.
type watched struct {
	io.ReadCloser
	w *watchdog
}

func (b *watched) Read(p []byte) (int, error) {
	b.w.timer.Reset(b.w.limit)
	defer b.w.timer.Stop()
	return b.ReadCloser.Read(p)
}

func (b *watched) Close() error {
	err := b.ReadCloser.Close()
	b.w.stop()
	return err
}

// limited reads up to a limit, keeps the beginning and remembers a read that failed.
type limited struct {
	r      io.Reader
	left   int64
	seen   head
	failed error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err != nil && err != io.EOF {
		l.failed = err
	}
	return n, err
}

// head keeps the first octets of what is written to it.
type head struct{ buf []byte }

func (h *head) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p[:min(len(p), 2048-len(h.buf))]...)
	return len(p), nil
}

// fault reads an answer that is no success. A body cut short is still a fault:
// the status has been said.
func (a *answer) fault() *Fault {
	defer a.body.Close()
	f := a.newFault()
	body, _ := io.ReadAll(io.LimitReader(a.body, maxFault))
	f.read(body, a.cl.hide)
	f.RetryAfter = retryAfter(a.head.Get("Retry-After"), a.c.opts.Retry.Now())
	if a.status >= 300 && a.status < 400 {
		f.Message, f.Excerpt = "redirect, not followed", ""
		if u, err := url.Parse(a.head.Get("Location")); err == nil && u.Host != "" {
			f.Message = "redirect to " + u.Scheme + "://" + u.Host + ", not followed"
		}
	}
	return f
}

// read takes what a fault's body says: BlueMind's own three fields, the bean it
// writes for a route it does not know (code, message), or somebody else's page.
func (f *Fault) read(body []byte, hide hidden) {
	var wire struct {
		ErrorCode any `json:"errorCode"`
		ErrorType any `json:"errorType"`
		Code      any `json:"code"`
		Message   any `json:"message"`
	}
	if json.Unmarshal(body, &wire) != nil {
		f.Excerpt = hide.clip(string(body))
		return
	}
	text := func(v any) string { s, _ := v.(string); return hide.clip(s) }
	f.ErrorType, f.Message = text(wire.ErrorType), text(wire.Message)
	f.ErrorCode = cmp.Or(Code(text(wire.ErrorCode)), Code(text(wire.Code)))
	// The only fault without a code of its own: version 5 says NOT_FOUND, as for a thing.
	f.NoRoute = strings.HasPrefix(f.Message, "no service registered on ")
	if f.ErrorCode == "" && f.ErrorType == "" && f.Message == "" {
		f.Excerpt = hide.clip(string(body))
	}
}

// clip makes one printable line of at most 300 characters.
func clip(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "�"))), " ")
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}

// retryAfter reads RFC 9110 §10.2.3: seconds or a date.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
