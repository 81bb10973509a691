package migrate

import (
	"fmt"
	"strings"
)

// stale tells what the files say otherwise than the plan, which is what a run
// goes by: who has mended accounts.csv after check told of it has to plan anew.
func (c *checkup) stale(row int, a *PlanAccount) {
	if fields := c.wish.otherwise(&c.Rows[row], a); len(fields) > 0 {
		const text = "accounts.csv or rights.csv say otherwise than the plan, and a run goes by the plan"
		c.found.account(checkPlan, Warning, text, "bmsync plan", c.member(row, strings.Join(fields, ", ")))
		c.found.command(checkPlan, Warning, text, "bmsync plan")
	}
}

// staleObjects does so for groups and domains, and names accounts of which no
// row is left.
func (c *checkup) staleObjects(gone []string) {
	say := func(what string, names []string) {
		if len(names) > 0 {
			text := fmt.Sprintf("%s, and a run goes by the plan: %s", what, few(names, 5))
			c.found.add(checkPlan, Warning, text, "bmsync plan")
			c.found.command(checkPlan, Warning, text, "bmsync plan")
		}
	}
	say("groups.csv says of groups otherwise than the plan", c.wish.staleGroups(c.Plan))
	say("bmsync.yaml says of domains otherwise than the plan", c.wish.staleDomains(c.Plan))
	say("accounts of the plan are in no row any more, or an exception skips them", gone)
}
