package bmsim

import (
	"log/slog"
	"strings"
	"time"
)

// Server is a machine of the installation.
type Server struct {
	UID  string   `json:"uid"`
	Tags []string `json:"tags,omitempty"` // nil: all that a single server has
}

// Subscription is what BlueMind was paid for.
type Subscription struct {
	FullUsers, SimpleUsers int       // most accounts of a type; 0: not stated
	Ends                   time.Time // zero: never
}

// Config says what to simulate. The zero value is a BlueMind 5 in memory, on
// free loopback ports, with no domain.
type Config struct {
	Version int          // 3 (3.5), 4 or 5; 0: 5
	Cyrus   *CyrusConfig // keeps version 4's mail; nil: REST alone, and no IMAP behind the proxy

	Dir           string        // keeps all; "": in memory
	AdminPassword string        // of admin0; "": the one kept, at first "admin", as after an installation
	Subscription  *Subscription // nil: none was bought
	Servers       []Server      // nil: bm-master, which has all tags
	Domains       []Domain

	ListenREST  string // "": 127.0.0.1:0
	ListenIMAP  string // port 143: STARTTLS
	ListenIMAPS string // port 993: TLS

	ReleaseName      string        // "": "5.1", "4.6.2" or "3.5.15"; "3.…" has the REST calls of 3.5 alone
	SoftwareVersion  string        // "": 5.1.…, 4.1.… as all of 4.x says, or 3.1.…
	ExternalURL      string        // host name in the configuration; "": localhost
	MessageSizeLimit int64         // bytes; 0: 10,000,000, what the installation sets
	RateLimit        int64         // bytes a second and user; 0: off. BlueMind 5 has 1 MiB
	RefusalDelay     time.Duration // of IMAP logins; 0: 2 s; negative: none
	SessionIdle      time.Duration // 0: 20 minutes
	KeyCache         time.Duration // how long BlueMind 4 takes a deleted key over IMAP; 0: 10 minutes; negative: not at all
	ReplicationLag   time.Duration // how late REST shows a message of version 4, from the first look on; 0: not
	DateMemory       time.Duration // how long the same octets keep their first date; 0: 10 minutes; negative: not at all
	QuotaMemory      time.Duration // how long a raised quota stays unnoticed; 0: 2 minutes; negative: not at all
	Now              func() time.Time
	Logger           *slog.Logger // nil: nowhere
}

func (c Config) withDefaults() Config {
	if c.Version == 0 {
		c.Version = 5
	}
	for _, addr := range []*string{&c.ListenREST, &c.ListenIMAP, &c.ListenIMAPS} {
		if *addr == "" {
			*addr = "127.0.0.1:0"
		}
	}
	if c.ReleaseName == "" {
		c.ReleaseName = map[int]string{5: "5.1", 4: "4.6.2", 3: "3.5.15"}[c.Version]
	}
	if c.SoftwareVersion == "" {
		// The whole 4.x line calls itself 4.1 here, and 3.5 calls itself 3.1.
		c.SoftwareVersion = map[int]string{5: "5.1.7340", 4: "4.1.58285", 3: "3.1.37054"}[c.level()]
	}
	if c.ExternalURL == "" {
		c.ExternalURL = "localhost"
	}
	if c.MessageSizeLimit == 0 {
		c.MessageSizeLimit = 10_000_000
	}
	if c.KeyCache == 0 {
		c.KeyCache = 10 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// level is the version whose REST calls are served.
func (c Config) level() int {
	if strings.HasPrefix(c.ReleaseName, "3.") {
		return 3
	}
	return c.Version
}
