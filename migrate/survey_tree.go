package migrate

import (
	"context"
	"slices"
	"strings"

	"bmsync/imap"
)

// mappedTree lists what an account is filled from, and decides where it goes.
func mappedTree(ctx context.Context, src *imap.Source, a *PlanAccount, p Policy) (SourceTree, []Mapped, error) {
	t, err := listTree(ctx, src, a.SourceFolder)
	if err != nil {
		return t, nil, err
	}
	t.Share = shareName(a.Kind, a.Address)
	mapped, err := MapFolders(t, p)
	return t, mapped, err
}

// othersRoot is the name of a subtree that belongs to another user or to
// everybody, "" if it is the login's own or the whole mailbox.
func (t SourceTree) othersRoot() string {
	if t.Subtree == nil {
		return ""
	}
	name := t.Subtree.Name
	if !slices.ContainsFunc(t.Spaces.Foreign, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return ""
	}
	return treeKey(*t.Subtree)
}

// publicRoots are the mailboxes of everybody that the login sees, each by its
// first level below the namespace's prefix.
func (t SourceTree) publicRoots() []string {
	var roots []string
	prefixes := t.Spaces.Public
	if t.Spaces.Rest {
		prefixes = append(slices.Clip(prefixes), "")
	}
	for _, f := range t.Folders {
		for _, prefix := range prefixes {
			if prefix == "" && !t.rest(f.Name) {
				continue
			}
			rest, ok := strings.CutPrefix(f.Name, prefix)
			if t.Subtree != nil || !ok || rest == "" || noSelect(f.Attrs) {
				continue
			}
			root := f
			if f.Delim != 0 {
				rest, _, _ = strings.Cut(rest, string(f.Delim))
			}
			root.Name = prefix + rest
			if key := treeKey(root); !slices.Contains(roots, key) {
				roots = append(roots, key)
			}
		}
	}
	return roots
}

// treeKey is a folder's name with "/" between levels.
func treeKey(f SourceFolder) string { return strings.Join(f.levels(), "/") }

// within says whether one path of levels is the other or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}
