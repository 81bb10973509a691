package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// known tells whether who is named is in a row, in groups.csv, or in BlueMind.
// Names that are not in a CSV are asked for once.
func (c *checkup) known(ctx context.Context, d *domainFacts, ref PlanRef) (bool, error) {
	if ref.Kind == RefExternal {
		return true, nil // made as an external user
	}
	if ref.Kind == RefGroup {
		if slices.ContainsFunc(c.wish.groups, func(g PlanGroup) bool {
			return groupKey(g.Name) == groupKey(ref.Name) && g.Create && c.Target.domain(g.Domain) == d.name
		}) {
			return true, nil
		}
	} else if _, isRow := c.wish.people[ref.Name]; isRow || slices.Contains(c.Policy.Shares.Writers, ref.Name) {
		return true, nil
	}
	if d.found == nil {
		return false, nil // what isn't in a CSV can't be in a domain that is to be made
	}
	key := d.found.UID + "\x00" + ref.Kind + "\x00" + ref.Name
	if seen, ok := c.asked[key]; ok {
		return seen, nil
	}
	var err error
	if ref.Kind == RefGroup {
		_, err = c.platform.admin.GroupByName(ctx, d.found.UID, ref.Name)
	} else {
		_, err = c.platform.admin.EntryByEmail(ctx, d.found.UID, c.Target.Address(ref.Name))
	}
	if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
		return false, err
	}
	c.asked[key] = err == nil
	return err == nil, nil
}

// lookAtGroups makes sure that each group is there or will be made, and that
// all its members are known.
func (c *checkup) lookAtGroups(ctx context.Context) {
	if len(c.wish.groups) == 0 && !slices.ContainsFunc(c.Rows, func(r Row) bool { return len(r.Groups) > 0 }) {
		c.found.add(checkGroups, Moot, "there are no groups to make", "")
		return
	}
	for _, g := range c.wish.groups {
		if c.away {
			break
		}
		if err := c.lookAtGroup(ctx, g); err != nil && ctx.Err() == nil {
			c.found.add(checkGroups, Blocker, fmt.Sprintf("group %s could not be looked at: %v", g.Name, err), checkAgain)
			c.away = bmapi.Temporary(err)
		}
	}
	c.groupsOfRows(ctx)
	if c.away {
		c.found.add(checkGroups, Blocker, notAnswering, checkAgain)
	}
	if !c.found.said(checkGroups) {
		c.found.add(checkGroups, Ok, fmt.Sprintf("%d groups, and all that they name is known", len(c.wish.groups)), "")
	}
}

// groupsOfRows makes sure that the groups are known that rows name.
func (c *checkup) groupsOfRows(ctx context.Context) {
	for i, row := range c.Rows {
		_, name, _ := strings.Cut(row.Address, "@")
		d := c.domains[name]
		if d == nil || d.found == nil && !d.create {
			continue
		}
		for _, group := range row.Groups {
			if c.away || ctx.Err() != nil {
				return
			}
			switch known, err := c.known(ctx, d, PlanRef{Kind: RefGroup, Name: group}); {
			case err != nil && ctx.Err() == nil:
				c.found.account(checkGroups, Blocker, "the row names a group that could not be asked for", checkAgain, c.member(i, group+": "+err.Error()))
				c.away = bmapi.Temporary(err)
			case err == nil && !known:
				c.found.account(checkGroups, Blocker, "the row names a group that is neither in groups.csv nor in BlueMind", "add it to groups.csv, or correct the row", c.member(i, group))
			}
		}
	}
}

func (c *checkup) lookAtGroup(ctx context.Context, g PlanGroup) error {
	if g.Domain == "" {
		return nil // groups.csv is refused for it
	}
	d := c.domains[g.Domain]
	if d == nil || d.failed || d.found == nil && !d.create {
		return nil // told by rule 5
	}
	if d.found != nil {
		_, err := c.platform.admin.GroupByName(ctx, d.found.UID, g.Name)
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
			return err
		}
		if err != nil && !g.Create {
			c.found.add(checkGroups, Blocker, fmt.Sprintf("group %s is not in domain %s, and groups.csv says that it is in BlueMind", g.Name, d.name), "correct its name, or let a run make it: create: yes in groups.csv")
		}
		if g.Address != "" {
			other, err := c.platform.admin.EntryByEmail(ctx, d.found.UID, c.Target.Address(g.Address))
			if err == nil && other.Kind != bmapi.KindGroup {
				c.found.add(checkGroups, Blocker, fmt.Sprintf("the address %s of group %s belongs to a %s in BlueMind", g.Address, g.Name, strings.ToLower(other.Kind)), "give one of the two another address")
			} else if err != nil && !errors.Is(err, bmapi.ErrNotFound) {
				return err
			}
		}
	}
	var unknown []string
	for _, m := range g.Members {
		known, err := c.known(ctx, d, m)
		if err != nil {
			return err
		}
		if !known {
			unknown = append(unknown, m.Name)
		}
	}
	if len(unknown) > 0 {
		c.found.add(checkGroups, Blocker, fmt.Sprintf("group %s has members that are in no row and not in BlueMind: %s", g.Name, few(unknown, 5)), "add them to accounts.csv, create them in BlueMind, or take them out of groups.csv")
	}
	return nil
}

