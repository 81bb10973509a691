package migrate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/state"
)

// survey gives what the plan has seen of the account at its source.
func (a *accountCheck) survey() (surveyed, bool) {
	if a.Plan == nil {
		return surveyed{}, false
	}
	s, ok := a.surveys[planKey(a.Rows[a.row])]
	switch {
	case !ok:
		a.find(checkQuota, Warning, "not in the plan, so that neither quota nor message size was compared", "bmsync plan", "")
	case s.failed:
		a.find(checkQuota, Warning, "the plan could not look at it, so that neither quota nor message size was compared", "mend what bmsync plan said of it, then plan again", "")
	}
	return s, ok && !s.failed
}

// stated is the quota that is asked for, in KiB; 0: unlimited. What isn't
// stated is BlueMind's to decide.
func (a *accountCheck) stated() (kib int64, ok bool) {
	if row := a.Rows[a.row]; row.Quota.Stated {
		return row.Quota.KiB(), true
	}
	if s, ok := a.surveys[planKey(a.Rows[a.row])]; ok && s.quotaStated {
		return s.quotaKiB, true
	}
	return 0, false
}

// bounds are the domain's default and maximum for such a mailbox, KiB.
func (a *accountCheck) bounds() (standard, highest int64) {
	if a.Rows[a.row].Kind == KindShare {
		return a.domain.defaultShareQuota, a.domain.maxShareQuota
	}
	return a.domain.defaultQuota, a.domain.maxQuota
}

// allowed says whether the domain allows the quota that is asked for.
func (a *accountCheck) allowed(kib int64) bool {
	_, highest := a.bounds()
	if highest == 0 || kib > 0 && kib <= highest {
		return true
	}
	asked := "no limit is asked for"
	if kib > 0 {
		asked = AboutSize(kib<<10) + " are asked for"
	}
	a.find(checkQuota, Blocker, fmt.Sprintf("the quota is above what domain %s allows", a.domain.name),
		"lower it in accounts.csv, or raise the domain's maximum in BlueMind", fmt.Sprintf("%s, and the maximum is %s", asked, AboutSize(highest<<10)))
	return false
}

// newQuota is rule 10 for a mailbox that a run will make.
func (a *accountCheck) newQuota(s surveyed, seen bool) {
	quota, stated := a.stated()
	if stated && !a.allowed(quota) {
		return
	}
	if !stated {
		standard, highest := a.bounds()
		quota = cmp.Or(standard, highest)
	}
	if seen {
		a.quota(quota, 0, s.bytes)
	}
}

// limits asks what rules 10 and 11 need of BlueMind.
func (a *accountCheck) limits(ctx context.Context) error {
	s, ok := a.survey()
	quota := int64(0)
	if a.box.Quota != nil {
		quota = max(*a.box.Quota, 0)
	}
	if asked, stated := a.stated(); stated && asked != quota && a.Policy.Users.Update && !a.owned {
		if !a.allowed(asked) {
			return nil
		}
		quota = asked
	}
	if !ok {
		return nil
	}
	conf, err := a.platform.admin.MailboxConfig(ctx, a.domain.found.UID, a.box.UID)
	if err != nil {
		return err
	}
	a.size(cmp.Or(conf.MessageMaxSize, defaultMessageLimit), s)
	a.throttle(s)
	if quota == 0 {
		a.quota(0, 0, s.bytes)
		return nil
	}
	fill, err := a.platform.admin.MailboxQuota(ctx, a.domain.found.UID, a.box.UID)
	if bmapi.Temporary(err) {
		return err
	}
	if err != nil {
		// BlueMind 5 sums it by its search index, and fails where that lacks.
		const text = "BlueMind doesn't say how full the mailbox is; it was taken for empty"
		a.find(checkQuota, Warning, text, "have its index repaired", err.Error())
		a.found.command(checkQuota, Warning, text, "bm-cli maintenance repair --ops mailboxIndexExists ADDRESS")
	}
	ours, err := a.ours(ctx)
	if err != nil {
		return err
	}
	a.quota(quota, fill.Used<<10, max(s.bytes-ours, 0))
	return nil
}

