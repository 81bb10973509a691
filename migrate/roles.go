package migrate

import "strings"

// Role is what a folder is for, by its special-use attribute (RFC 6154) or,
// failing that, by its name.
type Role string

// The roles that change where a folder goes. Junk and Outbox are excluded
// unless the policy says otherwise (Outbox always: BlueMind can send what is
// in it); All, Flagged and Important are views of other folders' messages.
const (
	RoleNone      Role = ""
	RoleInbox     Role = "inbox"
	RoleSent      Role = "sent"
	RoleTrash     Role = "trash"
	RoleDrafts    Role = "drafts"
	RoleJunk      Role = "junk"
	RoleArchive   Role = "archive"
	RoleTemplates Role = "templates"
	RoleOutbox    Role = "outbox"
	RoleAll       Role = "all"
	RoleFlagged   Role = "flagged"
	RoleImportant Role = "important"
)

// roleWords are the roles that a policy can name.
var roleWords = []string{string(RoleInbox), string(RoleSent), string(RoleTrash), string(RoleDrafts), string(RoleJunk), string(RoleArchive), string(RoleTemplates)}

// says tells what is in a folder of a role.
func (r Role) says() string {
	switch r {
	case RoleSent:
		return "sent mail"
	case RoleTrash:
		return "deleted mail"
	case RoleJunk:
		return "junk"
	case RoleArchive:
		return "the archive"
	}
	return string(r)
}

// targetOf names BlueMind's default folder of a role; clients translate it.
var targetOf = map[Role]string{
	RoleInbox:     "INBOX",
	RoleSent:      "Sent",
	RoleTrash:     "Trash",
	RoleDrafts:    "Drafts",
	RoleJunk:      "Junk",
	RoleTemplates: "Templates",
}

// attributeRoles are the special-use attributes of RFC 6154 and of XLIST.
var attributeRoles = map[string]Role{
	`\sent`:      RoleSent,
	`\trash`:     RoleTrash,
	`\drafts`:    RoleDrafts,
	`\junk`:      RoleJunk,
	`\spam`:      RoleJunk, // XLIST
	`\archive`:   RoleArchive,
	`\all`:       RoleAll,
	`\allmail`:   RoleAll, // XLIST
	`\flagged`:   RoleFlagged,
	`\starred`:   RoleFlagged, // XLIST
	`\important`: RoleImportant,
	`\inbox`:     RoleInbox, // XLIST
}

// roleByAttribute finds the role that attributes of LIST or XLIST announce.
func roleByAttribute(attrs []string) Role {
	for _, a := range attrs {
		if r, ok := attributeRoles[strings.ToLower(a)]; ok {
			return r
		}
	}
	return RoleNone
}
