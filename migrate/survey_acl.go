package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bmsync/imap"
)

// sourceACL is who may do what with the folders of one account, as the source
// writes it.
type sourceACL struct {
	folders  []string // looked at, the root first
	grants   map[sourceGrantee]map[string]string
	unread   []string // folders whose list the source keeps from the login
	mine     string   // where no list could be read: what the login itself may do with the root
	mineOnly bool
}

type sourceGrantee struct {
	identifier string
	negative   bool
}

// surveyACL reads the access lists of what is copied. A server whose first
// folder has none to show is asked what the login itself may do with it, and
// no more.
func surveyACL(ctx context.Context, src *imap.Source, mapped []Mapped) (*sourceACL, error) {
	if !src.Can("ACL") {
		return nil, nil
	}
	acl := &sourceACL{grants: map[sourceGrantee]map[string]string{}}
	for _, name := range rootFirst(mapped) {
		list, err := src.ACL(ctx, name)
		switch {
		case err == nil:
			acl.add(name, list)
		case !refused(err):
			return nil, fmt.Errorf("access list of %q: %w", name, err)
		case len(acl.folders) > 0:
			acl.unread = append(acl.unread, name)
		default:
			mine, err := src.MyRights(ctx, name)
			if err != nil && !refused(err) {
				return nil, fmt.Errorf("rights on %q: %w", name, err)
			}
			acl.folders, acl.mine, acl.mineOnly = []string{name}, mine, true
			return acl, nil
		}
	}
	return acl, nil
}

func (acl *sourceACL) add(folder string, list []imap.Grant) {
	acl.folders = append(acl.folders, folder)
	for _, g := range list {
		key := sourceGrantee{g.Identifier, g.Negative}
		if acl.grants[key] == nil {
			acl.grants[key] = map[string]string{}
		}
		acl.grants[key][folder] += strings.ToLower(g.Rights)
	}
}

// grantees are in an order of their own, so that two plans are alike.
func (acl *sourceACL) grantees() []sourceGrantee {
	return slices.SortedFunc(maps.Keys(acl.grants), func(a, b sourceGrantee) int {
		if a.identifier != b.identifier {
			return strings.Compare(a.identifier, b.identifier)
		}
		if a.negative == b.negative {
			return 0
		}
		if b.negative {
			return -1
		}
		return 1
	})
}

// rootFirst are the folders that are copied: INBOX, or the root of a subtree,
// before the rest.
func rootFirst(mapped []Mapped) []string {
	var names []string
	for _, m := range mapped {
		switch {
		case m.Rule != "":
		case m.Role == RoleInbox:
			names = slices.Insert(names, 0, m.Source)
		default:
			names = append(names, m.Source)
		}
	}
	return names
}
