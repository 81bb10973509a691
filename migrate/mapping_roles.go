package migrate

import (
	"cmp"
	"fmt"
	"slices"
)

// assignRoles gives each role to at most one folder: to the first that the
// source announces for it, or else to the one with the best known name. Of
// outboxes and views there may be many.
func (m *mapper) assignRoles() {
	have := map[Role]*folderNode{}
	give := func(n *folderNode, r Role, how string) {
		if r != RoleNone && n.role == RoleNone && !n.noSelect() && !m.tree.foreign(n.in) && (have[r] == nil || !unique(r)) {
			n.role, n.how = r, how
			have[r] = n
		}
	}
	if m.root != nil {
		give(m.root, RoleInbox, "")
	}
	for _, n := range m.nodes {
		if len(n.levels) == 1 && n.levels[0] == "INBOX" {
			give(n, RoleInbox, "")
		}
	}
	for _, n := range m.nodes {
		give(n, roleByAttribute(n.in.Attrs), "special use of the source")
	}
	for _, c := range m.candidates() {
		if give(c.node, c.known.role, "known by its name"); c.node.role == RoleNone && have[c.known.role] != nil && have[c.known.role] != c.node {
			c.node.kept = fmt.Sprintf("%s %q is the folder for %s", keepsName, have[c.known.role].in.Name, c.known.role.says())
		}
	}
}

// keepsName begins the reason of a folder whose name stands for a role that
// another one has.
const keepsName = "keeps its name:"

// candidate is a folder whose name stands for a role.
type candidate struct {
	node  *folderNode
	known roleName
}

// candidates are in the order in which they get their roles.
func (m *mapper) candidates() []candidate {
	var list []candidate
	for _, n := range m.nodes {
		if known, ok := roleNames().find(n.levels); ok && !n.noSelect() && !m.tree.foreign(n.in) {
			list = append(list, candidate{n, known})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.known.rank, b.known.rank) })
	return list
}

// unique says whether a role has one folder only. Views may be many.
func unique(r Role) bool {
	return r != RoleOutbox && r != RoleAll && r != RoleFlagged && r != RoleImportant
}
