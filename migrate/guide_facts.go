package migrate

import (
	"context"
	"net"
	"slices"
)

// Facts are what questions, recipes and the guide's page need to know of a
// target beside the findings.
type Facts struct {
	Installation string         `json:"installation,omitempty"` // "": the target could not be asked
	Major        int            `json:"major,omitempty"`        // of BlueMind's release
	ExternalURL  string         `json:"external_url,omitempty"` // host name that users know
	Domains      []CheckDomain  `json:"domains,omitempty"`
	MailServers  []string       `json:"mail_servers,omitempty"` // names of the servers with the mail/imap role
	Sizing       *Sizing        `json:"sizing,omitempty"`       // nil: there is no plan
	Autodiscover []Autodiscover `json:"autodiscover,omitempty"`
}

// CheckDomain is a domain of the accounts as it is on the target.
type CheckDomain struct {
	Name    string   `json:"name"`
	UID     string   `json:"uid,omitempty"` // "": it isn't there yet
	Aliases []string `json:"aliases,omitempty"`
}

// Network is how autodiscover is looked for; a nil field is the system's way.
type Network struct {
	LookupHost func(ctx context.Context, host string) ([]string, error)
	LookupSRV  func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
}

var phases = [...]Phase{PhaseRehearsal, PhaseBefore, PhaseAfterDNS}

// Phases are the phases of a migration, in their order.
func Phases() []Phase { return slices.Clone(phases[:]) }

// Includes says whether what must hold by another phase must hold by now.
func (p Phase) Includes(other Phase) bool {
	return slices.Index(phases[:], other) <= slices.Index(phases[:], p)
}

// phase is where a migration to this target is, if nobody says otherwise.
func (t Target) phase() Phase {
	if t.Rehearsal {
		return PhaseRehearsal
	}
	return PhaseBefore
}
