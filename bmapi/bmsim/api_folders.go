package bmsim

import (
	"context"
	"errors"
	"strings"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// folderValue is MailboxReplica, the stored subclass of MailboxFolder.
type folderValue struct {
	Name          string         `json:"name"`
	FullName      string         `json:"fullName"`
	ParentUID     directory.Text `json:"parentUid"`
	Deleted       bool           `json:"deleted"`
	LastUID       uint32         `json:"lastUid"`
	HighestModSeq int64          `json:"highestModSeq"`
	UIDValidity   uint32         `json:"uidValidity"`
	DataLocation  *string        `json:"dataLocation"`
}

func folderItem(f mail.Folder) directory.Item[folderValue] {
	return directory.Item[folderValue]{
		Value: folderValue{
			Name: f.Name, FullName: f.FullName, ParentUID: directory.Text(f.ParentUID), Deleted: f.Deleted,
			LastUID: f.LastUID, HighestModSeq: f.HighestModSeq, UIDValidity: f.UIDValidity,
		},
		Meta: directory.Meta{UID: f.UID, InternalID: f.ID, Version: f.HighestModSeq, DisplayName: directory.Text(f.Name), Flags: []string{}},
	}
}

func (s *Sim) folderRoutes() {
	for _, service := range []string{"/mail_folders_container/{subtree}", "/db_replicated_mailboxes_folders/{subtree}"} {
		s.folderReads(service, s.bySubtree)
	}
	s.folderReads("/mail_folders/{partition}/{root}", s.byRoot)
}

func (s *Sim) folderReads(service string, resolve func(*call) (*directory.Entry, error)) {
	read := func(rest string, answer func(*call, *directory.Entry, []mail.Folder) (any, error)) {
		s.router.add("GET", service+rest, func(c *call) (any, error) {
			e, err := resolve(c)
			if err != nil {
				return nil, err
			}
			if err := c.reader(e); err != nil {
				return nil, err
			}
			folders, err := s.folders(c.req.Context(), e)
			if err != nil {
				return nil, err
			}
			return answer(c, e, folders)
		})
	}
	read("/_all", func(_ *call, _ *directory.Entry, folders []mail.Folder) (any, error) {
		all := []directory.Item[folderValue]{}
		for _, f := range folders {
			if !f.Deleted {
				all = append(all, folderItem(f))
			}
		}
		return all, nil
	})
	pick := func(rest string, fits func(*call, *directory.Entry, mail.Folder) bool) {
		read(rest, func(c *call, e *directory.Entry, folders []mail.Folder) (any, error) {
			for _, f := range folders {
				if fits(c, e, f) {
					return folderItem(f), nil
				}
			}
			return null{}, nil
		})
	}
	pick("/byName/{name}", func(c *call, _ *directory.Entry, f mail.Folder) bool {
		return !f.Deleted && f.FullName == c.p("name")
	})
	pick("/{uid}/complete", func(c *call, _ *directory.Entry, f mail.Folder) bool { return f.UID == c.p("uid") })
	pick("/_root", func(_ *call, e *directory.Entry, f mail.Folder) bool { return f.FullName == root(e) })
	pick("/_trash", func(_ *call, e *directory.Entry, f mail.Folder) bool {
		if e.Kind == directory.KindUser {
			return f.FullName == "Trash"
		}
		return f.FullName == root(e)+"/Trash"
	})
}

func root(e *directory.Entry) string {
	if e.Kind == directory.KindUser {
		return "INBOX"
	}
	return e.MailboxName()
}

func (s *Sim) folders(ctx context.Context, e *directory.Entry) ([]mail.Folder, error) {
	folders, err := s.view.Folders(ctx, box(e))
	if errors.Is(err, mail.ErrNotFound) {
		return nil, directory.Faultf(directory.NotFound, "subtree of %s not found", e.UID)
	}
	return folders, err
}

// dotless is how a domain uid appears in the names of subtrees and partitions.
func dotless(domainUID string) string { return strings.ReplaceAll(domainUID, ".", "_") }

func (s *Sim) domainOf(dotlessUID string) (string, bool) {
	for _, d := range s.dir.Domains() {
		if dotless(d.UID) == dotlessUID {
			return d.UID, true
		}
	}
	return "", false
}

// bySubtree resolves subtree_<domain>!user.<uid>, or !<uid> for what is no user.
func (s *Sim) bySubtree(c *call) (*directory.Entry, error) {
	name := c.p("subtree")
	missing := directory.Faultf(directory.NotFound, "subtree %s not found", name)
	rest, ok := strings.CutPrefix(name, "subtree_")
	dom, owner, cut := strings.Cut(rest, "!")
	uid, known := s.domainOf(dom)
	if !ok || !cut || !known {
		return nil, missing
	}
	owner, user := strings.CutPrefix(owner, "user.")
	e, ok := s.dir.Entry(uid, owner)
	if !ok || user != (e.Kind == directory.KindUser) || !e.HasMailbox() {
		return nil, missing
	}
	return e, nil
}

// byRoot resolves a partition and user.<login>, with "^" or "." for dots, or the
// name of a mailshare.
func (s *Sim) byRoot(c *call) (*directory.Entry, error) {
	partition := c.p("partition")
	if _, rest, ok := strings.Cut(partition, "__"); ok {
		partition = rest
	}
	uid, ok := s.domainOf(partition)
	if !ok {
		return nil, directory.Faultf(directory.Unknown, "unknown partition %s", c.p("partition"))
	}
	name, user := strings.CutPrefix(c.p("root"), "user.")
	e, ok := s.dir.ByName(uid, strings.ReplaceAll(name, "^", "."))
	if !ok || user != (e.Kind == directory.KindUser) || !e.HasMailbox() {
		return nil, directory.Faultf(directory.Unknown, "mailbox %s not found", c.p("root"))
	}
	return e, nil
}
