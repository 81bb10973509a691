package bmsim

import (
	"log/slog"
	"time"
)

// Config says what to simulate. The zero value is a BlueMind 5 in memory, on
// free loopback ports, with no domain.
type Config struct {
	Version int          // 4 or 5; 0: 5
	Cyrus   *CyrusConfig // keeps version 4's mail; nil: REST alone, and no IMAP behind the proxy

	Dir           string // keeps all; "": in memory
	AdminPassword string // of admin0; "": the one kept, at first "admin", as after an installation
	Domains       []Domain

	ListenREST  string // "": 127.0.0.1:0
	ListenIMAP  string // port 143: STARTTLS
	ListenIMAPS string // port 993: TLS

	ReleaseName      string        // "": "5.1" or "4.6.2"
	SoftwareVersion  string        // "": 5.1.… or 4.1.…, as all of 4.x says
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
		c.ReleaseName = map[bool]string{true: "5.1", false: "4.6.2"}[c.Version >= 5]
	}
	if c.SoftwareVersion == "" {
		// The whole 4.x line calls itself 4.1 here.
		c.SoftwareVersion = map[bool]string{true: "5.1.7340", false: "4.1.58285"}[c.Version >= 5]
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
