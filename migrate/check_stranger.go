package migrate

import (
	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// stranger is rule 6 where an address leads to somebody who is known by another
// one: nothing in the row tells that he is meant, so a run fills nothing.
func (a *accountCheck) stranger() bool {
	if a.share() || a.owned || a.box.UID == bmapi.UserUID(a.domain.found.UID, a.address()) {
		return false
	}
	aliases := make([]string, 0, len(a.Rows[a.row].Aliases))
	for _, alias := range a.Rows[a.row].Aliases {
		aliases = append(aliases, a.Target.Address(alias))
	}
	why, _ := objects.Stranger(a.address(), a.login(), aliases, a.box)
	if why == "" {
		return false
	}
	a.find(checkMailbox, Blocker, "the address is only another one of somebody who is there",
		"if both are the same person, write that login into the column login of accounts.csv and plan again; if not, take the address away from him in BlueMind", why)
	return true
}
