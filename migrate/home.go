package migrate

import (
	"slices"
	"strings"
)

// home is the mailbox that folders go to, as names see it: which it holds from
// the start, which can't be made, how much room is left for a path. Paths
// below it are a user's own folder names, or what follows a share's name.
type home struct {
	share    string // name of a shared mailbox; "": a user's
	folder   string // of the mailbox, below which everything goes; "": the mailbox itself
	inbox    string // where INBOX goes
	roles    map[Role]string
	defaults []string // come with the mailbox; names of BlueMind, which clients translate
	reserved []string // can't be made by a client
}

// defaultFolders come with every user's mailbox in BlueMind.
var defaultFolders = []string{"INBOX", "Sent", "Trash", "Drafts", "Junk", "Templates", "Outbox"}

// reservedNames can't be made by a client: BlueMind's virtual roots in the
// spelling of every server, and what Cyrus keeps for itself.
var reservedNames = []string{"Dossiers partagés", "Autres utilisateurs", "Shared Folders", "Other Users", "Alt Folders"}

// shareRoles are the special folders of a shared mailbox. Its Trash comes with
// BlueMind 4.7 and is an ordinary folder before.
var shareRoles = map[Role]string{RoleInbox: "", RoleSent: "Sent", RoleTrash: "Trash"}

func homeOf(share string) home {
	if share == "" {
		return home{inbox: "INBOX", roles: targetOf, defaults: defaultFolders, reserved: reservedNames}
	}
	// BlueMind 4 refuses a folder INBOX below the root of a mailbox.
	return home{share: share, roles: shareRoles, defaults: []string{"", "Sent", "Trash"}, reserved: []string{"INBOX"}}
}

// into is the home below a folder of the mailbox. INBOX goes to a folder INBOX
// there, or, of a share, to the folder itself.
func (h home) into(folder string) home {
	h.folder = folder
	return h
}

// path is the name of a folder in plan and state: as BlueMind's core has it.
func (h home) path(below string) string {
	if h.folder != "" {
		below = strings.TrimSuffix(h.folder+"/"+below, "/")
	}
	switch {
	case h.share == "":
		return below
	case below == "":
		return h.share
	}
	return h.share + "/" + below
}

// below is what path was made of.
func (h home) below(path string) string {
	if h.share == "" {
		return path
	}
	return strings.TrimPrefix(strings.TrimPrefix(path, h.share), "/")
}

// within takes a path of the policy, which speaks of a user's mailbox, to what
// it is here.
func (h home) within(path string) string {
	if h.share == "" {
		return path
	}
	top, rest, _ := strings.Cut(path, "/")
	if strings.EqualFold(top, "INBOX") {
		return rest
	}
	return path
}

// room is how many octets a path below home may take on the wire.
func (h home) room() int {
	room := maxPathOctets
	for _, before := range []string{h.share, h.folder} {
		if before != "" {
			room -= wireLen(before) + 1
		}
	}
	return room
}

// unique appends a stable suffix to a path below home until taken says no.
func (h home) unique(below string, taken func(string) bool) string {
	if below == h.inbox && taken(below) {
		below = "INBOX"
	}
	return uniqueName(below, h.room(), func(path string) bool {
		return taken(path) || slices.ContainsFunc(h.reserved, func(r string) bool { return foldName(r) == foldName(path) })
	})
}

// aside renames first levels under which nothing can be put: Outbox, virtual
// roots, INBOX in another case (BlueMind would not make it), and INBOX in INBOX.
// What is to be such a folder itself is renamed because the name is taken.
func (h home) aside(path string) string {
	levels := strings.Split(path, "/")
	if len(levels) == 1 {
		return path
	}
	reserved := slices.ContainsFunc(h.reserved, func(r string) bool { return foldName(r) == foldName(levels[0]) })
	if reserved || strings.EqualFold(levels[0], "Outbox") || strings.EqualFold(levels[0], "INBOX") && levels[0] != "INBOX" {
		levels[0] += "_"
	}
	if levels[0] == "INBOX" && strings.EqualFold(levels[1], "INBOX") {
		levels[1] += "_"
	}
	return strings.Join(levels, "/")
}
