package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/imap"
)

// SourceTree is the part of a source that one account is filled from: the
// login's own mailbox, or a subtree that it can see, such as a public folder or
// another user's.
type SourceTree struct {
	Folders []SourceFolder
	Spaces  SourceNamespaces
	// Subtree is the root of a subtree; nil: the login's own mailbox. The root
	// stands for INBOX, what lies right below it for folders beside INBOX, and
	// special folders are known among these. A root that holds no messages
	// leaves that place to a folder INBOX below it, which is how servers show
	// another user's mailbox.
	Subtree *SourceFolder
	// Share is the name of the shared mailbox that the account goes to; "": a
	// user's own.
	Share string
}

// listTree lists what an account is filled from.
func listTree(ctx context.Context, src *imap.Source, folder string) (SourceTree, error) {
	return treeOf(ctx, src, src.List, folder)
}

// treeOf is listTree, by what list lists.
func treeOf(ctx context.Context, src *imap.Source, list func(context.Context) ([]imap.Mailbox, error), folder string) (SourceTree, error) {
	ns, err := src.Namespace(ctx)
	unknown := refused(err) // RFC 2342 is an extension
	if err != nil && !unknown {
		return SourceTree{}, fmt.Errorf("namespaces: %w", err)
	}
	boxes, err := list(ctx)
	if err != nil {
		return SourceTree{}, fmt.Errorf("list folders: %w", err)
	}
	t := SourceTree{Folders: asFolders(boxes), Spaces: namespacesOf(ns)}
	if unknown {
		t.Spaces.Personal = inboxPrefix(t.Folders)
	}
	if err := markNotMail(ctx, src, t.Folders, t.Spaces.Personal); err != nil {
		return t, err
	}
	if folder == "" {
		return t, nil
	}
	found, err := t.below(folder)
	if err != nil || found != nil {
		return t.only(found), err
	}
	// Some servers show public folders only to who asks for them by name.
	if boxes, err = src.ListBelow(ctx, folder, t.delimiter(folder)); err != nil && !refused(err) {
		return t, fmt.Errorf("list folder %q: %w", folder, err)
	}
	asked := SourceTree{Folders: asFolders(boxes), Spaces: t.Spaces}
	if err := markNotMail(ctx, src, asked.Folders, ""); err != nil {
		return t, err
	}
	if found, err = asked.below(folder); err != nil {
		return t, err
	}
	if found == nil {
		return t, t.unknown(folder)
	}
	return asked.only(found), nil
}

func asFolders(list []imap.Mailbox) []SourceFolder {
	folders := make([]SourceFolder, 0, len(list))
	for _, m := range list {
		f := SourceFolder{Name: m.Name, Delim: m.Delim, Attrs: m.Attrs}
		if m.Malformed {
			f.Wire = m.Wire
		}
		folders = append(folders, f)
	}
	return folders
}

// only is the tree cut down to a subtree.
func (t SourceTree) only(root *SourceFolder) SourceTree {
	if root == nil {
		return t
	}
	t.Subtree = root
	t.Folders = slices.DeleteFunc(t.Folders, func(f SourceFolder) bool { return f.Name != root.Name && !root.above(f.Name) })
	return t
}

// above says whether a folder lies below this one.
func (f *SourceFolder) above(name string) bool {
	if f.Delim == 0 {
		return false
	}
	prefix := f.Name + string(f.Delim)
	if strings.EqualFold(f.Name, "INBOX") && len(name) >= len(prefix) {
		return strings.EqualFold(name[:len(prefix)], prefix)
	}
	return strings.HasPrefix(name, prefix)
}

// foreign says whether a folder belongs to somebody else, or to everybody. One
// that was asked for doesn't.
func (t SourceTree) foreign(f SourceFolder) bool {
	if t.Subtree != nil {
		return false
	}
	if t.Spaces.Rest && t.rest(f.Name) {
		return true
	}
	return slices.ContainsFunc(t.Spaces.Foreign, func(prefix string) bool {
		root := prefix
		if f.Delim != 0 {
			root = strings.TrimSuffix(prefix, string(f.Delim))
		}
		return root != "" && (strings.HasPrefix(f.Name, prefix) || f.Name == root)
	})
}

