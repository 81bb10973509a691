package imap

import (
	"slices"
	"strings"
	"time"
)

// Fate is the one ledger state in which a source message ends.
type Fate uint8

// The fates. Pending is the only one that is not final: a message seen and
// not yet settled.
const (
	Pending  Fate = iota
	Copied        // appended by us
	Present       // found on the target by content and adopted
	Excluded      // by a rule of the policy
	Refused       // by the target, the source or a limit, in Reason's words
	Vanished      // gone from the source
)

func (f Fate) String() string {
	names := [...]string{"pending", "copied", "present", "excluded", "refused", "vanished"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown"
}

// OnTarget says whether a message of this fate has a copy on the target.
func (f Fate) OnTarget() bool { return f == Copied || f == Present }

// Known is what the ledger says of one source message.
type Known struct {
	SrcUID       uint32
	DstUID       uint32 // 0: not on the target
	Size         int64
	InternalDate time.Time // as sent to the target
	DateText     string    // INTERNALDATE as the source wrote it, where another was sent
	Flags        []string  // as last synchronised
	SHA1         [20]byte  // of the source's octets
	Fate         Fate
	Reason       string
	By           string
	Note         string
	DstGone      bool // was on the target, and was missing there when last looked
}

// Differs tells another message from the one that the ledger knows under its
// UID, by what a listing shows: both size and date must be off, since servers
// miscount some messages, and other dates are read out of unreadable ones.
func (k Known) Differs(m Message) bool {
	if m.Size < 0 || k.Size < 0 || m.Size == k.Size || m.InternalDate.IsZero() || k.InternalDate.IsZero() {
		return false
	}
	if k.DateText != "" && k.DateText == m.DateText {
		return false // it was sent with another date
	}
	return (m.InternalDate.Unix()-k.InternalDate.Unix())%(1<<32) != 0 // see wrapped
}

// Rules decide which messages of a folder are wanted. They are pure.
type Rules struct {
	// CopyDeleted takes messages that carry \Deleted too.
	CopyDeleted bool
	// DropKeywords leaves out every flag that doesn't begin with a backslash.
	DropKeywords bool
	// MaxSize is the largest message the target takes, in octets; 0: no limit.
	MaxSize int64
	// Keywords says what keywords of the source become: a flag of the target, or
	// nothing. Keys are in lower case.
	Keywords map[string]string
	// Repairs are done to what the target refuses for its content.
	Repairs Repairs
	// HeaderDates takes the date of a message whose INTERNALDATE is absurd from
	// its header, as of one without.
	HeaderDates bool
	// Quarantine says that refused messages are kept: also those that are too
	// large are read then, and those that were refused before are tried once more.
	Quarantine bool
	// RetryRefused tries again what the target refused for its content.
	RetryRefused bool
}

// The rules and reasons that the engine itself records.
const (
	RuleDeleted    = "deleted"
	ReasonTooLarge = "too large"
)

// Who refuses a message, beside the source: the target, and the limit that it is
// known to have, for which nothing is sent.
const (
	byTarget = "target"
	byLimit  = "message_size_limit"
)

// sizeSlack is by how much RFC822.SIZE may lie before a message is refused
// unread: servers compute it with other line ends.
const sizeSlack = 4096

// FlagChange is what changed at the source since the flags were last
// synchronised: the third way between source, ledger and target.
type FlagChange struct {
	SrcUID, DstUID uint32
	Add, Remove    []string
	Now            []string
}

// Delta is the difference between a source listing and the ledger.
type Delta struct {
	Copy      []Message    // to be fetched and appended, in the listing's order
	Settle    []Outcome    // to be recorded without a transfer: excluded, too large
	Flags     []FlagChange // to be stored on the target
	Vanished  []uint32     // in the ledger, no longer at the source
	Others    []uint32     // on the target, and another message at the source now
	Returned  []uint32     // copied once, then taken for vanished, and listed again
	Refused   bool         // a message is, or stays, refused
	Unchanged int
}

// Compare merges one window of a source listing with the ledger's rows of the
// same window. Both are in ascending order of UIDs. It is shared by plan, dry
// run, copy and verify, and touches nothing.
func Compare(listed []Message, known []Known, rules Rules) Delta {
	var d Delta
	k := 0
	for _, m := range listed {
		for k < len(known) && known[k].SrcUID < m.UID {
			d.vanish(known[k])
			k++
		}
		if k < len(known) && known[k].SrcUID == m.UID {
			d.both(m, known[k], rules)
			k++
			continue
		}
		d.fresh(m, rules)
	}
	for ; k < len(known); k++ {
		d.vanish(known[k])
	}
	return d
}

func (d *Delta) vanish(k Known) {
	if k.Fate != Vanished {
		d.Vanished = append(d.Vanished, k.SrcUID)
	}
}

func (d *Delta) fresh(m Message, rules Rules) {
	o := Outcome{SrcUID: m.UID, Size: m.Size, InternalDate: m.InternalDate, DateText: m.DateText, Flags: Wanted(m.Flags, rules)}
	switch {
	case hasFlag(m.Flags, `\Deleted`) && !rules.CopyDeleted:
		o.Fate, o.Reason, o.Flags = Excluded, RuleDeleted, Normalize(m.Flags)
		d.Settle = append(d.Settle, o)
	case rules.tooLarge(m.Size) && !rules.Quarantine:
		o.Fate, o.By, o.Reason = Refused, byLimit, tooLargeReason(m.Size, rules.MaxSize)
		d.Refused = true
		d.Settle = append(d.Settle, o)
	default:
		d.Copy = append(d.Copy, m)
	}
}

func (r Rules) tooLarge(size int64) bool { return r.MaxSize > 0 && size > r.MaxSize+sizeSlack }

func (d *Delta) both(m Message, k Known, rules Rules) {
	switch k.Fate {
	case Copied, Present:
		if k.Differs(m) {
			d.Others = append(d.Others, m.UID)
			return
		}
		d.flags(m, k, rules)
	case Refused:
		if rules.RetryRefused || retryable(k, rules) {
			d.fresh(m, rules)
			return
		}
		d.Refused = true
		d.Unchanged++
	case Excluded:
		if k.Reason == RuleDeleted && hasFlag(m.Flags, `\Deleted`) && !rules.CopyDeleted {
			d.Unchanged++
			return
		}
		d.fresh(m, rules)
	case Vanished:
		switch {
		case k.DstUID == 0:
			d.fresh(m, rules)
			return
		case k.Differs(m):
			d.Others = append(d.Others, m.UID)
			return
		}
		// UIDs are not reused: a listing was short. To copy it again would be twice.
		d.Returned = append(d.Returned, m.UID)
		d.flags(m, k, rules)
	default:
		d.fresh(m, rules)
	}
}

// flags compares a copied message's flags. \Deleted is left alone unless the
// policy copies such messages: it marks the source's own clean-up.
func (d *Delta) flags(m Message, k Known, rules Rules) {
	now := Wanted(m.Flags, rules)
	if !rules.CopyDeleted {
		now = slices.DeleteFunc(now, func(f string) bool { return strings.EqualFold(f, `\Deleted`) })
	}
	c := FlagChange{SrcUID: m.UID, DstUID: k.DstUID, Now: now, Add: lacking(now, k.Flags), Remove: lacking(k.Flags, now)}
	if k.DstGone || len(c.Add)+len(c.Remove) == 0 {
		d.Unchanged++
		return
	}
	d.Flags = append(d.Flags, c)
}

// retryable says whether a refusal may have been lifted since: a limit that was
// raised, a repair that is allowed now; or whether its octets are still to be
// kept.
func retryable(k Known, rules Rules) bool {
	if rules.Quarantine && (k.By == byTarget || k.By == byLimit) && !strings.Contains(k.Note, QuarantineNote) {
		return true
	}
	if strings.HasPrefix(k.Reason, ReasonTooLarge) {
		if strings.Contains(k.Reason, targetSays) {
			return !strings.HasPrefix(k.Reason, tooLargeReason(k.Size, rules.MaxSize)+targetSays)
		}
		return rules.MaxSize == 0 || k.Size <= rules.MaxSize
	}
	return rules.mendable(k) || ownTrouble(k.Reason, k.Size)
}

// mendable says whether the last refusal of a message names a defect that may be
// repaired, and that no refusal before it was repaired for.
func (r Rules) mendable(k Known) bool {
	words := strings.Split(k.Reason, alsoRepaired)
	last := len(words) - 1
	d := refusedFor(words[last], k.Size) & r.Repairs.allow()
	for _, before := range words[:last] {
		d &^= refusedFor(before, k.Size)
	}
	return d != 0
}

// ownTrouble says whether a refusal, in the words of the ledger, is about the
// server or the folder rather than about the message, so that another try may
// succeed: BlueMind 5 says "unknown error", and "Rejected" of a folder that is
// missing as well as of an empty message; Cyrus has I/O errors. Where the words
// name a defect of the message, as PostgreSQL's do behind an "unknown error", it
// is no trouble of the server's.
func ownTrouble(reason string, size int64) bool {
	if strings.HasPrefix(reason, "fetch:") {
		return true
	}
	text, isNo := strings.CutPrefix(reason, "NO ")
	if !isNo || refusedFor(reason, size) != 0 {
		return false
	}
	for _, s := range []string{"[UNAVAILABLE]", "[INUSE]", "[SERVERBUG]", "[TRYCREATE]", "[OVERQUOTA]", "unknown error", "System I/O error", "Over quota"} {
		if strings.HasPrefix(text, s) {
			return true
		}
	}
	return strings.HasPrefix(text, "Rejected") && size != 0
}

// Wanted are the flags to send for a message: without \Recent and other flags
// with a backslash that no server lets a client set, sorted, each once whatever
// its case, with keywords renamed as the rules say, and without where they drop
// them.
func Wanted(flags []string, rules Rules) []string {
	out := slices.DeleteFunc(Normalize(rules.renamed(flags)), foreignFlag)
	if rules.DropKeywords {
		out = slices.DeleteFunc(out, func(f string) bool { return !strings.HasPrefix(f, `\`) })
	}
	return out
}

// renamed puts in the place of keywords what the rules make of them.
func (r Rules) renamed(flags []string) []string {
	out := slices.Clone(flags)
	for i, f := range out {
		if to, ok := r.Keywords[strings.ToLower(f)]; ok {
			out[i] = to // "" is left out by Normalize
		} else if usual := usualSpelling(f); usual != "" {
			out[i] = usual
		}
	}
	return out
}

// usualSpelling is that of the two keywords which BlueMind itself acts upon: it
// tells capitals from small letters (bluemind/imap.md §4.3), which IMAP doesn't.
func usualSpelling(f string) string {
	for _, usual := range []string{"$Forwarded", "$MDNSent"} {
		if strings.EqualFold(f, usual) {
			return usual
		}
	}
	return ""
}

// foreignFlag says of a flag with a backslash that it isn't one of RFC 9051
// §2.3.2: Cyrus refuses the message for it, BlueMind 5 would keep it as a keyword.
func foreignFlag(f string) bool { return strings.HasPrefix(f, `\`) && systemFlag(f) == "" }

// Normalize sorts flags, gives system flags their canonical case, drops
// \Recent and repetitions that differ in case only (RFC 9051 §2.3.2).
func Normalize(flags []string) []string {
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		if strings.EqualFold(f, `\Recent`) || f == "" {
			continue
		}
		if canon := systemFlag(f); canon != "" {
			f = canon
		}
		if !hasFlag(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// systemFlags are those of the five flags that every server takes.
func systemFlags(flags []string) []string {
	return slices.DeleteFunc(Normalize(flags), func(f string) bool { return systemFlag(f) == "" })
}

// SystemFlag gives the canonical spelling of the five flags that every server
// takes (RFC 9051 §2.3.2), "" for all others.
func SystemFlag(f string) string { return systemFlag(f) }

// Settable says whether a flag is one that can be sent to a server: a system
// flag but \Deleted, or a keyword that is an atom.
func Settable(f string) bool {
	if strings.HasPrefix(f, `\`) {
		return systemFlag(f) != "" && !strings.EqualFold(f, `\Deleted`)
	}
	return isAtomFlag(f)
}

func systemFlag(f string) string {
	for _, s := range []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`} {
		if strings.EqualFold(f, s) {
			return s
		}
	}
	return ""
}

func hasFlag(flags []string, flag string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return strings.EqualFold(f, flag) })
}

func lacking(want, have []string) []string {
	var out []string
	for _, f := range want {
		if !hasFlag(have, f) {
			out = append(out, f)
		}
	}
	return out
}
