package migrate

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Sizing estimates what a plan takes of the target's disks and of time: the
// numbers of the roll-out guide, worked out from the plan. What is on the
// target already, and archives of a BlueMind 3.5, are not in it.
type Sizing struct {
	Version  int          `json:"version"` // of BlueMind: 4 or 5
	Accounts int          `json:"accounts"`
	Messages int64        `json:"messages"`
	Bytes    int64        `json:"bytes"`
	Disks    []SizingLine `json:"disks"`
	Low      int64        `json:"low"` // octets in all
	High     int64        `json:"high"`
	// Elasticsearch is the memory that its service needs beside the present
	// one, in octets, while a BlueMind 3.5 is being upgraded to 4.
	Elasticsearch int64 `json:"elasticsearch_memory,omitempty"`

	Longest Longest `json:"longest"`
}

// Longest is the account that takes longest under BlueMind 5's upload limit.
type Longest struct {
	Address string        `json:"address"`
	Bytes   int64         `json:"bytes"`
	Least   time.Duration `json:"least_ns,omitempty"` // 0: there is no such limit
}

// SizingLine is what one folder of BlueMind will need, in octets.
type SizingLine struct {
	Where string `json:"where"`
	Low   int64  `json:"low"`
	High  int64  `json:"high"`
	Free  bool   `json:"free,omitempty"` // that much must be free beside what grows
	Share string `json:"share"`          // of the mail, as the guide has it
}

// uploadRate is what BlueMind 5 takes of one mailbox in a second, unless its
// administrator lifts it.
const uploadRate = 1 << 20

const gigabyte = 1e9

// newSizing works out a plan's needs. The mail on disk is taken for the sum of
// the sources' messages: BlueMind 4 keeps each copy apart. For 5, which keeps
// equal bodies once, the guide has no numbers: the shares are those of 4.
func newSizing(major int, totals PlanTrailer, longest Longest, limit int64) *Sizing {
	s := &Sizing{Version: major, Accounts: totals.Accounts, Messages: totals.Messages, Bytes: totals.Bytes, Longest: longest}
	percent := func(n int64) int64 { return totals.Bytes / 100 * n }
	line := func(where string, low, high int64) {
		share := fmt.Sprintf("%d %%", high)
		if low != high {
			share = fmt.Sprintf("%d–%d %%", low, high)
		}
		s.Disks = append(s.Disks, SizingLine{Where: where, Low: percent(low), High: percent(high), Share: share})
	}
	line("/var/spool/cyrus/data", 100, 100) // on 5 at most: equal bodies are kept once
	if major == 4 {
		line("/var/spool/cyrus/meta", 10, 10)
		line("/var/spool/bm-replication", 25, 25)
		s.Disks[len(s.Disks)-1].Free = true
	}
	line("/var/spool/bm-elasticsearch", 20, 25)
	line("/var/lib/postgresql", 10, 10)
	if major == 4 {
		s.Disks = append(s.Disks, SizingLine{Where: "/var/log/bm/replication.log", Low: gigabyte, High: gigabyte, Free: true, Share: "1 GB"})
		s.Elasticsearch = 3 * gigabyte / 2
	}
	for _, l := range s.Disks {
		s.Low += l.Low
		s.High += l.High
	}
	if major >= 5 {
		s.Longest.Least = time.Duration(max(longest.Bytes-limit, 0)/uploadRate) * time.Second
	}
	return s
}

// total is the sum as a person reads it.
func (s *Sizing) total() string {
	if s.Low == s.High {
		return AboutSize(s.High)
	}
	return AboutSize(s.Low) + " – " + AboutSize(s.High)
}

// estimate works out what the plan needs, if the version is known.
func (c *checkup) estimate() {
	if c.Plan == nil || c.facts.Major == 0 {
		return
	}
	var longest Longest
	for key, survey := range c.surveys {
		address := c.Target.Address(key[strings.LastIndexByte(key, 0)+1:])
		if survey.bytes > longest.Bytes || survey.bytes == longest.Bytes && address < longest.Address {
			longest = Longest{Address: address, Bytes: survey.bytes}
		}
	}
	c.facts.Sizing = newSizing(c.facts.Major, c.Plan.Trailer, longest, cmp.Or(c.limit, defaultMessageLimit))
}
