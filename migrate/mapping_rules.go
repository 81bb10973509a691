package migrate

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// choice is what the policy's map or one of its rules says of a folder.
type choice struct {
	ok      bool
	to      string // below home
	exclude bool
	why     string
}

// mappedByPolicy is why a folder goes to where the map sends it.
const mappedByPolicy = "mapped by the policy"

// choose asks map and rules about every folder.
func (m *mapper) choose() error {
	rules := make([]*regexp.Regexp, len(m.policy.Folders.Rules))
	for i, rule := range m.policy.Folders.Rules {
		re, err := rule.compile()
		if err != nil {
			return fmt.Errorf("policy.folders.rules: %w", err)
		}
		rules[i] = re
	}
	for _, n := range m.nodes {
		if to, ok := m.mapped(n); ok {
			n.choice = choice{ok: true, to: to, why: mappedByPolicy}
			continue
		}
		var err error
		if n.choice, err = m.byRule(n, rules); err != nil {
			return err
		}
	}
	return nil
}

// mapped finds a folder in the policy's map, by its name at the source or with
// "/" between levels. What it gives is below home.
func (m *mapper) mapped(n *folderNode) (string, bool) {
	to, ok := m.policy.Folders.Map[n.in.Name]
	if !ok {
		to, ok = m.policy.Folders.Map[n.path()]
	}
	return m.home.within(to), ok
}

// byRule finds the first rule that matches a folder's whole path.
func (m *mapper) byRule(n *folderNode, rules []*regexp.Regexp) (choice, error) {
	path := n.path()
	for i, re := range rules {
		groups := re.FindStringSubmatchIndex(path)
		if groups == nil {
			continue
		}
		rule := m.policy.Folders.Rules[i]
		why := fmt.Sprintf("%s %d of the policy, %#q", byRuleMark, i+1, rule.Match) // in backquotes, so that no backslash is doubled
		if rule.Exclude {
			return choice{exclude: true, why: why}, nil
		}
		to := string(re.ExpandString(nil, rule.To, path, groups))
		if strings.Trim(to, "/") == "" {
			return choice{}, blocked("give the rule a target that isn't empty, and plan again", "rule %d of policy.folders.rules makes no name of folder %q", i+1, n.in.Name)
		}
		return choice{ok: true, to: m.home.within(strings.Trim(to, "/")), why: why}, nil
	}
	return choice{}, nil
}

// byRuleMark begins the reason of what a rule has decided.
const byRuleMark = "by rule"

// rule finds the rule that excludes a folder, and why; "" if none. A parent's
// rule for junk, trash and namespaces holds for what lies below it.
func (m *mapper) rule(n *folderNode) (rule, why string) {
	p := m.policy.Folders
	switch {
	case m.tree.foreign(n.in):
		return RuleNamespace, "other people's, or everybody's"
	case n.noSelect():
		return RuleNoSelect, ""
	case n.role == RoleAll, n.role == RoleFlagged, n.role == RoleImportant, m.tree.virtual(n.in):
		return RuleVirtual, "a view of messages that lie in other folders"
	case n.role == RoleOutbox:
		return RuleOutbox, "BlueMind could send what is in it"
	case n.in.NotMail != "" && !n.choice.ok:
		return RuleNotMail, ""
	}
	if n.choice.exclude {
		return RulePolicy, n.choice.why
	}
	if pattern, ok := m.selectedBy(p.Exclude, n); ok {
		return RulePolicy, fmt.Sprintf("excluded by %q", pattern)
	}
	if len(p.Include) > 0 && !m.selected(p.Include, n) {
		return RulePolicy, "the policy's include doesn't name it"
	}
	switch {
	case p.SubscribedOnly != nil && *p.SubscribedOnly && n.role != RoleInbox && !hasKeyword(n.in.Attrs, `\Subscribed`):
		return RuleUnsubscribed, "the policy takes subscribed folders only"
	case n.role == RoleJunk && p.Junk != Copy:
		return RuleJunk, n.how
	case n.role == RoleTrash && p.Trash == Exclude:
		return RuleTrash, n.how
	case n.down != "":
		return n.down, "lies below it"
	}
	return "", ""
}

// subscriptions makes sure that leaving out what isn't subscribed to doesn't
// leave out everything: a source that doesn't tell, or a user who never saw
// subscriptions, is for a person to decide.
func (m *mapper) subscriptions() error {
	if only := m.policy.Folders.SubscribedOnly; only == nil || !*only {
		return nil
	}
	own := 0
	for _, n := range m.nodes {
		if n.noSelect() || m.tree.foreign(n.in) || n.role == RoleInbox {
			continue
		}
		if own++; hasKeyword(n.in.Attrs, `\Subscribed`) {
			return nil
		}
	}
	if own == 0 {
		return nil
	}
	return blocked("give the account an exception with folders: {subscribed_only: false}, or subscribe to its folders at the source",
		"the policy takes subscribed folders only, and the source tells of no subscription to any of %d folders", own)
}

// roleMark begins an entry of a list of folders that names a role.
const roleMark = "role:"

// selected says whether a list of names, patterns and roles means a folder.
func (m *mapper) selected(list []string, n *folderNode) bool {
	_, ok := m.selectedBy(list, n)
	return ok
}

// selectedBy gives the entry of a list that means a folder.
func (m *mapper) selectedBy(list []string, n *folderNode) (entry string, ok bool) {
	i := slices.IndexFunc(list, func(pattern string) bool {
		if role, isRole := strings.CutPrefix(pattern, roleMark); isRole {
			return n.inside(Role(role))
		}
		return matchName(pattern, n.in.Name) || matchName(pattern, n.path())
	})
	if i < 0 {
		return "", false
	}
	return list[i], true
}

// inside says whether a folder has a role, or lies below one that has.
func (n *folderNode) inside(role Role) bool {
	for ; n != nil; n = n.parent {
		if n.role == role {
			return true
		}
	}
	return false
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

// mergedMark parts the reason of a decision from the folders that go to the
// same target.
const mergedMark = "; goes into one folder with "

// merge tells of folders that go to one target, which the policy's map or rules
// must have said.
func (m *mapper) merge(out []Mapped) error {
	together := map[string][]int{}
	for i, f := range out {
		if f.Rule == "" {
			key := foldName(f.Target)
			together[key] = append(together[key], i)
		}
	}
	for _, list := range together {
		if len(list) == 1 {
			continue
		}
		var names []string
		free := 0 // that no policy sends here
		for _, i := range list {
			names = append(names, fmt.Sprintf("%q", out[i].Source))
			if !out[i].Chosen {
				free++
			}
			if out[i].Split {
				return blocked("take one of the two out of the policy", "folder %q is split by year, and others go to %q too", out[i].Source, out[i].Target)
			}
		}
		if free > 1 {
			return fmt.Errorf("folders %s would all go to %q", strings.Join(names, ", "), out[list[0]].Target)
		}
		for k, i := range list {
			others := slices.Delete(slices.Clone(names), k, k+1)
			out[i].Reason = strings.TrimPrefix(out[i].Reason+mergedMark+few(others, 3), "; ")
		}
	}
	return nil
}