// ours is how much of the account's mail the target has by our own hand.
func (a *accountCheck) ours(ctx context.Context) (int64, error) {
	if a.past == nil {
		return 0, nil
	}
	sums, err := a.store.AccountSums(ctx, a.past.ID)
	return sums[state.Copied].Bytes + sums[state.Present].Bytes, err
}

// quota is rule 10: quota in KiB, the rest in octets.
func (a *accountCheck) quota(quota, used, coming int64) {
	lack := used + coming - quota<<10
	switch {
	case quota == 0:
		a.find(checkQuota, Ok, "no quota", "", "")
		return
	case lack <= 0:
		a.find(checkQuota, Ok, "room enough", "", "")
		return
	}
	const text = "the quota is too small for what the source holds"
	mend := "raise the quota in BlueMind, then wait two minutes: BlueMind 5 remembers the old one"
	if a.box == nil {
		mend = "write a larger quota in accounts.csv, or raise the domain's default in BlueMind"
	}
	note := fmt.Sprintf("needs %s more: %s used and %s to come, of %s", AboutSize(lack), AboutSize(used), AboutSize(coming), AboutSize(quota<<10))
	if a.box == nil || a.share() {
		a.find(checkQuota, Blocker, text, mend, note)
		return
	}
	a.find(checkQuota, Blocker, text, mend, fmt.Sprintf("%s; KIB at least %d", note, quota+(lack+1023)>>10))
	a.found.command(checkQuota, Blocker, text, "bm-cli user update ADDRESS --quota KIB")
}

// largestLimit is the highest message size that BlueMind supports, and what a
// mebibyte is in its console.
const largestLimit, consoleUnit = 100 << 20, 1 << 20

// count says how many of an account's messages are above a limit. The survey
// counts by steps and names the largest: what lies between may be known to be
// so many at least, and then exact is false.
func (s surveyed) count(limit int64) (n int64, exact bool) {
	if s.largest <= limit {
		return 0, true
	}
	var steps SizesAbove
	if s.above != nil {
		steps = *s.above
	}
	n = 1 // the largest
	for _, m := range s.large {
		if m.Size <= limit { // all that are larger come before it
			return n - 1, limit >= SizeLimitDefault
		}
		n++
	}
	n = max(n-1, 1)
	if limit >= SizeLimitDefault && steps.Over10M == int64(len(s.large)) {
		return n, true
	}
	for _, step := range []struct{ size, n int64 }{{SizeLimitDefault, steps.Over10M}, {20_000_000, steps.Over20M}, {50_000_000, steps.Over50M}, {100_000_000, steps.Over100M}} {
		if step.size == limit {
			return step.n, true
		}
		if step.size > limit {
			n = max(n, step.n)
		}
	}
	return n, false
}

// size is rule 11. The mend needs the largest of all: see sizes.
func (a *accountCheck) size(limit int64, s surveyed) {
	n, exact := s.count(limit)
	if n == 0 {
		a.find(checkSize, Ok, "no message is above the limit", "", "")
		return
	}
	many := fmt.Sprint(n)
	if !exact {
		many = "at least " + many
	}
	m := a.member(a.row, fmt.Sprintf("%s above, the largest %s", many, AboutSize(s.largest)))
	m.weight, m.items = s.largest, n
	a.found.account(checkSize, Warning, fmt.Sprintf("messages are above BlueMind's limit of %s; they would be reported, not copied", AboutSize(limit)), "", m)
}

// sizes says to what the message size limit has to be raised.
func (c *checkup) sizes() {
	c.found.mu.Lock()
	defer c.found.mu.Unlock()
	for key, g := range c.found.groups {
		if key.rule != checkSize || key.severity != Warning || g.weight == 0 {
			continue
		}
		raised := min((g.weight+consoleUnit-1)/consoleUnit*consoleUnit, largestLimit)
		g.mend = fmt.Sprintf("raise it to %d MiB or more, in the console too: System management, System configuration, Mail, Maximum message size", raised/consoleUnit)
		g.command = fmt.Sprintf("bm-cli sysconf set message_size_limit --value %d", raised)
		if g.weight > largestLimit {
			g.mend += fmt.Sprintf(". BlueMind takes no more than 100 MiB, and the largest has %s", AboutSize(g.weight))
		}
	}
}

