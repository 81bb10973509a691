package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"bmsync/bmapi"
	"bmsync/state"
)

// accountCheck looks at one account on the target.
type accountCheck struct {
	*checkup
	row    int
	domain *domainFacts
	box    *bmapi.Mailbox // nil: there is none yet
	past   *state.Account // nil: no run has met it
}

func (a *accountCheck) address() string { return a.Target.Address(a.Rows[a.row].Address) }

// find says something of this account.
func (a *accountCheck) find(r checkRule, s Severity, text, mend, note string) {
	a.found.account(r, s, text, mend, a.member(a.row, note))
}

// look applies the rules that are about one account. An error means that
// BlueMind could not be asked.
func (a *accountCheck) look(ctx context.Context) error {
	row := a.Rows[a.row]
	_, name, _ := strings.Cut(row.Address, "@")
	a.domain = a.domains[name]
	if IsAdministrator(a.address()) || a.domain == nil || a.domain.found == nil && !a.domain.create {
		return nil // told by rule 4 or 5
	}
	if a.domain.found == nil {
		if a.mayCreate() {
			a.newcomer()
		}
		return nil
	}
	var err error
	a.box, err = a.platform.admin.MailboxByEmail(ctx, a.domain.found.UID, a.address())
	if errors.Is(err, bmapi.ErrNotFound) {
		return a.missing(ctx)
	}
	if err != nil {
		return err
	}
	return a.existing(ctx)
}

// missing is rule 6 where there is no mailbox: it will be made, or can't be.
func (a *accountCheck) missing(ctx context.Context) error {
	clear, err := a.unclaimed(ctx, a.address())
	if err != nil || !clear || !a.mayCreate() {
		return err
	}
	login, _, _ := strings.Cut(a.address(), "@")
	other, err := a.platform.admin.MailboxByName(ctx, a.domain.found.UID, login)
	if err == nil {
		a.find(checkMailbox, Blocker, "the login is taken by another mailbox, which has not this address",
			"add the address to that mailbox in BlueMind, or write its own address in accounts.csv", fmt.Sprintf("%s is %s", login, cmp.Or(other.DefaultEmail(), "a "+other.Type)))
		return nil
	}
	if !errors.Is(err, bmapi.ErrNotFound) {
		return err
	}
	for _, alias := range a.Rows[a.row].Aliases {
		alias = a.Target.Address(alias)
		_, name, _ := strings.Cut(alias, "@")
		if !a.domain.found.Has(name) {
			a.find(checkDomain, Blocker, fmt.Sprintf("an alias lies in %s, which is no name of the mailbox's domain in BlueMind", name),
				fmt.Sprintf("add the alias %s to domain %s in BlueMind, or take it out of accounts.csv", name, a.domain.name), alias)
			return nil
		}
		if clear, err := a.unclaimed(ctx, alias); err != nil || !clear {
			return err
		}
	}
	a.newcomer()
	return nil
}

// unclaimed makes sure that no entry of another kind has an address.
func (a *accountCheck) unclaimed(ctx context.Context, address string) (bool, error) {
	other, err := a.platform.admin.EntryByEmail(ctx, a.domain.found.UID, address)
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	}
	note := other.DisplayName
	if address != a.address() {
		note = "alias " + address + ": " + note
	}
	a.find(checkMailbox, Blocker, "the address belongs to a "+strings.ToLower(other.Kind)+" in BlueMind",
		"give one of the two another address", note)
	return false, nil
}

func (a *accountCheck) mayCreate() bool {
	if !a.Policy.Users.Create {
		a.find(checkMailbox, Blocker, "there is no mailbox in BlueMind", "create the user in BlueMind, or let a run do it: policy.users.create: true in bmsync.yaml", "")
	}
	return a.Policy.Users.Create
}

