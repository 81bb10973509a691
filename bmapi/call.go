package bmapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxAnswer = 64 << 20 // JSON: a directory of 100,000 entries is half of it
	maxFault  = 64 << 10
	maxDrain  = 256 << 10 // read to the end, so that the connection lives on
)

// call is one exchange, tries included.
type call struct {
	method string
	to     endpoint
	body   any    // nil: empty
	key    string // "": nobody
	once   bool   // a repetition would do harm
	hide   []string
	accept string // "": application/json
}

// run makes the call until an answer stands, and hands a 2xx one to take, which
// owns its body.
func (c *Client) run(ctx context.Context, cl call, take func(*answer) error) error {
	if cl.to.err != nil {
		return fmt.Errorf("%s %s: %w", cl.method, cl.to.shown, cl.to.err)
	}
	payload, err := encode(cl.body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", cl.method, cl.to.shown, err)
	}
	cl.hide = append(append(cl.hide, cl.key), cl.to.secrets...)
	lost := false
	for try := 1; ; try++ {
		err := c.try(ctx, cl, payload, take)
		if err == nil {
			return nil
		}
		again, unanswered, after := judge(cl, err)
		if f, ok := errors.AsType[*Fault](err); ok {
			f.Repeated = lost
		}
		lost = lost || unanswered
		pause := max(c.opts.Retry.wait(try), after)
		if !again || try >= c.opts.Retry.Tries || after > c.opts.Retry.Max {
			return err
		}
		if c.opts.Retry.Sleep(ctx, pause) != nil {
			return err
		}
	}
}

// judge says whether a failed try may be made again, whether the server may have
// done what was asked, and how long it asked us to wait.
func judge(cl call, err error) (again, unanswered bool, after time.Duration) {
	if f, ok := errors.AsType[*Fault](err); ok {
		f.blind = cl.once && f.unanswered()
		return f.temporary() && !f.blind, f.unanswered(), f.RetryAfter
	}
	if e, ok := errors.AsType[*ConnError](err); ok {
		e.blind = cl.once && e.Sent
		return !e.fatal && !e.blind, e.Sent, 0
	}
	return false, false, 0
}

// try makes the call one time.
func (c *Client) try(ctx context.Context, cl call, payload []byte, take func(*answer) error) error {
	began := time.Now()
	w := watch(ctx, c.opts.Timeout)
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(w.ctx, trace), cl.method, cl.to.url(c.base), bytes.NewReader(payload))
	if err != nil {
		w.stop()
		return fmt.Errorf("%s %s: %w", cl.method, cl.to.shown, errors.New("request cannot be formed"))
	}
	c.head(req, cl)
	resp, err := c.http.Do(req)
	status := 0
	if err != nil {
		w.stop()
		err = c.lost(ctx, w, cl, err, sent.Load())
	} else {
		status = resp.StatusCode
		if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.clock.Store(&reading{server: t, at: time.Now()})
		}
		a := &answer{c: c, ctx: ctx, cl: cl, status: status, head: resp.Header, body: &watched{ReadCloser: resp.Body, w: w}}
		if status >= 200 && status < 300 {
			err = take(a)
		} else {
			err = a.fault()
		}
	}
	c.opts.Logger.LogAttrs(ctx, slog.LevelDebug, "bluemind", slog.String("method", cl.method), slog.String("path", cl.to.shown),
		slog.Int("status", status), slog.Duration("took", time.Since(began)), slog.Any("error", err))
	return err
}

func (c *Client) head(req *http.Request, cl call) {
	req.Header.Set("User-Agent", "bmsync")
	req.Header.Set("Accept", "application/json")
	if cl.accept != "" {
		req.Header.Set("Accept", cl.accept)
	}
	if cl.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if cl.key != "" {
		req.Header.Set("X-BM-ApiKey", cl.key)
	}
}

// lost makes a ConnError of what the transport said, without the URL that it repeats.
func (c *Client) lost(ctx context.Context, w *watchdog, cl call, err error, sent bool) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	e := &ConnError{Method: cl.method, Path: cl.to.shown, Err: err, Sent: sent, fatal: certificate(err)}
	switch {
	case ctx.Err() != nil:
		e.Err, e.fatal = context.Cause(ctx), true
	case w.fired.Load():
		e.Err = fmt.Errorf("no answer for %s: %w", c.opts.Timeout, os.ErrDeadlineExceeded)
	}
	return e
}

// answer is what came back, its body unread.
type answer struct {
	c      *Client
	ctx    context.Context // the caller's
	cl     call
	status int
	head   http.Header
	body   *watched
}

// into decodes a 2xx answer; a nil target wants none.
func (a *answer) into(into any) error {
	defer a.body.Close()
	switch {
	case into == nil:
		io.Copy(io.Discard, io.LimitReader(a.body, maxDrain)) // only for the connection's sake
		return nil
	case a.status == http.StatusNoContent:
		f := a.newFault()
		f.ErrorCode, f.Message = CodeNotFound, "nothing there"
		return f
	}
	counted := &limited{r: a.body, left: a.c.limit}
	err := json.NewDecoder(io.TeeReader(counted, &counted.seen)).Decode(into)
	switch {
	case err == nil:
		io.Copy(io.Discard, io.LimitReader(a.body, maxDrain))
		return nil
	case counted.failed != nil: // reading went wrong, not what was read
		return a.c.lost(a.ctx, a.body.w, a.cl, counted.failed, true)
	}
	f := a.newFault()
	f.Excerpt, f.err = a.scrub(excerpt(counted.seen.buf)), fmt.Errorf("answer is not the JSON expected: %s", a.scrub(err.Error()))
	if errors.Is(err, errTooLong) {
		f.err = errTooLong
	}
	return f
}

func (a *answer) newFault() *Fault {
	return &Fault{Status: a.status, Method: a.cl.method, Path: a.cl.to.shown}
}

// scrub blanks secrets that a server repeats in its texts.
func (a *answer) scrub(s string) string {
	for _, h := range a.cl.hide {
		if len(h) > 3 { // a shorter one would only make the text unreadable
			s = strings.ReplaceAll(s, h, "…")
		}
	}
	return s
}

func encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
