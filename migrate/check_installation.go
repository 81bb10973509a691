package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/state"
)

// defaultMaxChild is how many IMAP processes BlueMind 4 allows itself unless
// its configuration says otherwise, and spareProcesses what its own load test
// leaves free of them.
const defaultMaxChild, spareProcesses = 200, 25

// processes is rule 30: each of our connections is one process on BlueMind 4,
// and where none is left nobody can log in.
func (c *checkup) processes(conf bmapi.Configuration) {
	limit, err := strconv.Atoi(conf["imap_max_child"])
	if err != nil || limit <= 0 {
		limit = defaultMaxChild
	}
	ours := cmp.Or(c.Target.Connections, 10)
	text := fmt.Sprintf("%d connections of %d IMAP processes (Max child)", ours, limit)
	mend := fmt.Sprintf("lower connections of target %s in bmsync.yaml, or raise Max child in BlueMind's console: System management, System configuration, Mail", c.Target.Name)
	switch {
	case ours > limit-spareProcesses:
		c.found.add(checkProcesses, Blocker, text+": nobody else could log in", mend)
	case ours > limit/2:
		c.found.add(checkProcesses, Warning, text+": more than half, and each person needs two or three", mend)
	default:
		c.found.add(checkProcesses, Ok, text, "")
	}
}

// subscriptionWarning is how long before its end BlueMind's own check warns.
const subscriptionWarning = 30 * 24 * time.Hour

// subscription looks at what BlueMind says of its own subscription.
func (c *checkup) subscription(ctx context.Context) {
	if !c.Phase.Includes(PhaseBefore) {
		c.found.add(checkSubscription, Later, "looked at on the server that people will use", "")
		return
	}
	sub, err := c.platform.admin.Licence(ctx)
	switch {
	case errors.Is(err, bmapi.ErrNoRoute):
		c.found.add(checkSubscription, Skipped, "this BlueMind doesn't tell", "see its console: System management, Subscription")
		return
	case err != nil:
		c.found.add(checkSubscription, Skipped, "BlueMind doesn't tell: "+err.Error(), "")
		return
	}
	c.indicators = sub.Indicators
	const mend = "see BlueMind's console: System management, Subscription"
	left := sub.Ends.Sub(c.Now())
	switch {
	case sub.Kind == "" || sub.Kind == "NONE":
		c.found.add(checkSubscription, Warning, "BlueMind has no subscription: Outlook by MAPI and updates need one", mend)
		return
	case sub.Ends.IsZero():
	case left <= 0:
		c.found.add(checkSubscription, Warning, "the subscription has ended on "+sub.Ends.Format(time.DateOnly), mend)
		return
	case left < subscriptionWarning:
		c.found.add(checkSubscription, Warning, "the subscription ends on "+sub.Ends.Format(time.DateOnly), mend)
		return
	}
	if !sub.Valid {
		c.found.add(checkSubscription, Warning, "BlueMind says that its subscription isn't valid", mend)
		return
	}
	for _, m := range sub.Messages {
		c.found.add(checkSubscription, Warning, "BlueMind says of its subscription: "+m, mend)
	}
	until := "without an end"
	if !sub.Ends.IsZero() {
		until = "until " + sub.Ends.Format(time.DateOnly)
	}
	c.found.add(checkSubscription, Ok, sub.Kind+", "+until, "")
}

// maximums are the settings that limit users of a domain, by type of account.
var maximums = map[string]string{AccountFull: bmapi.SettingMaxUsers, AccountSimple: bmapi.SettingMaxSimple, AccountFullAndVisio: "domain_max_fullvisio_accounts"}

// indicatorOf is how a subscription calls a type of account.
var indicatorOf = map[string]string{AccountFull: "FullUser", AccountSimple: "SimpleUser", AccountFullAndVisio: "FullVisioAccount"}

// userCounts compares who is to be created with what domains and subscription
// allow.
func (c *checkup) userCounts(ctx context.Context) {
	if c.away {
		c.found.add(checkUserCount, Skipped, notAnswering, checkAgain)
		return
	}
	made := map[string]int{}
	seen := map[*bmapi.Domain]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.domains)) {
		d := c.domains[name]
		for kind, n := range d.newcomers {
			made[kind] += n
		}
		if d.found == nil || seen[d.found] {
			continue
		}
		seen[d.found] = true
		c.domainCounts(ctx, d)
	}
	for _, in := range c.indicators {
		for kind, n := range made {
			if n > 0 && indicatorOf[kind] == in.Kind && in.Max > 0 && in.Current+n > in.Max {
				c.found.add(checkSubscription, Warning, fmt.Sprintf("the subscription is for %d users (%s): %d are there, and %d will be created", in.Max, in.Kind, in.Current, n), "have it extended before they are created")
			}
		}
	}
	if !c.found.said(checkUserCount) {
		c.found.add(checkUserCount, Ok, "no domain's limit is reached", "")
	}
}

