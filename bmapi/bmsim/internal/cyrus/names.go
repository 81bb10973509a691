package cyrus

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

// Names as the administrator sees them: user/ada@dom, user/ada/Sent@dom,
// share@dom, share/Sent@dom, in modified UTF-7.

// root is the internal name of a box itself.
func root(box mail.Box) string {
	if box.Kind == mail.KindUser {
		return "user/" + mail.EncodeUTF7(box.Name) + "@" + box.Domain
	}
	return mail.EncodeUTF7(box.Name) + "@" + box.Domain
}

// internal is the internal name of a folder of a box. INBOX is a user's root,
// the share's name a mailshare's.
func internal(box mail.Box, fullName string) string {
	if fullName == rootFolder(box) {
		return root(box)
	}
	if box.Kind == mail.KindUser {
		return "user/" + mail.EncodeUTF7(box.Name) + "/" + mail.EncodeUTF7(fullName) + "@" + box.Domain
	}
	return mail.EncodeUTF7(fullName) + "@" + box.Domain
}

// rootFolder is the full name of a box's first folder.
func rootFolder(box mail.Box) string {
	if box.Kind == mail.KindUser {
		return "INBOX"
	}
	return box.Name
}

// fullName is what internal came from.
func fullName(box mail.Box, wire string) (string, error) {
	if wire == root(box) {
		return rootFolder(box), nil
	}
	path := strings.TrimSuffix(wire, "@"+box.Domain)
	if box.Kind == mail.KindUser {
		path = strings.TrimPrefix(path, "user/"+mail.EncodeUTF7(box.Name)+"/")
	}
	name, ok := mail.DecodeUTF7(path)
	if !ok {
		return "", fmt.Errorf("mailbox name %q is no modified UTF-7", path)
	}
	return name, nil
}

// owner is a user's name as Cyrus has it in rights and logins.
func (s *Server) owner(box mail.Box) string { return box.Name + "@" + box.Domain }

// sharedPrefix is what users see before the names of mailshares.
func (s *Server) sharedPrefix(ctx context.Context, c *client) (string, error) {
	s.mu.Lock()
	known := s.shared
	s.mu.Unlock()
	if known != "" {
		return known, nil
	}
	err := c.do(ctx, func(v []value) error {
		if len(v) == 4 && v[0].is("NAMESPACE") && len(v[3].list) > 0 && len(v[3].list[0].list) > 0 {
			known = v[3].list[0].list[0].String()
		}
		return nil
	}, "NAMESPACE")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared = known
	return known, err
}

// itemID makes a number of a uniqueid that stays below 2^53, for JSON's sake.
func itemID(uid string) int64 {
	h := fnv.New64a()
	h.Write([]byte(uid))
	return int64(h.Sum64() >> 12)
}
