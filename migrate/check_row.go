package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// lookAtRows is rule 4, and what the rows show by themselves under the
// target's names.
func (c *checkup) lookAtRows() {
	for i, row := range c.Rows {
		address := c.Target.Address(row.Address)
		all := append([]string{row.Address, address}, row.Aliases...)
		_, err := ParseAddress(address)
		switch {
		case slices.ContainsFunc(all, IsAdministrator):
			c.found.account(checkNames, Blocker, "an administrator's address: mail must be copied as each user", "write the address of a user's mailbox in accounts.csv", c.member(i, ""))
		case slices.Contains(all, c.Target.Admin):
			c.found.account(checkNames, Warning, "the address is the one that provisions: its mail is copied by a key of its own, never by its secret",
				"use admin0@global.virt as admin of the target", c.member(i, ""))
		case err != nil:
			c.found.account(checkNames, Blocker, "BlueMind takes no such address", "correct it in accounts.csv, or domain_map of the target", c.member(i, err.Error()))
		case address != strings.ToLower(address):
			c.found.account(checkNames, Blocker, "the address has capitals, which BlueMind refuses", "write it in lower case", c.member(i, ""))
		case len(row.Remarks) > 0:
			c.found.account(checkNames, Warning, "accounts.csv was understood otherwise than it is written", "see whether that is right", c.member(i, few(row.Remarks, 2)))
		}
	}
	if !c.found.said(checkNames) {
		c.found.add(checkNames, Ok, "none is an administrator's, and BlueMind takes them", "")
	}
	c.claims()
}

// claims finds what two rows claim: addresses and aliases share one name space
// in BlueMind, and a mailbox is copied once.
func (c *checkup) claims() {
	addresses, sources := map[string]int{}, map[string]int{}
	for i, row := range c.Rows {
		for n, address := range append([]string{row.Address}, row.Aliases...) {
			address = c.Target.Address(address)
			first, taken := addresses[address]
			switch {
			case !taken:
				addresses[address] = i
			case first != i:
				what := "the address is another row's, too"
				if n > 0 {
					what = "an alias is another row's, too"
				}
				c.found.account(checkTwice, Blocker, what, "keep it in one of the two rows", c.member(i, fmt.Sprintf("%s: %s", address, c.Target.Address(c.Rows[first].Address))))
			}
		}
		key := row.Source + "\x00" + sourceKey(row.Login) + "\x00" + row.Folder
		if first, taken := sources[key]; taken {
			c.found.account(checkTwice, Blocker, "the same source, login and folder is another row's, too: its mail would be copied twice", "keep one of the two rows",
				c.member(i, c.Target.Address(c.Rows[first].Address)))
		} else {
			sources[key] = i
		}
	}
}
