package objects

import (
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi"
)

// Stranger says why a user who has a row's address is not the row's, "" where he
// is: the address is only one of his others, and nothing in the row tells that he
// is meant, neither his login nor his main address. Mail of one person would go to
// another. The mend goes with it.
func Stranger(address, login string, aliases []string, box *bmapi.Mailbox) (reason, mend string) {
	main := box.DefaultEmail()
	known := main == "" || strings.EqualFold(box.Name, login) || localOf(main) == localOf(address) ||
		slices.ContainsFunc(aliases, func(a string) bool { return strings.EqualFold(a, main) })
	if known {
		return "", ""
	}
	return fmt.Sprintf("%s is only another address of %s, whose login is %s", address, main, box.Name),
		fmt.Sprintf("if both are the same person, write %s into the column login of accounts.csv and plan again; if not, take the address away from %s in BlueMind", box.Name, box.Name)
}

// stranger is Stranger for somebody whom neither a run made nor a directory owns:
// of the latter, the login has another form.
func (w User) stranger(u *bmapi.User, box *bmapi.Mailbox, uid string) *refusal {
	if u.UID == uid || owned(u.ExternalID) || box == nil {
		return nil
	}
	if reason, mend := Stranger(w.Address, w.Login, w.Aliases, box); reason != "" {
		return because(mend, "%s", reason)
	}
	return nil
}