// domainCounts adds up those of all names of one domain.
func (c *checkup) domainCounts(ctx context.Context, d *domainFacts) {
	coming := map[string]int{}
	for _, other := range c.domains {
		if other.found != nil && other.found.UID == d.found.UID {
			for kind, n := range other.newcomers {
				coming[kind] += n
			}
		}
	}
	for kind, n := range coming {
		value, set := d.settings[maximums[kind]]
		if n == 0 || value == "" && (kind == AccountFull || set) {
			continue // no limit; of other types an absent limit allows none
		}
		limit, err := strconv.Atoi(value)
		if err != nil {
			limit = 0
		}
		have := 0
		for e, err := range c.platform.admin.Entries(ctx, d.found.UID, bmapi.DirQuery{Kinds: []string{bmapi.KindUser}, SkipHidden: true}) {
			if err != nil {
				c.found.add(checkUserCount, Skipped, fmt.Sprintf("users of %s could not be counted: %v", d.name, err), "")
				return
			}
			if cmp.Or(e.AccountType, AccountFull) == kind {
				have++
			}
		}
		if have+n > limit {
			c.found.add(checkUserCount, Blocker, fmt.Sprintf("domain %s takes %d users of type %s: %d are there, and %d are to be created", d.name, limit, kind, have, n),
				fmt.Sprintf("raise %s of the domain in BlueMind's console, or migrate fewer", maximums[kind]))
		}
	}
}

// rehearsal is rule 12's other half, and rule 24: production is filled by what
// was tried before, and a run more than enough found nothing left to do.
func (c *checkup) rehearsal(ctx context.Context) {
	if c.Target.Rehearsal {
		c.found.add(checkRehearsal, Moot, "this target is the rehearsal", "")
		c.secondPass(ctx, []string{c.Target.Name})
		return
	}
	digest := c.Policy.Digest()
	done, seen, err := Rehearsed(ctx, c.StateDir, digest)
	if err != nil {
		c.found.add(checkRehearsal, Skipped, "states of rehearsals can't be read: "+err.Error(), "")
		c.found.add(checkSecondPass, Skipped, "states of rehearsals can't be read", "")
		return
	}
	var lacking []string
	for _, row := range c.Rows {
		if !slices.Contains(done.Kinds, row.Kind) && !slices.Contains(lacking, row.Kind) {
			lacking = append(lacking, row.Kind)
		}
	}
	slices.Sort(lacking)
	looked := "no rehearsal was run yet"
	if len(seen) > 0 {
		looked = "looked at " + few(seen, 5)
	}
	switch {
	case len(lacking) > 0:
		c.found.add(checkRehearsal, Blocker, fmt.Sprintf("this policy was not completed and verified on a test server for kind %s: %s", strings.Join(lacking, ", "), looked),
			"run and verify on a target with rehearsal: true; a run here is refused until then")
	case slices.Contains(done.Installations, c.platform.id):
		c.found.add(checkRehearsal, Warning, fmt.Sprintf("policy rehearsed on %d accounts, but on this very BlueMind", done.Accounts), "rehearse on a test server of its own")
	default:
		c.found.add(checkRehearsal, Ok, fmt.Sprintf("policy rehearsed on %d accounts, on %s", done.Accounts, few(done.Targets, 5)), "")
	}
	c.secondPass(ctx, done.Targets)
}

// secondPass is rule 24: the newest run of a rehearsal copied nothing, so that
// running again is known to be safe.
func (c *checkup) secondPass(ctx context.Context, targets []string) {
	for _, name := range targets {
		n, ok, err := c.lastCopied(ctx, name)
		switch text := "target " + name; {
		case err != nil:
			c.found.add(checkSecondPass, Skipped, text+": its state can't be read: "+err.Error(), "")
		case !ok:
			c.found.add(checkSecondPass, Later, text+": no run has ended there yet", "")
		case n > 0:
			text += fmt.Sprintf(": the last run copied %d messages, and nobody has seen that a further one finds nothing", n)
			c.found.add(checkSecondPass, Warning, text, "run once more there: it should copy nothing")
			c.found.command(checkSecondPass, Warning, text, "bmsync run --target "+name)
		default:
			c.found.add(checkSecondPass, Ok, text+": the last run found nothing left to copy", "")
		}
	}
	if len(targets) == 0 {
		c.found.add(checkSecondPass, Later, "no rehearsal was run yet", "")
	}
}

// lastCopied is how many messages the newest run on a target has copied that
// came to its end.
func (c *checkup) lastCopied(ctx context.Context, target string) (n int, ok bool, err error) {
	if c.StateDir == "" {
		return 0, false, nil
	}
	s, err := state.OpenReadOnly(ctx, StatePath(c.StateDir, target))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return 0, false, nil
		}
		return 0, false, err
	}
	defer s.Close() // it was only read
	runs, err := s.Runs(ctx)
	for _, r := range slices.Backward(runs) {
		if n, ok := copiedIn(r.Summary); ok {
			return n, true, err
		}
	}
	return 0, false, err
}

// copiedIn reads from a run's summary how many messages it copied.
func copiedIn(summary string) (int, bool) {
	word, found := strings.CutSuffix(summary, summaryCopied)
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(word[strings.LastIndexByte(word, ' ')+1:])
	return n, err == nil
}