// askedRight is one of the plan or of rights.csv, on a row's mailbox.
type askedRight struct {
	row int
	PlanRight
}

// lookAtRights makes sure that everybody who gets a right is known.
func (c *checkup) lookAtRights(ctx context.Context) {
	if c.Policy.Shares.Rights == RightsNone || len(c.rights) == 0 {
		c.found.add(checkRights, Moot, "no rights are to be set", "")
		return
	}
	for _, r := range c.rights {
		d := c.domains[domainOf(r.Mailbox)]
		if r.Unresolved {
			c.found.account(checkRights, Warning, "the source gives rights to somebody whom no row accounts for: they are not set", "give them in rights.csv to whom they are meant for, or leave it",
				c.member(r.row, fmt.Sprintf("%s (%s): %s", r.Grantee.Name, r.From, r.Reason)))
			continue
		}
		if d == nil || d.failed || d.found == nil && !d.create {
			continue // told by rule 5
		}
		if c.away {
			c.found.account(checkRights, Blocker, notAnswering, checkAgain, c.member(r.row, ""))
			continue
		}
		switch known, err := c.known(ctx, d, r.Grantee); {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.found.account(checkRights, Blocker, "BlueMind could not be asked for who gets rights", checkAgain, c.member(r.row, err.Error()))
			c.away = bmapi.Temporary(err)
		case !known:
			c.found.account(checkRights, Blocker, "rights are asked for somebody who is in no row and not in BlueMind", "correct rights.csv, or create them in BlueMind",
				c.member(r.row, fmt.Sprintf("%s (%s)", r.Grantee.Name, r.From)))
		default:
			c.found.account(checkRights, Ok, "whoever gets a right is known", "", c.member(r.row, ""))
		}
	}
}

// writer is rule 32: a user who may write to a share, or will be let.
func (a *accountCheck) writer(ctx context.Context) error {
	address := cmp.Or(a.Rows[a.row].Writer, a.surveys[planKey(a.Rows[a.row])].writer)
	if address == "" {
		if of := a.wish.writersFor(a.wish.home(a.Rows[a.row].Address)); len(of) > 0 {
			address = of[0]
		}
	}
	if address == "" {
		a.find(checkShares, Blocker, "nobody is named who writes to the share", "write a user's address in the column writer of accounts.csv, or name technical users: policy.shares.writers in bmsync.yaml", "")
		return nil
	}
	planned := address
	address = a.Target.Address(planned)
	box, err := (*bmapi.Mailbox)(nil), error(bmapi.ErrNotFound) // a domain that is to be made has nobody
	if a.domain.found != nil {
		box, err = a.platform.admin.MailboxByEmail(ctx, a.domain.found.UID, address)
	}
	switch {
	case errors.Is(err, bmapi.ErrNotFound):
		_, isRow := a.wish.people[planned]
		switch {
		case isRow && a.Policy.Users.Create, slices.Contains(a.Policy.Shares.Writers, planned) && a.Policy.Shares.Create:
			a.find(checkShares, Ok, "their writers will be created by a run", "", "")
		default:
			a.find(checkShares, Blocker, "the writer of the share is no user of BlueMind", "create the user, or name another in the column writer of accounts.csv", address)
		}
		return nil
	case err != nil:
		return err
	}
	trouble := ""
	switch {
	case box.Type != "user":
		trouble = "is a " + box.Type
	case box.Archived:
		trouble = "is suspended"
	case box.Routing == bmapi.RoutingNone:
		trouble = "has no mailbox (routing none)"
	}
	if trouble != "" {
		a.find(checkShares, Blocker, "the writer of the share can't write", "mend the user in BlueMind, or name another in the column writer of accounts.csv", address+" "+trouble)
		return nil
	}
	a.find(checkShares, Ok, "their writers are there; a run gives them the right to write", "", "")
	return nil
}

// imported looks at a user that a directory owns: nothing is created or
// changed here, so what lacks is for the directory's administrator.
func (a *accountCheck) imported(ctx context.Context) error {
	row := a.Rows[a.row]
	want := objects.User{Address: a.address(), Login: row.TargetLogin, AllAliases: a.Policy.Users.AllAliases, FirstName: row.FirstName, LastName: row.LastName, DisplayName: row.DisplayName}
	for _, alias := range row.Aliases {
		want.Aliases = append(want.Aliases, a.Target.Address(alias))
	}
	_, out, err := a.maker.User(ctx, a.domain.found, want)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.fixes = append(a.fixes, out.Fixes...)
	a.mu.Unlock()
	note := out.Reason
	if note == "" && len(out.Fixes) > 0 {
		note = out.Fixes[0].Problem
	}
	severity, text := Warning, "the user comes from LDAP or AD, and something lacks there"
	switch {
	case out.Action == objects.Conflict:
		severity, text = Blocker, "the user comes from LDAP or AD, and can't be filled yet"
	case len(out.Fixes) == 0:
		a.find(checkDirectory, Ok, "imported, and complete", "", "")
		return nil
	}
	a.find(checkDirectory, severity, text, "write the list of what lacks, and give it to the directory's administrator", note)
	a.found.command(checkDirectory, severity, text, "bmsync check --target "+a.Target.Name+" --fixes ad-fixes.csv")
	return nil
}
