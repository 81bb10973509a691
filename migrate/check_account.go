package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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
	owned  bool           // by an LDAP or AD directory: nothing of it is changed
	placed bool           // INBOX lies in the right partition
}

func (a *accountCheck) address() string { return a.Target.Address(a.Rows[a.row].Address) }

func (a *accountCheck) share() bool { return a.Rows[a.row].Kind == KindShare }

// login is the user's in BlueMind, or the share's name.
func (a *accountCheck) login() string {
	local, _, _ := strings.Cut(a.address(), "@")
	return cmp.Or(a.Rows[a.row].TargetLogin, local)
}

// find says something of this account.
func (a *accountCheck) find(r checkRule, s Severity, text, mend, note string) {
	a.found.account(r, s, text, mend, a.member(a.row, note))
}

// look applies the rules that are about one account. An error means that
// BlueMind could not be asked.
func (a *accountCheck) look(ctx context.Context) error {
	_, name, _ := strings.Cut(a.Rows[a.row].Address, "@")
	a.domain = a.domains[name]
	if IsAdministrator(a.address()) || a.domain == nil || a.domain.found == nil && !a.domain.create {
		return nil // told by rule 4 or 5
	}
	if a.domain.found == nil {
		return a.withDomain(ctx)
	}
	a.owned = !a.share() && a.domain.directory
	if a.share() {
		if err := a.writer(ctx); err != nil {
			return err
		}
	}
	var err error
	a.box, err = a.platform.admin.MailboxByEmail(ctx, a.domain.found.UID, a.address())
	if err == nil || errors.Is(err, bmapi.ErrNotFound) {
		if a.owned {
			if err := a.imported(ctx); err != nil {
				return err
			}
		}
		if err == nil {
			return a.existing(ctx)
		}
		a.box = nil
		return a.missing(ctx)
	}
	return err
}

// withDomain looks at an account whose domain a run makes first.
func (a *accountCheck) withDomain(ctx context.Context) error {
	if a.share() {
		if err := a.writer(ctx); err != nil {
			return err
		}
	}
	if !a.mayCreate() || !a.goodLogin() {
		return nil
	}
	for _, alias := range a.Rows[a.row].Aliases {
		if !a.near(a.Target.Address(alias)) {
			return nil
		}
	}
	clear, err := a.nobodysElsewhere(ctx, append([]string{a.address()}, a.Rows[a.row].Aliases...)...)
	if err == nil && clear {
		a.newcomer()
	}
	return err
}

// missing is rule 6 where there is no mailbox: it will be made, or can't be.
func (a *accountCheck) missing(ctx context.Context) error {
	if a.owned {
		return nil // told by imported
	}
	clear, err := a.unclaimed(ctx, a.address())
	if err != nil || !clear || !a.mayCreate() || !a.goodLogin() {
		return err
	}
	other, err := a.platform.admin.MailboxByName(ctx, a.domain.found.UID, a.login())
	if err == nil {
		a.find(checkLoginName, Blocker, "the login is taken by another mailbox, which has not this address",
			"add the address to that mailbox in BlueMind, or write its own address in accounts.csv, or another login", fmt.Sprintf("%s is %s", a.login(), cmp.Or(other.DefaultEmail(), "a "+other.Type)))
		return nil
	}
	if !errors.Is(err, bmapi.ErrNotFound) {
		return err
	}
	for _, alias := range a.Rows[a.row].Aliases {
		if clear, err := a.alias(ctx, a.Target.Address(alias)); err != nil || !clear {
			return err
		}
	}
	if clear, err := a.nobodysElsewhere(ctx, append([]string{a.address()}, a.Rows[a.row].Aliases...)...); err != nil || !clear {
		return err
	}
	a.newcomer()
	return nil
}