// newcomer is a user that a run will make: what it will hold has to fit.
func (a *accountCheck) newcomer() {
	a.find(checkMailbox, Ok, "will be created by a run", "", "")
	survey, ok := a.survey()
	quota := a.Rows[a.row].Quota.KiB()
	switch {
	case a.domain.maxQuota > 0 && quota > a.domain.maxQuota:
		a.find(checkQuota, Blocker, fmt.Sprintf("the quota in accounts.csv is above what domain %s allows", a.domain.name),
			"lower it, or raise the domain's maximum in BlueMind", fmt.Sprintf("%s, and the maximum is %s", AboutSize(quota<<10), AboutSize(a.domain.maxQuota<<10)))
		return
	case quota == 0:
		quota = cmp.Or(a.domain.defaultQuota, a.domain.maxQuota)
	}
	if ok {
		a.quota(quota, 0, survey.bytes)
		a.size(cmp.Or(a.limit, defaultMessageLimit), survey.largest)
	}
}

// existing are the rules for a mailbox that is there.
func (a *accountCheck) existing(ctx context.Context) error {
	if a.box.Type != "user" {
		a.find(checkMailbox, Blocker, "the address belongs to a "+a.box.Type+" in BlueMind", "give one of the two another address; only users' mailboxes are filled in this release", a.box.Name)
		return nil
	}
	a.mu.Lock()
	key := a.domain.found.UID + "\x00" + a.box.UID
	a.boxes[key] = append(a.boxes[key], a.row)
	a.mu.Unlock()
	if err := a.remember(ctx); err != nil {
		return err
	}
	if a.past != nil && a.past.EntryUID != "" && a.past.EntryUID != a.box.UID {
		a.find(checkMailbox, Blocker, "it is another entry in BlueMind than the one that an earlier run filled", "find out who made the user anew; bmsync run --recopy ADDRESS starts the account again", "")
	} else {
		a.find(checkMailbox, Ok, "exists", "", "")
	}
	open := a.usable()
	if err := a.limits(ctx); err != nil {
		return err
	}
	if err := a.blank(ctx); err != nil {
		return err
	}
	if open && a.Probe {
		a.probe(ctx)
	}
	return nil
}

// remember finds what earlier runs have noted.
func (a *accountCheck) remember(ctx context.Context) error {
	if a.store == nil {
		return nil
	}
	row := a.Rows[a.row]
	past, err := a.store.FindAccount(ctx, state.Account{Source: row.Source, SourceLogin: row.Login, SourceFolder: row.Folder, Address: a.address(), Kind: row.Kind})
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err == nil {
		a.past = &past
	}
	return err
}

// usable is rules 8 and 9.
func (a *accountCheck) usable() bool {
	inside := a.box.Routing == bmapi.RoutingInternal
	if inside {
		a.find(checkRouting, Ok, "internal", "", "")
	} else {
		a.find(checkRouting, Blocker, fmt.Sprintf("routing %s: mail is not stored in BlueMind", a.box.Routing), "set the mail routing of the user to internal in BlueMind", "")
	}
	if a.box.Archived {
		a.find(checkUsable, Blocker, "the user is suspended", "reactivate the user in BlueMind", "")
	} else if !a.Probe {
		a.find(checkUsable, Ok, "not suspended", "", "")
	}
	return inside && !a.box.Archived
}

// survey gives what the plan has seen of the account at its source.
func (a *accountCheck) survey() (surveyed, bool) {
	if a.Plan == nil {
		return surveyed{}, false
	}
	s, ok := a.surveys[planAccount(a.Rows[a.row]).Key()]
	switch {
	case !ok:
		a.find(checkQuota, Warning, "not in the plan, so that neither quota nor message size was compared", "bmsync plan", "")
	case s.failed:
		a.find(checkQuota, Warning, "the plan could not look at it, so that neither quota nor message size was compared", "mend what bmsync plan said of it, then plan again", "")
	}
	return s, ok && !s.failed
}

