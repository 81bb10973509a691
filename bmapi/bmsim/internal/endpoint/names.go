package endpoint

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/time/rate"

	"bmsync/bmapi/bmsim/internal/mail"
)

const inbox = "INBOX"

// account is what a connection may do once somebody has logged in.
type account struct {
	Login
	srv    *server
	name   string // as the client sent it
	bucket *rate.Limiter
}

// place is a folder as somebody sees it.
type place struct {
	box      mail.Box
	folder   mail.Folder
	own      bool
	readOnly bool
}

// decodeName reads modified UTF-7. What BlueMind's library can't read raises an
// Error there, and the command has no answer.
func decodeName(wire string) (string, error) {
	if name, ok := mail.DecodeUTF7(wire); ok {
		return name, nil
	}
	return "", errNoAnswer
}

// replicaName is the name a folder is looked up by: one that is all in ASCII is
// decoded once more, where it can be. So a folder "a&AOk-b" is "aéb" for CREATE,
// for SELECT and for APPEND alike, and LIST shows that.
func replicaName(name string) string {
	for i := range len(name) {
		if name[i] > 0x7F {
			return name
		}
	}
	if decoded, ok := mail.DecodeUTF7(name); ok {
		return decoded
	}
	return name
}

func (a *account) userPrefix() string   { return a.srv.UserRoot + "/" }
func (a *account) sharedPrefix() string { return a.srv.SharedRoot + "/" }

// shared says whether a name is below one of the virtual roots.
func (a *account) shared(name string) bool {
	return strings.HasPrefix(name, a.userPrefix()) || strings.HasPrefix(name, a.sharedPrefix())
}

// locate finds whose box a name is in and the full name there. Below a virtual
// root the box is found by its name alone, of either kind.
func (a *account) locate(name string) (box mail.Box, fullName string, ok bool) {
	rest, cut := strings.CutPrefix(name, a.userPrefix())
	if !cut {
		rest, cut = strings.CutPrefix(name, a.sharedPrefix())
	}
	if !cut {
		return a.Box, name, true
	}
	owner, below, deeper := strings.Cut(rest, "/")
	box, err := a.srv.Store.BoxByName(a.Box.Domain, owner)
	if err != nil {
		return mail.Box{}, "", false
	}
	switch {
	case box.Shared():
		return box, rest, true
	case deeper:
		return box, below, true
	default:
		return box, inbox, true
	}
}

func (a *account) readable(ctx context.Context, box mail.Box) bool {
	return box == a.Box || a.srv.Readable != nil && a.srv.Readable(ctx, a.Box, box)
}

func (a *account) writable(ctx context.Context, box mail.Box) bool {
	return box == a.Box || a.srv.Writable == nil || a.srv.Writable(ctx, a.Box, box)
}

// resolve finds a folder that may be read. BlueMind asks for no other right
// before it selects, and selects before it appends.
func (a *account) resolve(ctx context.Context, name string) (place, bool) {
	if strings.TrimSpace(name) == "" {
		return place{}, false
	}
	box, fullName, ok := a.locate(name)
	if !ok || !a.readable(ctx, box) {
		return place{}, false
	}
	f, err := a.srv.Store.FolderByName(box, replicaName(fullName))
	if err != nil {
		return place{}, false
	}
	return place{
		box: box, folder: f,
		own:      box == a.Box && !a.shared(name),
		readOnly: !a.writable(ctx, box),
	}, true
}

// target is the box and full name that a folder to be made has. Not ok: BlueMind
// sees the name as one that exists.
func (a *account) target(ctx context.Context, name string) (box mail.Box, fullName string, ok bool, err error) {
	if !a.shared(name) {
		return a.Box, name, true, nil
	}
	parentName := name[:strings.LastIndexByte(name, '/')]
	box, parentFull, found := a.locate(parentName)
	if !found || !a.readable(ctx, box) {
		return box, "", false, bad("no mailbox at " + parentName)
	}
	parent, err := a.srv.Store.FolderByName(box, replicaName(parentFull))
	if err != nil {
		return box, "", false, nil // no error: a parent that is missing looks like a name that exists
	}
	if strings.HasPrefix(name, a.sharedPrefix()) {
		return box, parent.FullName + name[strings.LastIndexByte(name, '/'):], true, nil
	}
	return box, strings.TrimPrefix(name, a.userPrefix()+box.Name+"/"), true, nil
}

func (s *session) parseCreate(c *command, t *task) error {
	name, err := c.folderArg("create")
	if err != nil {
		return err
	}
	t.folder, t.needs = name, authenticated
	t.run = func(ctx context.Context) error {
		made, err := s.acct.Load().create(ctx, name)
		switch {
		case err != nil:
			return err
		case made:
			s.out.line("%s OK create completed", t.tag)
		default:
			s.out.line("%s NO create failed, already exists", t.tag)
		}
		return nil
	}
	return nil
}

