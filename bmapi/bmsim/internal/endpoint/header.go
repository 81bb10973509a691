package endpoint

import (
	"context"
	"mime"
	netmail "net/mail"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

// defaultFields are those of BODY[HEADER] and RFC822.HEADER.
var defaultFields = []string{"From", "To", "Cc", "Subject", "Message-ID", "Date", "Content-Type", "X-Bm-Event", "X-Bm-Todo",
	"X-BM-ResourceBooking", "X-BM-Event-Countered", "X-BM-Event-Canceled", "X-BM-Event-Replied", "X-BM-FOLDERSHARING",
	"X-ASTERISK-CALLERID"}

// keptFields are the fields, other than those that are rebuilt, which BlueMind
// keeps of a message; X-Bm-Otlk-… and X-Bm-Draft-… are kept, too.
var keptFields = map[string]bool{
	"reply-to": true, "mail-reply-to": true, "mail-followup-to": true, "list-post": true,
	"disposition-notification-to": true, "x-priority": true, "x-bm_hsm_id": true, "x-bm_hsm_datetime": true,
	"x-bm-event": true, "x-bm-todo": true, "x-bm-event-canceled": true, "x-bm-event-replied": true,
	"x-bm-resourcebooking": true, "x-bm-foldersharing": true, "x-asterisk-callerid": true,
	"x-bm-event-countered": true, "x-mailer": true, "in-reply-to": true, "references": true,
}

func kept(name string) bool {
	return keptFields[name] || strings.HasPrefix(name, "x-bm-otlk-") || strings.HasPrefix(name, "x-bm-draft-")
}

// header writes a header anew from what the database keeps of it. Date is the
// INTERNALDATE, and a field that isn't kept is missing.
func (s *session) header(rec mail.Record, names []string) (string, error) {
	body, _, err := s.srv.Store.Body(context.Background(), s.sel.snap.UID, rec.UID)
	if err != nil {
		return "", err
	}
	defer body.Close()
	fields, err := mail.ReadHeader(body)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	write := func(name, value string) {
		if value != "" {
			out.WriteString(name + ": " + value + "\r\n")
		}
	}
	for _, name := range names {
		switch lower := strings.ToLower(name); lower {
		case "message-id":
			write("Message-ID", rec.MessageID)
		case "date":
			write("Date", rec.InternalDate.In(s.srv.Location).Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		case "subject":
			write("Subject", mime.QEncoding.Encode("utf-8", rec.Subject))
		case "from":
			write("From", addresses(mail.Get(fields, "From"), 1))
		case "to":
			write("To", addresses(mail.Get(fields, "To"), -1))
		case "cc":
			write("Cc", addresses(mail.Get(fields, "Cc"), -1))
		case "content-type":
			write("Content-Type", contentType(mail.Get(fields, "Content-Type")))
		default:
			if kept(lower) {
				write(name, mail.Get(fields, name))
			}
		}
	}
	out.WriteString("\r\n")
	return out.String(), nil
}

// addresses writes a list of addresses anew, at most n of them unless n is below
// zero. A list that can't be read leaves nothing.
func addresses(value string, n int) string {
	list, err := netmail.ParseAddressList(value)
	if err != nil {
		return ""
	}
	if n >= 0 && len(list) > n {
		list = list[:n]
	}
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// contentType keeps the type alone; a multipart gets a boundary that isn't its own.
func contentType(value string) string {
	kind, _, _ := strings.Cut(value, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		return kind + `; boundary="-=Part.TEXT=-"`
	}
	return kind
}