// limits asks what rules 10 and 11 need of BlueMind.
func (a *accountCheck) limits(ctx context.Context) error {
	survey, ok := a.survey()
	if !ok {
		return nil
	}
	conf, err := a.platform.admin.MailboxConfig(ctx, a.domain.found.UID, a.box.UID)
	if err != nil {
		return err
	}
	a.size(cmp.Or(conf.MessageMaxSize, defaultMessageLimit), survey.largest)
	if a.box.Quota == nil || *a.box.Quota <= 0 {
		a.quota(0, 0, survey.bytes)
		return nil
	}
	fill, err := a.platform.admin.MailboxQuota(ctx, a.domain.found.UID, a.box.UID)
	if bmapi.Temporary(err) {
		return err
	}
	if err != nil {
		// BlueMind 5 sums it by its search index, and fails where that lacks.
		a.find(checkQuota, Warning, "BlueMind doesn't say how full the mailbox is; it was taken for empty", "bm-cli maintenance repair --ops mailboxIndexExists ADDRESS", err.Error())
	}
	ours, err := a.ours(ctx)
	if err != nil {
		return err
	}
	a.quota(*a.box.Quota, fill.Used<<10, max(survey.bytes-ours, 0))
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
	case lack <= 0:
		a.find(checkQuota, Ok, "room enough", "", "")
	default:
		mend := "raise the quota in BlueMind (bm-cli user update ADDRESS --quota KIB), then wait two minutes: BlueMind 5 remembers the old one"
		if a.box == nil {
			mend = "write a larger quota in accounts.csv, or raise the domain's default in BlueMind"
		}
		a.find(checkQuota, Blocker, "the quota is too small for what the source holds", mend,
			fmt.Sprintf("needs %s more: %s used and %s to come, of %s", AboutSize(lack), AboutSize(used), AboutSize(coming), AboutSize(quota<<10)))
	}
}

// largestLimit is the highest message size that BlueMind supports, and what a
// mebibyte is in its console.
const largestLimit, consoleUnit = 100 << 20, 1 << 20

// size is rule 11. The mend needs the largest of all: see sizes.
func (a *accountCheck) size(limit, largest int64) {
	if largest <= limit {
		a.find(checkSize, Ok, "no message is above the limit", "", "")
		return
	}
	m := a.member(a.row, "largest "+AboutSize(largest))
	m.weight = largest
	a.found.account(checkSize, Warning, fmt.Sprintf("some messages are above BlueMind's limit of %s; they would be reported, not copied", AboutSize(limit)), "", m)
}

// sizes says to what the message size limit has to be raised.
func (c *checkup) sizes() {
	c.found.mu.Lock()
	defer c.found.mu.Unlock()
	for key, g := range c.found.groups {
		if key.rule != checkSize || key.severity != Warning {
			continue
		}
		raised := min((g.weight+consoleUnit-1)/consoleUnit*consoleUnit, largestLimit)
		g.mend = fmt.Sprintf("raise it to %d MiB or more: console, System management, System configuration, Mail, Maximum message size; or bm-cli sysconf set message_size_limit --value %d",
			raised/consoleUnit, raised)
		if g.weight > largestLimit {
			g.mend += fmt.Sprintf(". BlueMind takes no more than 100 MiB, and the largest has %s", AboutSize(g.weight))
		}
	}
}

// twice tells of rows that go to one mailbox by two of its addresses.
func (c *checkup) twice() {
	for _, rows := range c.boxes {
		if len(rows) < 2 {
			continue
		}
		for i, row := range rows {
			other := rows[(i+1)%len(rows)]
			c.found.account(checkMailbox, Warning, "several rows go to one mailbox, by different addresses of it", "keep one of the rows, unless the mail of both is meant to be merged",
				c.member(row, "the same as "+c.Target.Address(c.Rows[other].Address)))
		}
	}
}

// unsaid lets rules speak that concern none of the accounts.
func (c *checkup) unsaid() {
	say := func(r checkRule, s Severity, text string) {
		if !c.found.said(r) {
			c.found.add(r, s, text, "")
		}
	}
	if c.Plan == nil {
		for _, r := range []checkRule{checkQuota, checkSize} {
			c.found.add(r, Skipped, "the plan's survey is needed: bmsync plan first", "")
		}
	}
	for _, r := range []checkRule{checkDomain, checkMailbox, checkRouting, checkUsable, checkQuota, checkSize, checkBlank} {
		say(r, Skipped, "no account to look at")
	}
}