// goodLogin says whether BlueMind takes the login.
func (a *accountCheck) goodLogin() bool {
	if err := checkLogin(a.login()); err != nil {
		a.find(checkLoginName, Blocker, "BlueMind would refuse the login", "write another one in the column login of accounts.csv", err.Error())
		return false
	}
	return true
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
	rule, text, note := checkMailbox, "the address belongs to a "+strings.ToLower(other.Kind)+" in BlueMind", other.DisplayName
	if address != a.address() {
		rule, text, note = checkAliases, "an alias belongs to a "+strings.ToLower(other.Kind)+" in BlueMind", address+": "+other.DisplayName
	}
	a.find(rule, Blocker, text, "give one of the two another address", note)
	return false, nil
}

// alias makes sure that an alias can be given to the mailbox.
func (a *accountCheck) alias(ctx context.Context, alias string) (bool, error) {
	if !a.near(alias) {
		return false, nil
	}
	return a.unclaimed(ctx, alias)
}

// near says whether an alias lies in the mailbox's domain.
func (a *accountCheck) near(alias string) bool {
	_, name, _ := strings.Cut(alias, "@")
	if a.domain.has(name) {
		return true
	}
	a.find(checkAliases, Blocker, fmt.Sprintf("an alias lies in %s, which is no name of the mailbox's domain", name),
		fmt.Sprintf("add the alias %s to domain %s, in BlueMind or under domains: in bmsync.yaml, or take it out of accounts.csv", name, a.domain.name), alias)
	return false
}

func (a *accountCheck) mayCreate() bool {
	what, option, may := "user", "policy.users.create", a.Policy.Users.Create
	if a.share() {
		what, option, may = "shared mailbox", "policy.shares.create", a.Policy.Shares.Create
	}
	if !may {
		a.find(checkMailbox, Blocker, "there is no mailbox in BlueMind", fmt.Sprintf("create the %s in BlueMind, or let a run do it: %s: true in bmsync.yaml", what, option), "")
	}
	return may
}

// newcomer is a mailbox that a run will make: what it will hold has to fit,
// and no other row may want the same.
func (a *accountCheck) newcomer() {
	a.find(checkMailbox, Ok, "will be created by a run", "", "")
	a.find(checkLoginName, Ok, "logins are taken by BlueMind, and free", "", "")
	a.mu.Lock()
	a.fresh[a.domain.name+"\x00"+a.login()] = append(a.fresh[a.domain.name+"\x00"+a.login()], a.row)
	if !a.share() {
		a.domain.newcomers[cmp.Or(a.Rows[a.row].AccountType, a.Policy.Users.AccountType, AccountFull)]++
	}
	a.mu.Unlock()
	s, ok := a.survey()
	a.newQuota(s, ok)
	if ok {
		a.size(cmp.Or(a.limit, defaultMessageLimit), s)
		a.throttle(s)
	}
}

// existing are the rules for a mailbox that is there.
func (a *accountCheck) existing(ctx context.Context) error {
	if want := map[bool]string{false: "user", true: "mailshare"}[a.share()]; a.box.Type != want {
		a.find(checkMailbox, Blocker, "the address belongs to a "+a.box.Type+" in BlueMind", "give one of the two another address, or correct the kind in accounts.csv", a.box.Name)
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
	} else if !a.stranger() {
		a.find(checkMailbox, Ok, "exists", "", "")
	}
	if err := a.names(ctx); err != nil {
		return err
	}
	list, err := a.folders(ctx)
	if err != nil {
		return err
	}
	open := a.usable(list)
	if err := a.limits(ctx); err != nil {
		return err
	}
	if err := a.blank(ctx, list); err != nil {
		return err
	}
	if open && a.Probe && !a.share() {
		a.probe(ctx, list)
	}
	return nil
}

