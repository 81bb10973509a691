package migrate

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

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

// roleNames are the names under which mail programs and servers keep a role,
// lower-cased and in NFC. They are asked only when no folder of the account
// carries the attribute.
var roleNames = map[string]Role{
	"sent": RoleSent, "sent items": RoleSent, "sent messages": RoleSent, "sent mail": RoleSent, "sent-mail": RoleSent,
	"éléments envoyés": RoleSent, "messages envoyés": RoleSent, "envoyés": RoleSent, "objets envoyés": RoleSent,
	"gesendet": RoleSent, "gesendete elemente": RoleSent, "gesendete objekte": RoleSent,
	"enviados": RoleSent, "elementos enviados": RoleSent, "posta inviata": RoleSent, "inviata": RoleSent,
	"itens enviados": RoleSent, "verzonden items": RoleSent, "elementy wysłane": RoleSent, "wysłane": RoleSent,

	"trash": RoleTrash, "deleted items": RoleTrash, "deleted messages": RoleTrash, "bin": RoleTrash,
	"corbeille": RoleTrash, "éléments supprimés": RoleTrash, "messages supprimés": RoleTrash, "objets supprimés": RoleTrash,
	"papierkorb": RoleTrash, "gelöschte elemente": RoleTrash, "gelöschte objekte": RoleTrash,
	"papelera": RoleTrash, "elementos eliminados": RoleTrash, "cestino": RoleTrash, "posta eliminata": RoleTrash,
	"lixeira": RoleTrash, "itens excluídos": RoleTrash, "prullenbak": RoleTrash, "verwijderde items": RoleTrash,
	"kosz": RoleTrash, "elementy usunięte": RoleTrash,

	"drafts": RoleDrafts, "brouillons": RoleDrafts, "entwürfe": RoleDrafts, "borradores": RoleDrafts,
	"bozze": RoleDrafts, "rascunhos": RoleDrafts, "concepten": RoleDrafts, "wersje robocze": RoleDrafts, "kopie robocze": RoleDrafts,

	"junk": RoleJunk, "spam": RoleJunk, "junk e-mail": RoleJunk, "junk email": RoleJunk, "bulk mail": RoleJunk,
	"courrier indésirable": RoleJunk, "indésirables": RoleJunk, "pourriel": RoleJunk, "pourriels": RoleJunk,
	"junk-e-mail": RoleJunk, "spamverdacht": RoleJunk, "correo no deseado": RoleJunk, "posta indesiderata": RoleJunk,
	"lixo eletrônico": RoleJunk, "ongewenste e-mail": RoleJunk, "wiadomości-śmieci": RoleJunk,

	"templates": RoleTemplates, "modèles": RoleTemplates, "vorlagen": RoleTemplates, "plantillas": RoleTemplates,
	"modelli": RoleTemplates, "modelos": RoleTemplates, "sjablonen": RoleTemplates, "szablony": RoleTemplates,

	"outbox": RoleOutbox, "boîte d'envoi": RoleOutbox, "boîte d’envoi": RoleOutbox, "postausgang": RoleOutbox,
	"bandeja de salida": RoleOutbox, "posta in uscita": RoleOutbox, "caixa de saída": RoleOutbox,
	"postvak uit": RoleOutbox, "skrzynka nadawcza": RoleOutbox,
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

// roleByName finds the role of a top-level folder by its name.
func roleByName(name string) Role {
	return roleNames[strings.ToLower(norm.NFC.String(strings.TrimSpace(name)))]
}
