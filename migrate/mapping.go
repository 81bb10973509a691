package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// SourceFolder is a folder as its source lists it.
type SourceFolder struct {
	Name  string // decoded, with the source's delimiter
	Delim rune   // 0: no hierarchy
	Attrs []string

	NotMail string // NotMailCalendar …: what it holds instead of mail
}

// SourceNamespaces are the prefixes of RFC 2342 that decide which folders
// are the account's own.
type SourceNamespaces struct {
	Personal string   // prefix of the personal namespace, "" or e.g. "INBOX."
	Foreign  []string // prefixes of other users' and shared namespaces
	Public   []string // those of Foreign that are no user's
}

// Mapped is what happens to one source folder: it goes to Target, or is
// excluded by Rule. Reason says why the target isn't simply the same name.
type Mapped struct {
	Source string
	Target string
	Role   Role
	Rule   string
	Reason string
}

// The rules by which a folder is excluded.
const (
	RuleNoSelect  = "noselect"  // holds no messages
	RuleVirtual   = "virtual"   // a view of messages that lie in other folders
	RuleNamespace = "namespace" // belongs to another user or to everybody
	RuleJunk      = "junk"
	RuleTrash     = "trash"
	RuleOutbox    = "outbox" // BlueMind could send what is in it
	RulePolicy    = "policy" // excluded by name
)

// MapFolders decides for every folder of one account where it goes. It is a
// pure function of what the source lists, in whatever order, and of the
// policy; the result is in the order of the source's tree, parents before
// children. No two folders share a target, compared without regard to case.
//
// The targets of a shared mailbox begin with its name, as BlueMind's core has
// them: INBOX is the share itself, Sent its Sent. It has no Drafts, Junk nor
// Templates of BlueMind's making, so that those keep their own names.
func MapFolders(t SourceTree, p Policy) ([]Mapped, error) {
	m := mapper{policy: p, tree: t, home: homeOf(t.Share), byPath: map[string]*folderNode{}, taken: map[string]string{}}
	// By name, so that the order of a listing decides nothing.
	for _, f := range slices.SortedFunc(slices.Values(t.Folders), func(a, b SourceFolder) int { return strings.Compare(a.Name, b.Name) }) {
		m.add(f)
	}
	slices.SortFunc(m.nodes, func(a, b *folderNode) int { return slices.Compare(a.levels, b.levels) })
	m.assignRoles()
	m.reserve()
	for _, n := range m.nodes {
		if n.role == RoleInbox {
			m.place(n)
		}
	}
	for _, n := range m.nodes {
		m.place(n)
	}
	out := make([]Mapped, 0, len(m.nodes))
	for _, n := range m.nodes {
		out = append(out, n.out)
	}
	if err := m.mergers(out); err != nil {
		return nil, err
	}
	return out, nil
}

type folderNode struct {
	in     SourceFolder
	levels []string // decoded, personal prefix or subtree's root stripped; none for that root
	role   Role
	how    string // how the role was found
	placed bool
	base   string // target below home, where children go
	down   string // the rule of what it lies in: junk or trash
	out    Mapped
}

type mapper struct {
	policy Policy
	tree   SourceTree
	home   home
	root   *folderNode // of a subtree, if it is listed
	nodes  []*folderNode
	byPath map[string]*folderNode // by levels joined with NUL
	taken  map[string]string      // folded target below home → source
}

// add takes a folder in. One that is listed twice is one; two names of one
// place (INBOX in another case, with and without the namespace's prefix, with
// a delimiter at the end) are two.
func (m *mapper) add(f SourceFolder) {
	if k := len(m.nodes); k > 0 && m.nodes[k-1].in.Name == f.Name {
		return
	}
	n := &folderNode{in: f, out: Mapped{Source: f.Name}}
	if root := m.tree.Subtree; root != nil {
		if f.Name == root.Name {
			m.root, m.nodes = n, append(m.nodes, n)
			return
		}
		f.Name = f.Name[len(root.Name)+len(string(root.Delim)):]
	} else if !strings.EqualFold(f.Name, "INBOX") {
		f.Name = strings.TrimPrefix(f.Name, m.tree.Spaces.Personal)
	}
	n.levels = f.levels()
	if strings.EqualFold(n.levels[0], "INBOX") {
		n.levels[0] = "INBOX"
	}
	last := len(n.levels) - 1
	for own, i := n.levels[last], 2; m.byPath[n.key()] != nil; i++ {
		n.levels[last] = fmt.Sprintf("%s (%d)", own, i)
	}
	m.byPath[n.key()] = n
	m.nodes = append(m.nodes, n)
}

