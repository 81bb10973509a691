package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"bmsync/bmapi/bmsim"
)

// simWorld reads what a simulator shall begin with: domains with their users,
// shares and the LDAP or AD that owns them.
func simWorld(path string) ([]bmsim.Domain, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err}
	}
	var world struct {
		Domains []bmsim.Domain `json:"domains"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err = dec.Decode(&world)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("something follows the closing brace")
		}
	}
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return world.Domains, nil
}

const simHelp = `sim serves an embedded BlueMind: the REST interface, the mail proxy in front and,
for version 5, BlueMind's own IMAP endpoint. With --dir its store is kept, and
served again next time on the same ports. It takes connections from this machine
only. With --bluemind 4 and --cyrus a real Cyrus keeps the mail: --cyrus names
the lab.json that examples/lab/up wrote. Without it version 4 has no IMAP: objects
and keys can be rehearsed on it, mail can't. --bluemind 3 has the REST interface of
3.5, to see what bmsync says of it.

It begins with the domains of --domain and --world, a JSON file that can hold users,
shares, and the people of an LDAP or AD, imported or not:

  {"domains": [{"uid": "18f0b.internal", "name": "example.org", "aliases": ["example.org"],
    "settings": {"mailbox_max_user_quota": "10485760"},
    "users": [{"login": "ada", "name": "Lovelace", "emails": ["ada@example.org"]}],
    "shares": [{"name": "support", "emails": ["support@example.org"], "writers": ["ada"]}],
    "directory": {"kind": "ad", "people": [
      {"login": "jdupont", "emails": ["jean.dupont@example.org"], "member": true},
      {"login": "amartin", "emails": ["anne.martin@example.org"], "waits": true}]}}]}

What goes wrong, what was done, and what is there are told at /sim, with the
password of admin0 in the header X-Sim-Password:

  POST /sim/faults     {"faults": [{"kind": "unavailable", "path": "/users/", "times": 3}]}, or {"clear": true}
                       kinds: unavailable failing late slow cut-before cut-after sessions
                       restart hook hook-acl slow-task failed-task
  GET  /sim/journal    calls, logins, appended messages, mails about rights, keys alive
  GET  /sim/snapshot   all objects as text that can be compared

Its last lines are a target for bmsync.yaml.`
