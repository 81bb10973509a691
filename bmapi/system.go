package bmapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// GlobalDomain is where admin0 lives. No mail is there.
const GlobalDomain = "global.virt"

// Running is the State in which work is possible.
const Running = "CORE_STATE_RUNNING"

// Version is what an installation says it is.
type Version struct {
	ReleaseName     string `json:"releaseName"`
	SoftwareVersion string `json:"softwareVersion"`
	DefaultDomain   string `json:"defaultDomain"`
	Major           int    `json:"-"` // of the release; 0 if it cannot be read
	Minor           int    `json:"-"` // of the release; 0 if no release is said
}

// Installation asks for the version, without a login. Below 4, or unreadable, the
// version comes with a *VersionError.
//
// GET /system/installation/_infos
func (c *Client) Installation(ctx context.Context) (Version, error) {
	var v Version
	if err := c.do(ctx, "GET", at("/system/installation/_infos"), nil, &v); err != nil {
		return v, err
	}
	return c.known(v)
}

// known takes note of a version and tells whether it will do.
func (c *Client) known(v Version) (Version, error) {
	// The software version counts otherwise than the release: 3.1 is 3.5, and all of
	// 4.x is 4.1. Only where nothing else is said its first number is believed.
	v.Major, v.Minor = release(v.ReleaseName)
	if v.Major == 0 {
		v.Major, _ = release(v.SoftwareVersion)
	}
	if v.Major > 0 {
		c.dialect.version.Store(&v)
	}
	if v.Major < 4 {
		return v, &VersionError{Version: v}
	}
	return v, nil
}

// release reads the first number of a text such as "5.1" or "BlueMind 4.9.2", and
// the one after the dot.
func release(s string) (major, minor int) {
	i := strings.IndexAny(s, "0123456789")
	if i < 0 {
		return 0, 0
	}
	parts := strings.FieldsFunc(s[i:], func(r rune) bool { return r < '0' || r > '9' })
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return 0, 0
	}
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}

// State asks in which state the server is, without a login: see Running.
//
// GET /system/installation/state
func (c *Client) State(ctx context.Context) (string, error) {
	var state string
	err := c.do(ctx, "GET", at("/system/installation/state"), nil, &state)
	return state, err
}

// Release is what an installation says of itself to those who are logged in.
type Release struct {
	VersionName     string `json:"versionName"` // of the release, mostly what Version has; may be ""
	SoftwareVersion string `json:"softwareVersion"`
	DatabaseVersion string `json:"databaseVersion"`
	NeedsUpgrade    bool   `json:"needsUpgrade"` // it waits for its upgrade to be finished
}

// Release asks for the version with what only somebody logged in is told.
//
// GET /system/installation/version
func (s *Session) Release(ctx context.Context) (Release, error) {
	var r Release
	err := s.do(ctx, "GET", at("/system/installation/version"), nil, &r)
	return r, err
}

// NeedsUpgrade tells whether the server waits for its upgrade to be finished.
func (s *Session) NeedsUpgrade(ctx context.Context) (bool, error) {
	r, err := s.Release(ctx)
	return r.NeedsUpgrade, err
}

// Installation is the version as Client.Installation tells it; where that has no
// release, the one that is told to those who are logged in.
func (s *Session) Installation(ctx context.Context) (Version, error) {
	v, err := s.c.Installation(ctx)
	if major, _ := release(v.ReleaseName); major != 0 || err != nil && !errors.As(err, new(*VersionError)) {
		return v, err
	}
	r, rerr := s.Release(ctx)
	if major, _ := release(r.VersionName); major == 0 {
		return v, cmp.Or(err, rerr)
	}
	v.ReleaseName = r.VersionName
	return s.c.known(v)
}

// Configuration is the installation's settings; to be read by administrators only.
type Configuration map[string]string

// MessageSizeLimit is the largest message the server takes, in bytes; 0: not said.
func (c Configuration) MessageSizeLimit() int64 {
	n, _ := strconv.ParseInt(c["message_size_limit"], 10, 64)
	return max(n, 0)
}

// ExternalURL is the host name users know, "" if not said.
func (c Configuration) ExternalURL() string { return c["external_url"] }

// Configuration reads the installation's settings.
//
// GET /configuration
func (s *Session) Configuration(ctx context.Context) (Configuration, error) {
	var w struct {
		Values Configuration `json:"values"`
	}
	err := s.do(ctx, "GET", at("/configuration"), nil, &w)
	return w.Values, err
}

// Identity tells one installation from another, whatever address it is reached by,
// over restarts, upgrades and changes of names: a hash over the moment its domain
// global.virt was made, and over uid and moment of its oldest server. Servers added
// later change nothing. A copy of a whole machine has the identity of its original.
func (s *Session) Identity(ctx context.Context) (string, error) {
	var global item[Domain]
	if err := s.do(ctx, "GET", at("/domains", GlobalDomain), nil, &global); err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	servers, err := s.Servers(ctx)
	if err != nil {
		return "", fmt.Errorf("identity: %w", err)
	}
	if global.Created == 0 || len(servers) == 0 {
		return "", errors.New("identity: the server tells no creation time of its global domain, or no servers")
	}
	oldest := servers[0]
	for _, srv := range servers[1:] {
		if srv.Created.Before(oldest.Created) || srv.Created.Equal(oldest.Created) && srv.UID < oldest.UID {
			oldest = srv
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "bluemind %d %s %d", global.Created, oldest.UID, oldest.Created.UnixMilli()))
	return hex.EncodeToString(sum[:16]), nil
}
