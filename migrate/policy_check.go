package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bmsync/imap"
)

// Problems checks the policy as a whole. Each Field is a key path below the
// policy, joined with "::"; File and Line are the caller's to fill.
func (p Policy) Problems() []Problem {
	c := checker{}
	c.oneOf("target_version", string(p.TargetVersion), string(TargetBoth), string(Target4), string(Target5))
	c.oneOf("flags::keywords", string(p.Flags.Keywords), string(KeepKeywords), string(DropKeywords))
	c.oneOf("users::password", string(p.Users.Password), string(GeneratedPassword), string(NoPassword), string(GivenPassword))
	c.oneOf("users::quota", string(p.Users.Quota), string(QuotaCSV), string(QuotaSource))
	if p.Users.AccountType != "" {
		c.oneOf("users::account_type", p.Users.AccountType, accountTypes...)
	}
	for i, name := range p.Users.Groups {
		if why := badGroupName(name); why != "" || strings.TrimSpace(name) == "" {
			c.add(fmt.Sprintf("users::groups::%d", i), fmt.Sprintf("%s isn't a group's name", quoteShort(name)), "write its name as in groups.csv")
		}
	}
	c.oneOf("shares::rights", string(p.Shares.Rights), string(RightsSource), string(RightsCSV), string(RightsNone))
	for i, w := range p.Shares.Writers {
		c.writer(fmt.Sprintf("shares::writers::%d", i), w)
	}
	c.oneOf("folders::junk", string(p.Folders.Junk), string(Exclude), string(Copy))
	c.oneOf("folders::trash", string(p.Folders.Trash), string(Copy), string(Exclude))
	c.oneOf("messages::deleted", string(p.Messages.Deleted), string(Exclude), string(Copy))
	c.oneOf("messages::absurd_dates", string(p.Messages.AbsurdDates), string(KeepDates), string(HeaderDates))
	c.repairs(p.Repairs)
	c.flagMap(p.Flags.Map)
	c.folders(p.Folders, p.TargetVersion)
	if p.Presync.AskAbove < 0 {
		c.add("presync::ask_above", fmt.Sprintf("is %d, and must be at least 0", p.Presync.AskAbove), "")
	}
	if n := p.Presync.AskAbovePercent; n < 0 || n > 100 {
		c.add("presync::ask_above_percent", fmt.Sprintf("is %d, and must be between 0 and 100", n), "")
	}
	return c.problems
}

// Problems checks one exception to a policy for version, apart from the
// accounts it is for.
func (e Exception) Problems(version TargetVersion) []Problem {
	c := checker{}
	if _, err := ParseAddress(e.Address); err != nil {
		c.problems = append(c.problems, Problem{Field: "address"}.At(err))
	}
	if strings.TrimSpace(e.Reason) == "" {
		c.add("reason", "is missing", "say why this account differs; it is shown in the report")
	}
	optional := func(field string, v Choice) {
		if v != "" {
			c.oneOf(field, string(v), string(Copy), string(Exclude))
		}
	}
	optional("folders::junk", e.Folders.Junk)
	optional("folders::trash", e.Folders.Trash)
	optional("messages::deleted", e.Messages.Deleted)
	if e.Messages.AbsurdDates != "" {
		c.oneOf("messages::absurd_dates", string(e.Messages.AbsurdDates), string(KeepDates), string(HeaderDates))
	}
	c.folders(e.Folders, version)
	rules := e.Folders.changes() || e.Messages != (MessagePolicy{})
	switch {
	case e.Skip && rules:
		c.add("skip", "an account that is left out needs no folder or message rules", "remove one of the two")
	case !e.Skip && !rules:
		c.add("", "the exception changes nothing", "give skip: true, folders: or messages:, or remove it")
	}
	return c.problems
}

