package bmapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options say where a BlueMind is and how to reach it.
type Options struct {
	BaseURL string      // https://host[:port]; "/api" is appended
	TLS     *tls.Config // nil: system roots
	Origin  string      // what BlueMind's logs show as origin of a login; "": bmsync

	// Timeout is how long one try may stand still: until the answer begins, and
	// between two parts of it. 0: 4 minutes, a little more than BlueMind's own
	// proxy waits for its core, so that the proxy's 504 is seen.
	Timeout time.Duration
	Logger  *slog.Logger // one debug record a try; nil: nowhere
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	Retry   Retry
}

func (o Options) withDefaults() Options {
	if o.Origin == "" {
		o.Origin = "bmsync"
	}
	if o.Timeout == 0 {
		o.Timeout = 4 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	o.Retry = o.Retry.withDefaults()
	return o
}

// Client reaches one BlueMind. It holds no secret.
type Client struct {
	base    string // https://host[:port]/api
	http    *http.Client
	opts    Options
	limit   int64         // of a JSON answer, in bytes
	reached atomic.Bool   // BlueMind has answered: if it is away now, it comes back
	tasks   chan struct{} // holds one for each task of ours under way
	clock   atomic.Pointer[reading]
	dialect dialects
}

// New prepares a client; nothing is sent.
func New(o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(o.BaseURL, "/"))
	switch {
	case err != nil:
		return nil, errors.New("base URL cannot be read") // the parser's text repeats it, and with it a password in it
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return nil, fmt.Errorf("base URL %q: want https://host[:port]", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("base URL %q: want https://host[:port] and no more", u.Redacted())
	}
	o = o.withDefaults()
	c := &Client{base: u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/api") + "/api", opts: o, limit: maxAnswer, tasks: make(chan struct{}, maxTasks)}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:         o.Dial,
			TLSClientConfig:     o.TLS,
			TLSHandshakeTimeout: 30 * time.Second,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     30 * time.Second, // below nginx's 75 s, so that we close first
		},
		// A redirect would carry the key elsewhere. It is shown as a fault.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// reading is what the server's clock showed, and when by ours.
type reading struct{ server, at time.Time }

// ServerTime is the time by the server's clock, as its last answer told it: what
// hosts whose own clocks differ can agree on. ok is false before the first answer.
func (c *Client) ServerTime() (now time.Time, ok bool) {
	r := c.clock.Load()
	if r == nil {
		return time.Time{}, false
	}
	return r.server.Add(time.Since(r.at)), true
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// BaseURL is where calls go, "/api" included.
func (c *Client) BaseURL() string { return c.base }