func (a *account) create(ctx context.Context, name string) (made bool, err error) {
	if name == a.srv.SharedRoot || name == a.srv.UserRoot {
		return false, nil
	}
	box, fullName, ok, err := a.target(ctx, name)
	if err != nil || !ok {
		return false, err
	}
	if _, err := a.srv.Store.FolderByName(box, replicaName(fullName)); err == nil {
		return false, nil
	}
	if _, err := a.srv.Store.CreateFolder(ctx, box, fullName); err != nil {
		return false, err
	}
	return true, nil
}

func (s *session) parseDelete(c *command, t *task) error {
	name, err := c.folderArg("delete")
	if err != nil {
		return err
	}
	t.folder, t.needs = name, authenticated
	t.run = func(ctx context.Context) error {
		done, err := s.acct.Load().remove(ctx, name)
		switch {
		case err != nil:
			return err
		case done:
			s.out.line("%s OK delete completed", t.tag)
		default:
			s.out.line("%s NO delete failed", t.tag)
		}
		return nil
	}
	return nil
}

// remove deletes a folder unless it is protected or has others below it. The
// look for those decodes the decoded name once more: it misses the children of a
// name with an accent, and gets no answer for one with "&".
func (a *account) remove(ctx context.Context, name string) (done bool, err error) {
	p, ok := a.resolve(ctx, name)
	if !ok || p.readOnly || mail.Protected(p.box, p.folder.FullName) {
		return false, nil
	}
	children, err := a.list(ctx, "", name+"/")
	if err != nil || len(children) > 0 {
		return false, err
	}
	return true, a.srv.Store.DeleteFolder(ctx, p.folder.UID)
}

func (s *session) parseRename(c *command, t *task) error {
	m, err := c.match(renamePattern, "rename")
	if err != nil {
		return err
	}
	from, err := decodeName(m[1])
	if err != nil {
		return err
	}
	to, err := decodeName(m[2])
	if err != nil {
		return err
	}
	t.folder, t.needs = from, authenticated
	t.run = func(ctx context.Context) error {
		a := s.acct.Load()
		p, ok := a.resolve(ctx, from)
		if !ok {
			s.out.line("%s NO rename failure: source folder does not exists", t.tag)
			return nil
		}
		if _, exists := a.resolve(ctx, to); exists {
			s.out.line("%s NO rename failure: destination folder already exists", t.tag)
			return nil
		}
		done, err := a.rename(ctx, p, from, to)
		switch {
		case err != nil:
			return err
		case done:
			s.out.line("%s OK rename completed", t.tag)
		default:
			s.out.line("%s NO rename failed", t.tag)
		}
		return nil
	}
	return nil
}

// rename moves a folder and, by the same look as remove's, those below it.
func (a *account) rename(ctx context.Context, p place, from, to string) (done bool, err error) {
	if p.readOnly || mail.Protected(p.box, p.folder.FullName) {
		return false, nil
	}
	box, fullName, ok, err := a.target(ctx, to)
	if err != nil || !ok || box != p.box {
		return false, err
	}
	children, err := a.list(ctx, "", from+"/")
	if err != nil {
		return false, err
	}
	renamed, err := a.srv.Store.RenameFolder(ctx, p.folder.UID, fullName)
	if err != nil {
		return false, err
	}
	for _, child := range children {
		below, ok := strings.CutPrefix(child.FullName, p.folder.FullName+"/")
		if !ok {
			continue
		}
		if _, err := a.srv.Store.RenameFolder(ctx, child.UID, renamed.FullName+"/"+below); err != nil {
			return false, err
		}
	}
	return true, nil
}

// parseSubscribe is SUBSCRIBE and UNSUBSCRIBE: nothing is kept, and folders of
// others are unknown.
func (s *session) parseSubscribe(verb string) func(*command, *task) error {
	return func(c *command, t *task) error {
		name, err := c.folderArg(verb)
		if err != nil {
			return err
		}
		t.folder, t.needs = name, authenticated
		t.run = func(context.Context) error {
			_, err := s.srv.Store.FolderByName(s.acct.Load().Box, replicaName(name))
			switch {
			case errors.Is(err, mail.ErrNotFound):
				s.out.line("%s NO %s failure", t.tag, verb)
			case err != nil:
				return err
			default:
				s.out.line("%s OK %s completed", t.tag, verb)
			}
			return nil
		}
		return nil
	}
}