// Problems checks that each limit lets a run make progress.
func (l Limits) Problems() []Problem {
	c := checker{}
	atLeast := func(field string, have, least int64, say string) {
		if have < least {
			c.add(field, fmt.Sprintf("is %d, and must be at least %s", have, say), "")
		}
	}
	atLeast("accounts", int64(l.Accounts), 1, "1")
	atLeast("retries", int64(l.Retries), 0, "0")
	atLeast("batch_messages", int64(l.BatchMessages), 1, "1")
	atLeast("provision", int64(l.Provision), 1, "1")
	if l.Provision > 64 {
		c.add("provision", fmt.Sprintf("is %d, more than BlueMind's core answers side by side", l.Provision), "use 8 to 16")
	}
	atLeast("message_errors", int64(l.MessageErrors), 0, "0, which means never")
	if l.Accounts > 1000 {
		c.add("accounts", fmt.Sprintf("is %d, more than one machine can do", l.Accounts), "use some tens, and --shard on further machines")
	}
	if l.BatchMessages > 1000 {
		c.add("batch_messages", fmt.Sprintf("is %d: too much would have to be looked for after a lost connection", l.BatchMessages), "use at most 1000")
	}
	if l.BatchBytes < 64<<10 {
		c.add("batch_bytes", fmt.Sprintf("is %s, and must be at least 64KB", FormatSize(l.BatchBytes)), "")
	}
	if l.Memory < 16<<20 {
		c.add("memory", fmt.Sprintf("is %s, and must be at least 16MB", FormatSize(l.Memory)), "")
	} else if l.BatchBytes > l.Memory {
		c.add("batch_bytes", "is more than memory", "lower it")
	}
	if l.Settle < time.Second || l.Settle > 10*time.Minute {
		c.add("settle", fmt.Sprintf("is %s, and must be between 1s and 10m", l.Settle), "a server may execute what it received for seconds after a lost connection")
	}
	return c.problems
}

func (c *checker) repairs(list []Repair) {
	known := make([]string, 0, len(Repairs()))
	for _, r := range Repairs() {
		known = append(known, string(r))
	}
	for i, r := range list {
		c.oneOf(fmt.Sprintf("repairs::%d", i), string(r), known...)
	}
}

// flagMap checks what keywords become: one that no target could keep would cost
// each of its messages the flag.
func (c *checker) flagMap(pairs map[string]string) {
	seen := map[string]string{}
	for _, from := range slices.Sorted(maps.Keys(pairs)) {
		field, to := "flags::map::"+from, pairs[from]
		if other, twice := seen[strings.ToLower(from)]; twice {
			c.add(field, quoteShort(from)+" and "+quoteShort(other)+" are one keyword", "IMAP tells no capitals from small letters in keywords; keep one of the two")
		}
		seen[strings.ToLower(from)] = from
		if imap.SystemFlag(from) != "" {
			c.add(field, "is no keyword but one of IMAP's own flags, which are kept", "remove the line")
		}
		if to != "" && !imap.Settable(to) {
			c.add(field, quoteShort(to)+" can't be a flag", `write a keyword of ASCII letters, digits and - _ $ ., one of \Seen \Answered \Flagged \Draft, or "" to leave it out`)
		}
	}
}

type checker struct{ problems []Problem }

func (c *checker) writer(field, w string) {
	address, err := parseMailAddress(w)
	if err == nil && address != w {
		err = Problem{Text: quoteShort(w) + " has capitals", Mend: "write " + address}
	}
	if err == nil {
		err = checkLogin(localPart(w))
	}
	if err != nil {
		c.problems = append(c.problems, Problem{Field: field}.At(err))
	}
}

func (c *checker) add(field, text, mend string) {
	c.problems = append(c.problems, Problem{Field: field, Text: text, Mend: mend})
}

// oneOf never quotes the value: somebody may have written a password there.
func (c *checker) oneOf(field, value string, known ...string) {
	if !slices.Contains(known, value) {
		c.add(field, "isn't one of the words known here", "write "+Alternatives(known))
	}
}

// Alternatives joins words as a sentence does: "a, b or c".
func Alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