// namedInCommand is how many users one command can name.
const namedInCommand = 20

// longUpload is from where on the limit is worth a word.
const longUpload = time.Hour

// load is what BlueMind 5 has to take in by one user's sessions: of their own
// mailbox, and of the shared ones that are filled by their key.
type load struct {
	row   int // the first
	boxes int
	bytes int64
	names []string // of the user, in both forms
}

// throttle is rule 26 for one account: how long the upload limit makes it wait.
func (a *accountCheck) throttle(s surveyed) {
	if a.platform.version.Major < 5 {
		return
	}
	user, names := a.throttled(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.loads[user]
	if l == nil {
		l = &load{row: a.row}
		a.loads[user] = l
	}
	l.row = min(l.row, a.row)
	l.boxes++
	l.bytes += s.bytes
	if len(names) > len(l.names) {
		l.names = names
	}
}

// throttled names the user whose uploads the limit counts: BlueMind compares
// the default address, and says that it wants the login. Of a share's writer
// the login is told where he has a row of his own.
func (a *accountCheck) throttled(s surveyed) (user string, names []string) {
	row := a.Rows[a.row]
	if row.Kind == KindShare {
		user = a.Target.Address(cmp.Or(row.Writer, s.writer))
		return user, []string{user}
	}
	user = a.address()
	_, domain, _ := strings.Cut(user, "@")
	if a.domain.found != nil {
		domain = a.domain.found.UID
	}
	address, login := user, a.login()
	if a.box != nil {
		address, login = cmp.Or(a.box.DefaultEmail(), user), a.box.Name
	}
	return user, slices.Compact([]string{address, login + "@" + domain})
}

// slowest is rule 26 once all accounts have been looked at: those that decide
// when the migration ends, the longest first.
func (c *checkup) slowest() {
	burst := cmp.Or(c.limit, defaultMessageLimit)
	took := func(l *load) time.Duration { return time.Duration((l.bytes-burst)/uploadRate) * time.Second }
	long := slices.Collect(maps.Values(c.loads))
	all := len(long)
	long = slices.DeleteFunc(long, func(l *load) bool { return took(l) < longUpload })
	if len(long) < all {
		c.found.ranked(checkThrottle, Ok, "less than an hour at 1 MiB/s", "", "", make([]member, all-len(long)))
	}
	if len(long) == 0 {
		return
	}
	slices.SortFunc(long, func(a, b *load) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.row, b.row)) })
	var members []member
	var names []string
	for _, l := range long {
		note := fmt.Sprintf("%s: %s, so not before %s", AboutSize(l.bytes), aboutHours(took(l)), c.Now().Add(took(l)).Format("Mon 2 Jan 15:04"))
		if l.boxes > 1 {
			note += fmt.Sprintf("; %d mailboxes by one key", l.boxes)
		}
		members = append(members, c.member(l.row, note))
		names = append(names, l.names...)
	}
	const text = "BlueMind 5 lets no more than 1 MiB/s into one user's mailboxes unless that was lifted; these need more than an hour"
	command, mend := "bm-cli mail imap-rate-limit --strategy none", "lift the limit; afterwards: bm-cli mail imap-rate-limit --reset"
	if len(long) <= namedInCommand {
		slices.Sort(names)
		command = "bm-cli mail imap-rate-limit --bypass " + strings.Join(slices.Compact(names), ",")
		mend = "lift the limit for them (this list takes the place of an earlier one); afterwards: bm-cli mail imap-rate-limit --reset"
	}
	c.found.ranked(checkThrottle, Warning, text, mend, command, members)
}

// aboutHours writes a long time for people.
func aboutHours(d time.Duration) string {
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}
