package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// SourceFolder is a folder as its source lists it.
type SourceFolder struct {
	Name  string // decoded, with the source's delimiter
	Wire  string // as listed, where Name isn't what the server means by it: a malformed name
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
	Virtual  []string // prefixes of the personal namespaces that hold views of other folders
	Rest     bool     // everybody's is what lies below none of the prefixes, but for INBOX
}

// Mapped is what happens to one source folder: it goes to Target, or is
// excluded by Rule. Reason says why it is excluded, or why the target isn't
// simply the same name.
type Mapped struct {
	Source string
	Wire   string // see SourceFolder
	Target string
	Role   Role
	Rule   string
	Reason string

	Part   string // of a folder that is split: whose messages these are
	Chosen bool   // the policy names the target: other folders may go there too
	Split  bool   // its messages go to a folder a year below Target
}

// The rules by which a folder is excluded.
const (
	RuleNoSelect  = "noselect"  // holds no messages
	RuleVirtual   = "virtual"   // a view of messages that lie in other folders
	RuleNamespace = "namespace" // belongs to another user or to everybody
	RuleJunk      = "junk"
	RuleTrash     = "trash"
	RuleOutbox    = "outbox" // BlueMind could send what is in it
	RulePolicy    = "policy" // excluded by name, pattern, role or expression

	RuleUnsubscribed = "unsubscribed" // the policy takes subscribed folders only
)

// MapFolders decides for every folder of one account where it goes. It is a
// pure function of what the source lists, in whatever order, and of the
// policy; the result is in the order of the source's tree, parents before
// children. No two folders share a target, compared without regard to case,
// unless the policy's map or rules send them there.
//
// The targets of a shared mailbox begin with its name, as BlueMind's core has
// them: INBOX is the share itself, Sent its Sent. It has no Drafts, Junk nor
// Templates of BlueMind's making, so that those keep their own names.
func MapFolders(t SourceTree, p Policy) ([]Mapped, error) {
	m := mapper{policy: p, tree: t, home: homeOf(t.Share).into(p.Folders.Into), byPath: map[string]*folderNode{}, taken: map[string]string{}, chosen: map[string]string{}}
	// By name, so that the order of a listing decides nothing.
	for _, f := range slices.SortedFunc(slices.Values(t.Folders), func(a, b SourceFolder) int { return strings.Compare(a.Name, b.Name) }) {
		m.add(f)
	}
	slices.SortFunc(m.nodes, func(a, b *folderNode) int { return slices.Compare(a.levels, b.levels) })
	m.assignRoles()
	if err := m.choose(); err != nil {
		return nil, err
	}
	if err := m.subscriptions(); err != nil {
		return nil, err
	}
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
	return out, m.merge(out)
}

// malformedName is told of a folder whose name isn't modified UTF-7. It is shown
// as it can be read, and asked for as the source lists it.
const malformedName = "malformed at the source, and named as it can be read"

type folderNode struct {
	in     SourceFolder
	levels []string // decoded, personal prefix or subtree's root stripped; none for that root
	role   Role
	how    string // how the role was found
	kept   string // why it keeps its name, though that stands for a role, or has another
	choice choice // what map or rules say
	parent *folderNode
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
	byPath map[string]*folderNode // by levelsKey
	taken  map[string]string      // folded target below home → source
	chosen map[string]string      // folded target below home, by map or rules → its spelling
}

// add takes a folder in. One that is listed twice is one; two names of one
// place (INBOX in another case, with and without the namespace's prefix, with
// a delimiter at the end) are two.
func (m *mapper) add(f SourceFolder) {
	if k := len(m.nodes); k > 0 && m.nodes[k-1].in.Name == f.Name {
		return
	}
	n := &folderNode{in: f, out: Mapped{Source: f.Name, Wire: f.Wire}}
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
		n.kept = fmt.Sprintf("the name %q is taken", own)
	}
	m.byPath[n.key()] = n
	m.nodes = append(m.nodes, n)
}

func (n *folderNode) key() string { return levelsKey(n.levels) }

// levelsKey tells paths apart, whatever is in their levels.
func levelsKey(levels []string) string {
	var b strings.Builder
	for _, level := range levels {
		b.WriteString(keyEscapes.Replace(level))
		b.WriteByte(0)
	}
	return b.String()
}

var keyEscapes = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")

func (n *folderNode) noSelect() bool { return noSelect(n.in.Attrs) }

// noSelect says of LIST's attributes that there is no mailbox to open
// (RFC 9051 §7.3.1).
func noSelect(attrs []string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool {
		return strings.EqualFold(a, `\Noselect`) || strings.EqualFold(a, `\NonExistent`)
	})
}

