package bmapi

import "context"

// Types of the containers in which a user keeps what isn't mail.
const (
	TypeCalendar = "calendar"
	TypeBook     = "addressbook"
	TypeTasks    = "todolist"
	TypeNotes    = "notes"
)

// Container is what holds items of one type: events, contacts, tasks, notes.
type Container struct {
	UID   string `json:"uid"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Owner string `json:"owner"` // uid of an entry
}

// HomeContainers are those that BlueMind makes with a user.
func HomeContainers(userUID string) []Container {
	c := func(kind, prefix string) Container {
		return Container{UID: prefix + userUID, Type: kind, Owner: userUID}
	}
	return []Container{c(TypeCalendar, "calendar:Default:"), c(TypeBook, "book:Contacts_"), c(TypeBook, "book:CollectedContacts_"),
		c(TypeTasks, "todolist:default_"), c(TypeNotes, "notes:default_")}
}

// DomainBook is the address book that comes with a domain: it shows the directory.
func DomainBook(domainUID string) string { return "addressbook_" + domainUID }

// Containers lists the containers of a type that an entry owns.
//
// POST /containers/_manage/_list
func (s *Session) Containers(ctx context.Context, ownerUID, kind string) ([]Container, error) {
	q := struct {
		Owner string `json:"owner"`
		Type  string `json:"type"`
	}{ownerUID, kind}
	var all []Container
	err := s.do(ctx, "POST", at("/containers/_manage", "_list"), q, &all)
	return all, err
}

// ItemCount counts what a container holds. Of messages, expunged ones are counted, too.
//
// GET /containers/_manage/{container}/_itemCount
func (s *Session) ItemCount(ctx context.Context, containerUID string) (int64, error) {
	var r struct {
		Total *int64 `json:"total"`
	}
	err := s.do(ctx, "GET", at("/containers/_manage", containerUID, "_itemCount"), nil, &r)
	if err == nil && r.Total == nil {
		err = &Fault{Method: "GET", Path: "/containers/_manage/" + containerUID + "/_itemCount", Status: 200, Message: "no count in the answer"}
	}
	if err != nil {
		return 0, err
	}
	return *r.Total, nil
}

// MailFilter is what happens to mail that comes for a mailbox.
type MailFilter struct {
	Rules      []any `json:"rules"`
	Forwarding struct {
		Enabled bool     `json:"enabled"`
		Emails  []string `json:"emails"`
	} `json:"forwarding"`
	Vacation struct {
		Enabled  bool   `json:"enabled"`
		Subject  string `json:"subject"`
		Text     string `json:"text"`
		TextHTML string `json:"textHtml"`
	} `json:"vacation"`
}

// MailFilter reads a mailbox's rules, forwarding and vacation.
//
// GET /mailboxes/{domainUid}/{uid}/_filter
func (s *Session) MailFilter(ctx context.Context, domainUID, uid string) (MailFilter, error) {
	var f MailFilter
	err := s.do(ctx, "GET", at("/mailboxes", domainUID, uid, "_filter"), nil, &f)
	return f, err
}
