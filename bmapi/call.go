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
	"sync/atomic"
	"time"
)

const (
	maxAnswer = 64 << 20 // JSON: a directory of 100,000 entries is half of it
	maxBody   = 10 << 20 // of a request: BlueMind's proxy and core take no more
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
	hide   hidden
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
	cl.hide = newHidden(cl.key, cl.to.secrets)
	if len(payload) > maxBody {
		return fmt.Errorf("%s %s: %w", cl.method, cl.to.shown, ErrTooLarge)
	}
	lost := false
	for p := c.opts.Retry.patience(); ; {
		err := c.try(ctx, cl, payload, take)
		if err == nil {
			return nil
		}
		v := judge(cl, err)
		if f, ok := errors.AsType[*Fault](err); ok {
			f.Repeated = lost
		}
		lost = lost || v.unanswered
		pause, again := p.next(v, c.reached.Load())
		if !again || c.opts.Retry.Sleep(ctx, pause) != nil {
			return err
		}
	}
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
			c.reached.Store(true)
			err = take(a)
		} else {
			f := a.fault()
			if f.ErrorCode != "" {
				c.reached.Store(true) // its own words, not a proxy's
			}
			err = f
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
	f.Excerpt = a.cl.hide.clip(string(counted.seen.buf))
	f.err = fmt.Errorf("answer is not the JSON expected: %s", a.cl.hide.clip(err.Error()))
	if errors.Is(err, errTooLong) {
		f.err = errTooLong
	}
	return f
}

func (a *answer) newFault() *Fault {
	return &Fault{Status: a.status, Method: a.cl.method, Path: a.cl.to.shown}
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
