package mail

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// CreateFolder makes a folder. Its uid is the hash of the name asked for, its
// name what BlueMind makes of that: see sanitize. So "x^y" beside "x.y" makes a
// second folder named "x.y", and "x^y" twice is refused for its uid.
func (s *Store) CreateFolder(_ context.Context, which Box, fullName string) (Folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.box(which)
	if err != nil {
		return Folder{}, err
	}
	if b.byName(fullName) != nil {
		return Folder{}, fmt.Errorf("folder %q of %s: %w", fullName, b.Name, ErrExists)
	}
	f, err := s.createFolder(b, fullName)
	if err != nil {
		return Folder{}, fmt.Errorf("create folder %q of %s: %w", fullName, b.Name, err)
	}
	return f.Folder, nil
}

// createFolder is CreateFolder under s.mu and without the look at the name.
func (s *Store) createFolder(b *box, asked string) (*folder, error) {
	uid := FolderUID(b.Box, asked)
	if s.folders[uid] != nil {
		return nil, fmt.Errorf("uid %s: %w", uid, ErrExists)
	}
	name, parent, err := b.place(sanitize(asked))
	if err != nil {
		return nil, err
	}
	f := Folder{
		UID: uid, ID: s.nextItem, Name: name[strings.LastIndexByte(name, '/')+1:], FullName: name,
		ParentUID: parent, UIDValidity: s.nextID, HighestModSeq: 1,
	}
	if err := s.note(indexEntry{Op: opFolder, Box: &b.Box, Folder: &f}); err != nil {
		return nil, err
	}
	return s.folders[uid], nil
}

// place finds where a name belongs in the tree.
func (b *box) place(name string) (fullName, parentUID string, err error) {
	if !validName(name) {
		return "", "", ErrName
	}
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 {
		if b.Shared() && name != strings.ReplaceAll(b.Name, "^", ".") {
			return "", "", fmt.Errorf("invalid root: %w", ErrName)
		}
		return name, "", nil
	}
	parent := b.byName(name[:slash])
	if parent == nil {
		return "", "", fmt.Errorf("parent of %s (%s): %w", name, name[:slash], ErrNoParent)
	}
	return name, parent.UID, nil
}

// Protected says whether BlueMind lets a folder be renamed or deleted.
func Protected(b Box, fullName string) bool { return slices.Contains(DefaultFolders(b), fullName) }

// DeleteFolder removes a folder with its messages. Folders below it stay, with
// a parent that is no more: who wants a sound tree asks for children first.
func (s *Store) DeleteFolder(_ context.Context, folderUID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[folderUID]
	if f == nil {
		return fmt.Errorf("folder %s: %w", folderUID, ErrNotFound)
	}
	if Protected(f.box.Box, f.FullName) {
		return fmt.Errorf("delete %s: %w", f.FullName, ErrProtected)
	}
	return s.note(indexEntry{Op: opDelete, Box: &f.box.Box, Folder: &Folder{UID: folderUID}})
}

// RenameFolder gives a folder a new full name and the parent that goes with it.
// Folders below keep their full names: who wants a sound tree renames them next.
func (s *Store) RenameFolder(_ context.Context, folderUID, newName string) (Folder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.folders[folderUID]
	if f == nil {
		return Folder{}, fmt.Errorf("folder %s: %w", folderUID, ErrNotFound)
	}
	if Protected(f.box.Box, f.FullName) {
		return Folder{}, fmt.Errorf("rename %s: %w", f.FullName, ErrProtected)
	}
	name, parent, err := f.box.place(sanitize(newName))
	if err != nil {
		return Folder{}, fmt.Errorf("rename %s: %w", f.FullName, err)
	}
	if parent == folderUID {
		return Folder{}, fmt.Errorf("rename %s to %s below itself: %w", f.FullName, name, ErrNoParent)
	}
	to := f.Folder
	to.FullName, to.Name, to.ParentUID = name, name[strings.LastIndexByte(name, '/')+1:], parent
	if err := s.note(indexEntry{Op: opRename, Box: &f.box.Box, Folder: &to}); err != nil {
		return Folder{}, err
	}
	return f.Folder, nil
}
