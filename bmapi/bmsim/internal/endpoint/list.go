package endpoint

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

// node is a folder in a listing.
type node struct {
	mail.Folder
	name     string // as the user names it
	own      bool
	children bool
}

var specialUse = map[string]string{"Sent": `\sent`, "Trash": `\trash`, "Drafts": `\drafts`, "Junk": `\junk`}

// parseList is LIST, LSUB and XLIST. The arguments are cut apart without regard
// to escapes; what follows a pattern becomes part of it, so that extended forms
// (RFC 5258) match nothing.
func (s *session) parseList(verb string) func(*command, *task) error {
	return func(c *command, t *task) error {
		text, err := c.flat(true)
		if err != nil {
			return err
		}
		reference, pattern, err := listArguments(text)
		if err != nil {
			return err
		}
		t.needs = authenticated
		t.run = func(ctx context.Context) error {
			var out strings.Builder
			if reference == "" && pattern == "" {
				fmt.Fprintf(&out, "* %s (\\Noselect) \"/\" \"\"\r\n", verb)
			} else {
				nodes, err := s.acct.Load().list(ctx, reference, pattern)
				if err != nil {
					return err
				}
				for _, n := range nodes {
					out.WriteString(n.line(verb))
				}
			}
			s.out.line("%s%s OK Completed", out.String(), t.tag)
			return nil
		}
		return nil
	}
}

func (n node) line(verb string) string {
	attrs := `\HasNoChildren`
	if n.children {
		attrs = `\HasChildren`
	}
	if use := specialUse[n.FullName]; use != "" && n.own && verb == "XLIST" {
		attrs += " " + use
	}
	return fmt.Sprintf("* %s (%s) \"/\" \"%s\"\r\n", verb, attrs, mail.EncodeUTF7(n.name))
}

func listArguments(text string) (reference, pattern string, err error) {
	_, args, ok := strings.Cut(text, " ")
	if !ok || args == "" {
		return "", "", badf("reference & mailbox pattern missing from '%s'", text)
	}
	if args[0] == '"' {
		reference, pattern, ok = strings.Cut(args[1:], `" `)
	} else {
		reference, pattern, ok = strings.Cut(args, " ")
	}
	if !ok || pattern == "" {
		return "", "", outside(0, -1, len(args))
	}
	if pattern[0] == '"' {
		if len(pattern) < 2 {
			return "", "", outside(1, 0, len(pattern))
		}
		pattern = pattern[1 : len(pattern)-1]
	}
	return reference, pattern, nil
}

// list names the folders of a user and, behind them, those of boxes he is
// subscribed to, that match.
func (a *account) list(ctx context.Context, reference, pattern string) ([]node, error) {
	pattern = strings.ReplaceAll(pattern, `"`, "")
	if strings.EqualFold(pattern, inbox) {
		pattern = inbox
	}
	nodes, err := a.hierarchy(ctx)
	if err != nil {
		return nil, err
	}
	if pattern, err = decodeName(pattern); err != nil {
		return nil, err
	}
	if reference, err = decodeName(reference); err != nil {
		return nil, err
	}
	match := glob(pattern)
	var found []node
	for _, n := range nodes {
		if strings.HasPrefix(n.name, reference) && match(n.name) {
			found = append(found, n)
		}
	}
	sort.SliceStable(found, func(i, j int) bool { return before(found[i], found[j]) })
	return found, nil
}

// before sorts own folders first, and INBOX first of all.
func before(x, y node) bool {
	if x.own != y.own {
		return x.own
	}
	if (x.name == inbox) != (y.name == inbox) {
		return x.name == inbox
	}
	return x.name < y.name
}

func (a *account) hierarchy(ctx context.Context) ([]node, error) {
	all, err := a.folders(ctx, a.Box)
	if err != nil || a.srv.Shares == nil {
		return all, err
	}
	shares, err := a.srv.Shares(ctx, a.Box)
	if err != nil {
		return nil, err
	}
	for _, box := range shares {
		if box == a.Box {
			continue
		}
		more, err := a.folders(ctx, box)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func (a *account) folders(ctx context.Context, box mail.Box) ([]node, error) {
	folders, err := a.srv.Store.Folders(ctx, box)
	if err != nil {
		return nil, err
	}
	parents := map[string]bool{}
	for _, f := range folders {
		parents[f.ParentUID] = true
	}
	nodes := make([]node, 0, len(folders))
	for _, f := range folders {
		nodes = append(nodes, node{Folder: f, name: a.mounted(box, f.FullName), own: box == a.Box, children: parents[f.UID]})
	}
	return nodes, nil
}

// mounted is the name a user has for a folder of a box.
func (a *account) mounted(box mail.Box, fullName string) string {
	switch {
	case box == a.Box:
		return fullName
	case box.Shared():
		return a.sharedPrefix() + fullName
	case fullName == inbox:
		return a.userPrefix() + box.Name
	default:
		return a.userPrefix() + box.Name + "/" + fullName
	}
}

// glob compiles a pattern as BlueMind does: a lone "%" stays on the top level, a
// lone "*" takes all, and any other is held to the beginning of a name alone,
// where "%" means one or more characters of a level.
func glob(pattern string) func(name string) bool {
	switch pattern {
	case "%":
		return func(name string) bool { return !strings.Contains(name, "/") }
	case "*":
		return func(string) bool { return true }
	}
	var re strings.Builder
	re.WriteString("^")
	for _, c := range pattern {
		switch c {
		case '%':
			re.WriteString("[^/]+")
		case '*':
			re.WriteString("(?:.*$)")
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	compiled, err := regexp.Compile(re.String())
	if err != nil { // longer than a pattern may be: no folder has such a name
		return func(string) bool { return false }
	}
	return compiled.MatchString
}