// path is a folder's name with "/" between levels. The root of a subtree is
// its INBOX.
func (n *folderNode) path() string {
	if len(n.levels) == 0 {
		return "INBOX"
	}
	return strings.Join(n.levels, "/")
}

// reserve takes BlueMind's default folders for the roles they serve, and what
// map and rules make of the folders that the account has.
func (m *mapper) reserve() {
	for _, name := range m.home.defaults {
		m.taken[foldName(name)] = "\x00default"
	}
	for _, name := range m.home.reserved {
		m.taken[foldName(name)] = "\x00reserved"
	}
	for _, n := range m.nodes {
		if n.choice.ok {
			n.choice.to = m.legal(n.choice.to)
			m.taken[foldName(n.choice.to)] = n.in.Name
			m.chosen[foldName(n.choice.to)] = n.choice.to
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
	if n.parent = parent; parent != nil {
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
	var why string
	n.out.Rule, why = m.rule(n)
	if n.out.Rule == RuleJunk || n.out.Rule == RuleTrash {
		n.down = n.out.Rule
	}
	if n.out.Rule != "" {
		n.out.Reason = why
	} else {
		n.out.Target, n.out.Chosen = m.home.path(n.base), n.choice.ok
		n.out.Split = m.selected(m.policy.Folders.SplitByYear, n)
	}
	if n.out.Rule == RuleOutbox {
		n.base = ""
	}
}

// parent finds the nearest listed ancestor; the levels between are part of
// the folder's own name then. What lies right below the root of a subtree has
// none, like a folder beside INBOX, unless the policy has put the root
// elsewhere: then it follows.
func (m *mapper) parent(n *folderNode) *folderNode {
	for i := len(n.levels) - 1; i > 0; i-- {
		if p := m.byPath[levelsKey(n.levels[:i])]; p != nil {
			return p
		}
	}
	if m.root != nil && n != m.root {
		if m.root.choice.ok && m.root.choice.to != m.home.inbox {
			return m.root
		}
	}
	return nil
}

func (m *mapper) target(n, parent *folderNode) (path, reason string) {
	if n.choice.ok {
		return n.choice.to, n.choice.why
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
		reason = followsParent
	}
	if reason == "" {
		reason = n.kept
	}
	if reason == "" && n.in.Wire != "" {
		reason = malformedName
	}
	if m.chosen[foldName(path)] == path && path == n.path() {
		return path, reason // the policy sends others here, too
	}
	if n.noSelect() && parent == nil && m.taken[foldName(path)] == "\x00default" && !strings.EqualFold(path, "Outbox") {
		// A level that holds nothing: what lies below goes below the default folder.
		return m.home.defaults[slices.IndexFunc(m.home.defaults, func(d string) bool { return strings.EqualFold(d, path) })], ""
	}
	if safe, why := m.fit(path); safe != path {
		path, reason = safe, why
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

// fit makes a path of legal levels one that BlueMind takes as a whole.
func (m *mapper) fit(path string) (fitting, why string) {
	if safe := m.home.aside(path); safe != path {
		path, why = safe, "the name means something else to BlueMind"
	}
	if safe := decodedTwice(path, m.policy.TargetVersion); safe != path {
		path, why = safe, "BlueMind 5 would read part of the name as modified UTF-7"
	}
	if wireLen(path) > m.home.room() {
		path, why = cutLevel(strings.ReplaceAll(path, "/", "_"), maxLevelOctets), "name too long for the target"
	}
	return path, why
}

// legal makes what map or rules say a target that BlueMind takes: levels that
// come from the source's names are cleaned, BlueMind's own folders have
// BlueMind's spelling, and two that differ by case alone are one.
func (m *mapper) legal(to string) string {
	var levels []string
	for level := range strings.SplitSeq(to, "/") {
		if level != "" {
			levels = append(levels, sanitizeLevel(level, m.policy.TargetVersion))
		}
	}
	if len(levels) > 0 {
		for _, own := range m.home.defaults {
			if own != "" && strings.EqualFold(own, levels[0]) && own != "Outbox" {
				levels[0] = own
			}
		}
	}
	path, _ := m.fit(strings.Join(levels, "/"))
	if one, ok := m.chosen[foldName(path)]; ok {
		return one
	}
	if len(levels) == 1 && strings.EqualFold(path, "Outbox") || slices.ContainsFunc(m.home.reserved, func(r string) bool { return foldName(r) == foldName(path) }) {
		return m.home.unique(path, m.isTaken)
	}
	return path
}