// rest says whether a folder lies outside of all namespaces with a prefix, as
// everybody's do on a Cyrus without altnamespace: INBOX.x is one's own,
// user.y.x is y's, and x is everybody's.
func (t SourceTree) rest(name string) bool {
	own := strings.EqualFold(name, "INBOX") || len(name) >= len(t.Spaces.Personal) && strings.EqualFold(name[:len(t.Spaces.Personal)], t.Spaces.Personal)
	return !own && !slices.ContainsFunc(slices.Concat(t.Spaces.Foreign, t.Spaces.Virtual), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// virtual says whether a folder lies in a namespace of views, as Dovecot's
// virtual plugin has one.
func (t SourceTree) virtual(f SourceFolder) bool {
	return t.Subtree == nil && slices.ContainsFunc(t.Spaces.Virtual, func(prefix string) bool { return strings.HasPrefix(f.Name, prefix) })
}

// delimiter is what parts levels below a folder that wasn't listed.
func (t SourceTree) delimiter(folder string) rune {
	for _, f := range t.Folders {
		if f.Delim != 0 && (strings.HasPrefix(folder, f.Name+string(f.Delim)) || !strings.ContainsRune(folder, '/')) {
			return f.Delim
		}
	}
	return '/'
}

// below finds the root that is meant: by its name as the source lists it, by
// its levels with "/" between them, without the personal namespace's prefix,
// and at last without regard to case. nil: there is none. A level that isn't
// listed itself is found by what lies below it.
func (t SourceTree) below(folder string) (*SourceFolder, error) {
	ways := []func(f SourceFolder) string{
		func(f SourceFolder) string { return f.Name },
		func(f SourceFolder) string { return strings.Join(f.levels(), "/") },
		func(f SourceFolder) string {
			f.Name = strings.TrimPrefix(f.Name, t.Spaces.Personal)
			return strings.Join(f.levels(), "/")
		},
		func(f SourceFolder) string { return foldName(strings.Join(f.levels(), "/")) },
	}
	folder = strings.TrimRight(folder, "/")
	all := t.withParents()
	for i, way := range ways {
		asked := folder
		if i == len(ways)-1 {
			asked = foldName(folder)
		}
		var found []SourceFolder
		for _, f := range all {
			if name := way(f); name == asked || f.Delim != 0 && name == strings.TrimSuffix(asked, string(f.Delim)) {
				found = append(found, f)
			}
		}
		switch {
		case len(found) == 1:
			return &found[0], nil
		case len(found) > 1:
			return nil, blocked("write source_folder exactly as one of them", "source folder %q may be %s", folder, someNames(found, " or "))
		}
	}
	return nil, nil
}

// withParents is the listing, each name once, with the levels that it leaves
// out.
func (t SourceTree) withParents() []SourceFolder {
	var all []SourceFolder
	seen := map[string]bool{}
	for _, f := range t.Folders {
		if !seen[f.Name] {
			seen[f.Name] = true
			all = append(all, f)
		}
	}
	for _, f := range all[:len(all):len(all)] {
		levels := f.levels()
		for i := 1; i < len(levels); i++ {
			parent := strings.Join(levels[:i], string(f.Delim))
			if parent != "" && !seen[parent] {
				seen[parent] = true
				all = append(all, SourceFolder{Name: parent, Delim: f.Delim, Attrs: []string{`\NonExistent`}})
			}
		}
	}
	return all
}

func (f SourceFolder) levels() []string {
	if f.Delim == 0 {
		return []string{f.Name}
	}
	return strings.Split(strings.TrimSuffix(f.Name, string(f.Delim)), string(f.Delim))
}

// unknown says that a subtree isn't there, and what is.
func (t SourceTree) unknown(folder string) error {
	last := folder[strings.LastIndexAny(folder, "/.")+1:]
	var near []SourceFolder
	for _, f := range t.Folders {
		levels := f.levels()
		if foldName(levels[len(levels)-1]) == foldName(last) {
			near = append(near, f)
		}
	}
	mend := "correct source_folder, or give the source login the right to see the folder"
	if len(near) > 0 {
		mend += "; the source lists " + someNames(near, ", ")
	}
	return blocked(mend, "the source lists no folder %q to this login", folder)
}

// someNames quotes the names of a few folders.
func someNames(list []SourceFolder, between string) string {
	const few = 4
	var names []string
	for _, f := range list[:min(few, len(list))] {
		names = append(names, fmt.Sprintf("%q", f.Name))
	}
	if len(list) > few {
		names = append(names, fmt.Sprintf("%d more", len(list)-few))
	}
	return strings.Join(names, between)
}

// sourceFolders lists an account's folders and decides for each, by the
// policy, where it goes.
func sourceFolders(ctx context.Context, src *imap.Source, a *PlanAccount, p Policy) ([]Mapped, error) {
	return mapSource(ctx, src, src.List, a, p)
}

// mapSource is sourceFolders, by what list lists.
func mapSource(ctx context.Context, src *imap.Source, list func(context.Context) ([]imap.Mailbox, error), a *PlanAccount, p Policy) ([]Mapped, error) {
	t, err := treeOf(ctx, src, list, a.SourceFolder)
	if err != nil {
		return nil, err
	}
	t.Share = shareName(a.Kind, a.Address)
	return MapFolders(t, p)
}

// shareName is the first level of a shared mailbox's folders in plan and state:
// what stands before the @ of its address. "" for a user's.
func shareName(kind, address string) string {
	if kind != KindShare {
		return ""
	}
	name, _, _ := strings.Cut(address, "@")
	return name
}

// inboxPrefix is the personal namespace of a server that doesn't tell: INBOX
// where all other folders lie below it, as on Courier and Cyrus.
func inboxPrefix(folders []SourceFolder) string {
	prefix := ""
	for _, f := range folders {
		if strings.EqualFold(f.Name, "INBOX") {
			continue
		}
		if f.Delim == 0 || len(f.Name) <= 6 || !strings.EqualFold(f.Name[:5], "INBOX") || f.Name[5:6] != string(f.Delim) {
			return ""
		}
		prefix = f.Name[:6]
	}
	return prefix
}

func namespacesOf(ns imap.Namespaces) SourceNamespaces {
	var out SourceNamespaces
	// Of several personal namespaces the first is the one that holds the mail.
	// Its prefix is stripped where it is INBOX, or where no other is beside it;
	// else it is a folder.
	own := slices.DeleteFunc(slices.Clone(ns.Personal), func(e imap.NamespaceEntry) bool {
		if views := strings.EqualFold(strings.TrimRight(e.Prefix, "./"), "virtual"); views {
			out.Virtual = append(out.Virtual, e.Prefix)
			return true
		}
		return false
	})
	if len(own) == 1 || len(own) > 0 && strings.EqualFold(strings.TrimRight(own[0].Prefix, "./"), "INBOX") {
		out.Personal = own[0].Prefix
	}
	for i, e := range append(slices.Clip(ns.Other), ns.Shared...) {
		if e.Prefix == "" {
			out.Rest = out.Rest || out.Personal != "" && i >= len(ns.Other)
			continue
		}
		out.Foreign = append(out.Foreign, e.Prefix)
		if i >= len(ns.Other) {
			out.Public = append(out.Public, e.Prefix)
		}
	}
	return out
}
