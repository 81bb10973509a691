package migrate

import (
	"context"
	"fmt"
	"strings"

	"bmsync/imap"
)

// RuleNotMail excludes folders that hold calendars, contacts, tasks, notes or a
// journal, which some sources list over IMAP. What they deliver there is no
// mail; the policy's folders.map takes one all the same.
const RuleNotMail = "not mail"

// markNotMail says of each folder whether it holds something else than mail:
// by what Kolab servers say of it, and on Exchange and Domino by the names of
// their own folders. Elsewhere a folder "Contacts" is somebody's mail.
func markNotMail(ctx context.Context, src *imap.Source, folders []SourceFolder, personal string) error {
	types, err := src.FolderTypes(ctx)
	if err != nil {
		return fmt.Errorf("what folders hold: %w", err)
	}
	product, _ := productOf(src)
	groupware := product == ServerExchange || product == ServerDomino
	for i := range folders {
		f := &folders[i]
		if kind, ok := types[f.Name]; ok {
			f.NotMail = kolabKind(kind)
			continue
		}
		if !groupware {
			continue
		}
		top := *f
		top.Name = strings.TrimPrefix(f.Name, personal)
		f.NotMail = groupwareFolders[foldName(top.levels()[0])]
	}
	return nil
}

// kolabKind is what a folder type of Kolab stands for, "" for mail.
func kolabKind(kind string) string {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ".")
	switch kind {
	case "", "mail":
		return ""
	case "event", "freebusy":
		return NotMailCalendar
	case "contact":
		return NotMailContacts
	case "task":
		return NotMailTasks
	case "note":
		return NotMailNotes
	case "journal":
		return NotMailJournal
	}
	return NotMailOther
}

// groupwareFolders are the names that Exchange and Domino give to what is no
// mail, in the languages of their mailboxes; folded as foldName does.
var groupwareFolders = map[string]string{
	"calendar": NotMailCalendar, "calendrier": NotMailCalendar, "kalender": NotMailCalendar, "calendario": NotMailCalendar,
	"calendário": NotMailCalendar, "agenda": NotMailCalendar,
	"contacts": NotMailContacts, "kontakte": NotMailContacts, "contactos": NotMailContacts, "contatti": NotMailContacts, "contatos": NotMailContacts,
	"contactpersonen": NotMailContacts, "suggested contacts": NotMailContacts, "contacts suggérés": NotMailContacts, "vorgeschlagene kontakte": NotMailContacts,
	"tasks": NotMailTasks, "tâches": NotMailTasks, "aufgaben": NotMailTasks, "tareas": NotMailTasks, "attività": NotMailTasks, "tarefas": NotMailTasks,
	"taken": NotMailTasks, "to do": NotMailTasks,
	"notes": NotMailNotes, "notizen": NotMailNotes, "notas": NotMailNotes, "note": NotMailNotes, "notities": NotMailNotes,
	"journal": NotMailJournal, "diario": NotMailJournal, "diário": NotMailJournal, "dagboek": NotMailJournal,
}
