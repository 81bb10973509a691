package cyrus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"bmsync/bmapi/bmsim/internal/mail"
)

// folder is what is known of a folder. Records are read again only from where
// HIGHESTMODSEQ stood.
type folder struct {
	box  mail.Box
	name string // full name

	mu       sync.Mutex
	validity uint32
	modseq   int64
	records  []mail.Record // by UID; those that went are marked
}

// listed is a folder as the administrator lists it.
type listed struct {
	wire     string
	uid      string // uniqueid
	validity uint32
	next     uint32
	modseq   int64
	size     int64
}

// list gives the folders of a box, none for an unknown one.
func list(ctx context.Context, c *client, box mail.Box) ([]listed, error) {
	var found []listed
	at := func(name value) *listed {
		i := slices.IndexFunc(found, func(l listed) bool { return l.wire == name.String() })
		if i < 0 {
			return &listed{} // of a folder that is not selectable
		}
		return &found[i]
	}
	below := strings.TrimSuffix(root(box), "@"+box.Domain) + "/*@" + box.Domain
	err := c.do(ctx, func(v []value) error {
		switch {
		case len(v) >= 4 && v[0].is("LIST"):
			if !slices.ContainsFunc(v[1].list, func(a value) bool { return a.is(`\Noselect`) || a.is(`\NonExistent`) }) {
				found = append(found, listed{wire: v[3].String()})
			}
		case len(v) == 3 && v[0].is("STATUS"):
			return readStatus(at(v[1]), v[2])
		case len(v) == 3 && v[0].is("METADATA") && len(v[2].list) == 2:
			at(v[1]).uid = v[2].list[1].String()
		}
		return nil
	}, `LIST "" (%s %s) RETURN (METADATA (%s) STATUS (%s))`, quote(root(box)), quote(below),
		"/shared/vendor/cmu/cyrus-imapd/uniqueid", "UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE")
	return found, err
}

func readStatus(l *listed, items value) error {
	return items.pairs(func(name string, v value) error {
		n, err := v.number()
		if err != nil {
			return err
		}
		switch name {
		case "UIDNEXT":
			l.next = uint32(n)
		case "UIDVALIDITY":
			l.validity = uint32(n)
		case "HIGHESTMODSEQ":
			l.modseq = n
		case "SIZE":
			l.size = n
		}
		return nil
	})
}

// Folders lists a box's folders by full name.
func (s *Server) Folders(ctx context.Context, box mail.Box) ([]mail.Folder, error) {
	found, err := s.list(ctx, box)
	if err != nil {
		return nil, err
	}
	var folders []mail.Folder
	uids := map[string]string{} // full name → uid
	for _, l := range found {
		name, err := fullName(box, l.wire)
		if err != nil {
			return nil, fmt.Errorf("cyrus: %w", err)
		}
		uids[name] = l.uid
		folders = append(folders, mail.Folder{
			UID: l.uid, ID: itemID(l.uid), Name: name[strings.LastIndexByte(name, '/')+1:], FullName: name,
			UIDValidity: l.validity, LastUID: max(l.next, 1) - 1, HighestModSeq: l.modseq,
		})
		s.remember(box, name, l.uid)
	}
	for i, f := range folders {
		if cut := strings.LastIndexByte(f.FullName, '/'); cut > 0 {
			folders[i].ParentUID = uids[f.FullName[:cut]]
		}
	}
	slices.SortFunc(folders, func(a, b mail.Folder) int { return strings.Compare(a.FullName, b.FullName) })
	return folders, nil
}

// list is list with a session; a box without a root is not found.
func (s *Server) list(ctx context.Context, box mail.Box) (found []listed, err error) {
	err = s.pool.with(ctx, "", func(c *client) error {
		found, err = list(ctx, c, box)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cyrus: list %s: %w", root(box), err)
	}
	if !slices.ContainsFunc(found, func(l listed) bool { return l.wire == root(box) }) {
		return nil, fmt.Errorf("cyrus: box %s: %w", root(box), mail.ErrNotFound)
	}
	s.know(box)
	return found, nil
}

func (s *Server) remember(box mail.Box, name, uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.folders[uid]; f == nil || f.name != name || f.box != box {
		s.folders[uid] = &folder{box: box, name: name}
	}
}

// FolderByUID finds a folder in any box that was made or listed here.
func (s *Server) FolderByUID(ctx context.Context, uid string) (mail.Box, mail.Folder, error) {
	s.mu.Lock()
	known := s.folders[uid]
	boxes := make([]mail.Box, 0, len(s.boxes)+1)
	if known != nil {
		boxes = append(boxes, known.box)
	}
	for box := range s.boxes {
		boxes = append(boxes, box)
	}
	s.mu.Unlock()
	for _, box := range boxes {
		folders, err := s.Folders(ctx, box)
		if err != nil && !errors.Is(err, mail.ErrNotFound) {
			return mail.Box{}, mail.Folder{}, err
		}
		if i := slices.IndexFunc(folders, func(f mail.Folder) bool { return f.UID == uid }); i >= 0 {
			return box, folders[i], nil
		}
	}
	return mail.Box{}, mail.Folder{}, fmt.Errorf("cyrus: folder %q: %w", uid, mail.ErrNotFound)
}

// folder finds what is known of a folder, looking for it if need be.
func (s *Server) folder(ctx context.Context, uid string) (*folder, error) {
	s.mu.Lock()
	f := s.folders[uid]
	s.mu.Unlock()
	if f != nil {
		return f, nil
	}
	if _, _, err := s.FolderByUID(ctx, uid); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f = s.folders[uid]; f == nil {
		return nil, fmt.Errorf("cyrus: folder %q: %w", uid, mail.ErrNotFound)
	}
	return f, nil
}

// reader is as whom a folder is read, and its name for that reader.
func (s *Server) reader(f *folder) (as, name string) {
	if f.box.Kind != mail.KindUser {
		return "", internal(f.box, f.name)
	}
	return s.owner(f.box), mail.EncodeUTF7(f.name)
}

// Body opens the octets of a message.
func (s *Server) Body(ctx context.Context, folderUID string, uid uint32) (io.ReadCloser, int64, error) {
	f, err := s.folder(ctx, folderUID)
	if err != nil {
		return nil, 0, err
	}
	as, name := s.reader(f)
	var body []byte
	found := false
	err = s.pool.with(ctx, as, func(c *client) error {
		if err := c.do(ctx, nil, "EXAMINE %s", quote(name)); err != nil {
			return err
		}
		return c.do(ctx, func(v []value) error {
			if len(v) != 3 || !v[1].is("FETCH") {
				return nil
			}
			return v[2].pairs(func(item string, v value) error {
				if item == "BODY[]" {
					body, found = v.text, true
				}
				return nil
			})
		}, "UID FETCH %d (UID BODY.PEEK[])", uid)
	})
	switch {
	case err != nil:
		return nil, 0, notFound(fmt.Errorf("cyrus: message %d of %q: %w", uid, f.name, err))
	case !found:
		return nil, 0, fmt.Errorf("cyrus: message %d of %q: %w", uid, f.name, mail.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
}

// Used sums the sizes of a box's messages.
func (s *Server) Used(ctx context.Context, box mail.Box) (int64, error) {
	found, err := s.list(ctx, box)
	if err != nil {
		return 0, err
	}
	var used int64
	for _, l := range found {
		used += l.size
	}
	return used, nil
}