func (n *folderNode) key() string { return strings.Join(n.levels, "\x00") }

func (n *folderNode) noSelect() bool { return noSelect(n.in.Attrs) }

// noSelect says of LIST's attributes that there is no mailbox to open
// (RFC 9051 §7.3.1).
func noSelect(attrs []string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool {
		return strings.EqualFold(a, `\Noselect`) || strings.EqualFold(a, `\NonExistent`)
	})
}

// assignRoles gives each role to at most one folder: by attribute first, then
// by the name of a top-level folder.
func (m *mapper) assignRoles() {
	have := map[Role]bool{}
	give := func(n *folderNode, r Role, how string) {
		if r != RoleNone && n.role == RoleNone && !n.noSelect() && !m.tree.foreign(n.in) && (!have[r] || !unique(r)) {
			n.role, n.how = r, how
			have[r] = true
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
	for _, n := range m.nodes {
		if len(n.levels) == 1 {
			give(n, roleByName(n.levels[0]), "known by its name")
		}
	}
}

// unique says whether a role has one folder only. Views may be many.
func unique(r Role) bool { return r != RoleAll && r != RoleFlagged && r != RoleImportant }

// byPolicy finds a folder in the policy's map, by its name at the source or
// with "/" between levels. What it gives is below home.
func (m *mapper) byPolicy(n *folderNode) (string, bool) {
	to, ok := m.policy.Folders.Map[n.in.Name]
	if !ok {
		to, ok = m.policy.Folders.Map[n.path()]
	}
	return m.home.within(to), ok
}

// path is a folder's name with "/" between levels. The root of a subtree is
// its INBOX.
func (n *folderNode) path() string {
	if len(n.levels) == 0 {
		return "INBOX"
	}
	return strings.Join(n.levels, "/")
}

// reserve takes BlueMind's default folders for the roles they serve, and the
// map's targets for those of its folders that the account has.
func (m *mapper) reserve() {
	for _, name := range m.home.defaults {
		m.taken[foldName(name)] = "\x00default"
	}
	for _, name := range m.home.reserved {
		m.taken[foldName(name)] = "\x00reserved"
	}
	for _, n := range m.nodes {
		if to, ok := m.byPolicy(n); ok {
			m.taken[foldName(to)] = n.in.Name
		}
	}
}

// place decides one folder, its parent first.
func (m *mapper) place(n *folderNode) {
	if n.placed {
		return
	}
	n.placed = true
	parent := m.parent(n)
	if parent != nil {
		m.place(parent)
	}
	n.out.Role = n.role
	if n == m.root && n.noSelect() {
		n.out.Rule = RuleNoSelect
		return
	}
	n.base, n.out.Reason = m.target(n, parent)
	if parent != nil {
		n.down = parent.down
	}
	n.out.Rule = m.rule(n)
	if n.out.Rule == RuleJunk || n.out.Rule == RuleTrash {
		n.down = n.out.Rule
	}
	if n.out.Rule == "" {
		n.out.Target = m.home.path(n.base)
	} else if n.out.Rule == RuleNoSelect {
		n.out.Reason = ""
	}
	if n.out.Rule == RuleOutbox {
		n.base, n.out.Reason = "", ""
	}
}

// parent finds the nearest listed ancestor; the levels between are part of
// the folder's own name then. What lies right below the root of a subtree has
// none, like a folder beside INBOX, unless the policy has put the root
// elsewhere: then it follows.
func (m *mapper) parent(n *folderNode) *folderNode {
	for i := len(n.levels) - 1; i > 0; i-- {
		if p := m.byPath[strings.Join(n.levels[:i], "\x00")]; p != nil {
			return p
		}
	}
	if m.root != nil && n != m.root {
		if to, ok := m.byPolicy(m.root); ok && to != m.home.inbox {
			return m.root
		}
	}
	return nil
}

func (m *mapper) target(n, parent *folderNode) (path, reason string) {
	if to, ok := m.byPolicy(n); ok {
		return to, "mapped by the policy"
	}
	if to, ok := m.home.roles[n.role]; ok {
		if to != n.in.Name {
			reason = n.how
		}
		return to, reason
	}
	if n.role == RoleOutbox {
		return "", "" // children must not end below BlueMind's Outbox
	}
	own := n.levels
	prefix := ""
	if parent != nil {
		own = n.levels[len(parent.levels):]
		prefix = parent.base
		if prefix == "" && parent.role == RoleOutbox {
			prefix = m.home.unique(sanitizeLevel(parent.levels[0], m.policy.TargetVersion)+"_", m.isTaken)
			parent.base = prefix
		}
	}
	clean := make([]string, len(own))
	for i, level := range own {
		clean[i] = sanitizeLevel(level, m.policy.TargetVersion)
	}
	path = strings.Join(clean, "/")
	if prefix != "" {
		path = prefix + "/" + path
	}
	if strings.Join(clean, "/") != strings.Join(own, "/") {
		reason = "characters that the target refuses were replaced"
	} else if parent != nil && parent.base != parent.path() {
		reason = "follows its parent"
	}
	if n.noSelect() && parent == nil && m.taken[foldName(path)] == "\x00default" && !strings.EqualFold(path, "Outbox") {
		// A level that holds nothing: what lies below goes below the default folder.
		return m.home.defaults[slices.IndexFunc(m.home.defaults, func(d string) bool { return strings.EqualFold(d, path) })], ""
	}
	if safe := m.home.aside(path); safe != path {
		path, reason = safe, "the name means something else to BlueMind"
	}
	if safe := decodedTwice(path, m.policy.TargetVersion); safe != path {
		path, reason = safe, "BlueMind 5 would read part of the name as modified UTF-7"
	}
	if wireLen(path) > m.home.room() {
		path, reason = cutLevel(strings.ReplaceAll(path, "/", "_"), maxLevelOctets), "name too long for the target"
	}
	if final := m.home.unique(path, m.isTaken); final != path {
		path, reason = final, fmt.Sprintf("the name %q is taken", path)
	}
	m.taken[foldName(path)] = n.in.Name
	return path, reason
}

func (m *mapper) isTaken(path string) bool {
	_, ok := m.taken[foldName(path)]
	return ok
}

// rule finds the rule that excludes a folder, "" if none. A parent's rule for
// junk, trash and namespaces holds for what lies below it.
func (m *mapper) rule(n *folderNode) string {
	p := m.policy.Folders
	switch {
	case m.tree.foreign(n.in):
		return RuleNamespace
	case n.noSelect():
		return RuleNoSelect
	case n.role == RoleAll, n.role == RoleFlagged, n.role == RoleImportant:
		return RuleVirtual
	case n.role == RoleOutbox:
		return RuleOutbox
	case n.in.NotMail != "" && !m.named(n):
		return RuleNotMail
	case m.excludedByName(n):
		return RulePolicy
	case n.role == RoleJunk && p.Junk != Copy:
		return RuleJunk
	case n.role == RoleTrash && p.Trash == Exclude:
		return RuleTrash
	}
	return n.down
}

// named says whether the policy's map names a folder.
func (m *mapper) named(n *folderNode) bool {
	_, ok := m.byPolicy(n)
	return ok
}

func (m *mapper) excludedByName(n *folderNode) bool {
	p := m.policy.Folders
	path := n.path()
	matches := func(pattern string) bool {
		return matchName(pattern, n.in.Name) || matchName(pattern, path)
	}
	if slices.ContainsFunc(p.Exclude, matches) {
		return true
	}
	return len(p.Include) > 0 && !slices.ContainsFunc(p.Include, matches)
}

// matchName compares a folder's name with a pattern in which "*" stands for
// any characters, delimiters too, and case doesn't matter.
func matchName(pattern, name string) bool {
	pattern, name = foldName(pattern), foldName(name)
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}

// mergers refuses two folders into one: the ledger keeps one source folder a
// target folder in this release.
func (m *mapper) mergers(out []Mapped) error {
	seen := map[string]string{}
	for _, f := range out {
		if f.Rule != "" {
			continue
		}
		key := foldName(f.Target)
		if other, ok := seen[key]; ok {
			return blocked("give one of them another target under policy.folders.map", "folders %q and %q would both go to %q: merging folders is not built yet", other, f.Source, f.Target)
		}
		seen[key] = f.Source
	}
	return nil
}
