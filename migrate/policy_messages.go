package migrate

import (
	"slices"
	"strings"

	"bmsync/imap"
)

// rules are what the copy engine goes by: the policy's choices about messages,
// and the largest that the target takes, in octets, 0 for any.
func (p Policy) rules(limit int64, retryRefused bool) imap.Rules {
	has := func(r Repair) bool { return slices.Contains(p.Repairs, r) }
	rules := imap.Rules{CopyDeleted: p.Messages.Deleted == Copy, DropKeywords: p.Flags.Keywords == DropKeywords,
		MaxSize: limit, RetryRefused: retryRefused, HeaderDates: p.Messages.AbsurdDates == HeaderDates,
		Repairs: imap.Repairs{BareLF: has(RepairBareLF), NUL: has(RepairNUL), Header: has(RepairHeader), Date: has(RepairDate)}}
	if len(p.Flags.Map) > 0 {
		rules.Keywords = make(map[string]string, len(p.Flags.Map))
		for from, to := range p.Flags.Map {
			rules.Keywords[strings.ToLower(from)] = to
		}
	}
	return rules
}