// names compares login and aliases of a mailbox with what its row asks for.
func (a *accountCheck) names(ctx context.Context) error {
	row := a.Rows[a.row]
	local, _, _ := strings.Cut(a.address(), "@")
	if row.TargetLogin != "" && row.TargetLogin != local && row.TargetLogin != a.box.Name {
		a.find(checkLoginName, Warning, "the mailbox has another login in BlueMind, and keeps it", "correct the column login of accounts.csv", a.box.Name+", not "+row.TargetLogin)
	}
	for _, alias := range row.Aliases {
		alias = a.Target.Address(alias)
		if a.carries(alias) {
			continue
		}
		clear, err := a.alias(ctx, alias)
		if err == nil && clear && a.Policy.Users.Update && !a.owned {
			clear, err = a.nobodysElsewhere(ctx, alias)
		}
		switch {
		case err != nil:
			return err
		case !clear:
		case a.owned: // a line of the fix list
		case a.Policy.Users.Update:
			a.find(checkAliases, Ok, "aliases that lack will be added by a run", "", "")
		default:
			a.find(checkAliases, Warning, "an alias lacks in BlueMind", "add it there, or let a run do it: policy.users.update: true in bmsync.yaml", alias)
		}
	}
	return nil
}

// carries says whether the mailbox has an address, by itself or by a left part
// that counts in all names of the domain.
func (a *accountCheck) carries(address string) bool {
	local, name, _ := strings.Cut(address, "@")
	return slices.ContainsFunc(a.box.Emails, func(e bmapi.Email) bool {
		have, _, _ := strings.Cut(e.Address, "@")
		return strings.EqualFold(e.Address, address) || e.AllAliases && strings.EqualFold(have, local) && a.domain.has(name)
	})
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

// usable is rules 8 and 9. Users of a split domain (routing external) get
// their mail from the server that is being left until somebody says otherwise:
// BlueMind 5 has a mailbox for them, BlueMind 4 makes one when they are routed
// to it.
func (a *accountCheck) usable(list []bmapi.MailFolder) bool {
	open := true
	switch {
	case a.box.Routing == bmapi.RoutingInternal:
		a.find(checkRouting, Ok, "internal", "", "")
	case a.box.Routing == bmapi.RoutingExternal && (len(list) == 0 || a.platform.version.Major == 4):
		open = false
		a.find(checkRouting, Blocker, "routing external: the mail still goes to "+a.domain.relayed()+", and BlueMind has no mailbox to fill", a.domain.routingMend(), "")
	case a.box.Routing == bmapi.RoutingExternal:
		a.find(checkRouting, Warning, "routing external: new mail still goes to "+a.domain.relayed()+", and the mailbox can be filled meanwhile", a.domain.routingMend(), "")
	default:
		open = false
		a.find(checkRouting, Blocker, fmt.Sprintf("routing %s: mail is not stored in BlueMind", a.box.Routing), "set the mail routing of the user to internal in BlueMind", "")
	}
	if a.box.Archived {
		open = false
		a.find(checkUsable, Blocker, "the user is suspended", "reactivate the user in BlueMind", "")
	} else if !a.Probe || a.share() {
		a.find(checkUsable, Ok, "not suspended", "", "")
	}
	return open
}

// twice tells of rows that want one mailbox, by different addresses of it, or
// by one login.
func (c *checkup) twice() {
	tell := func(rows []int, s Severity, text, mend string) {
		for i, row := range rows {
			other := rows[(i+1)%len(rows)]
			c.found.account(checkTwice, s, text, mend, c.member(row, "the same as "+c.Target.Address(c.Rows[other].Address)))
		}
	}
	for _, rows := range c.boxes {
		if len(rows) > 1 {
			tell(rows, Warning, "several rows go to one mailbox, by different addresses of it", "keep one of the rows, unless the mail of both is meant to be merged")
		}
	}
	for _, rows := range c.fresh {
		if len(rows) > 1 {
			tell(rows, Blocker, "several rows would create one mailbox: their logins are the same", "keep one of the rows, or give one of them another login in accounts.csv")
		}
	}
}
