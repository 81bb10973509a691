package migrate

import (
	"cmp"
	"context"
	"slices"

	"bmsync/bmapi"
)

// unseen tells of shares that nobody can open once a final run has taken the
// writer's right back: neither the plan gives a right nor has somebody one in
// BlueMind. What the source gives is known by a plan alone.
func (c *checkup) unseen(ctx context.Context) {
	if c.Plan == nil && c.Policy.Shares.Rights != RightsCSV {
		return
	}
	seen := map[int]bool{}
	for _, r := range c.rights {
		seen[r.row] = seen[r.row] || !r.Unresolved && seesBox(r.Verbs)
	}
	boxes := map[int]string{} // the rows' mailboxes that are there
	for key, rows := range c.boxes {
		for _, i := range rows {
			boxes[i] = key
		}
	}
	for i, row := range c.Rows {
		if row.Kind != KindShare || seen[i] {
			continue
		}
		if other, err := c.openedByOthers(ctx, i, boxes[i]); err != nil || other {
			continue // an error is told by the rules about the mailbox
		}
		c.found.account(checkRights, Warning, "nobody gets a right on the share: after run --final nobody sees it",
			"write into rights.csv who may read it, then bmsync plan; or give rights in BlueMind", c.member(i, ""))
	}
}

// openedByOthers says whether somebody but the writer may read a share that is
// there. key is one of checkup.boxes, "" for none.
func (c *checkup) openedByOthers(ctx context.Context, row int, key string) (bool, error) {
	d := c.domains[domainOf(c.Rows[row].Address)]
	if key == "" || d == nil || d.found == nil {
		return false, nil
	}
	acl, err := c.platform.admin.ACL(ctx, key[len(d.found.UID)+1:])
	if err != nil {
		return false, err
	}
	writer := ""
	if address := cmp.Or(c.Rows[row].Writer, c.surveys[planKey(c.Rows[row])].writer); address != "" {
		if box, err := c.platform.admin.MailboxByEmail(ctx, d.found.UID, c.Target.Address(address)); err == nil {
			writer = box.UID
		}
	}
	return slices.ContainsFunc(acl, func(a bmapi.AccessEntry) bool { return readingVerbs[a.Verb] && a.Subject != writer }), nil
}
