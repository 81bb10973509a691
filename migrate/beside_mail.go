package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
)

// besideMail says what the owner of an empty mailbox has put in BlueMind beside
// mail; "" if that is nothing. What BlueMind won't tell counts as something.
func (u *undoer) besideMail(ctx context.Context, m objects.Made, uid string) (string, error) {
	says, err := u.filters(ctx, m, uid)
	if err == nil && says == "" && m.Kind == objects.KindUser {
		says, err = u.items(ctx, uid)
	}
	if _, ok := errors.AsType[*bmapi.Fault](err); ok && !bmapi.Temporary(err) && !errors.Is(err, bmapi.ErrUnauthenticated) {
		return "BlueMind doesn't tell what it holds: " + err.Error(), nil
	}
	return says, err
}

// filters says what was set for the mail that comes for a mailbox.
func (u *undoer) filters(ctx context.Context, m objects.Made, uid string) (string, error) {
	f, err := u.r.platform.admin.MailFilter(ctx, m.DomainUID, uid)
	switch {
	case errors.Is(err, bmapi.ErrNotFound): // without a mailbox
		return "", nil
	case err != nil:
		return "", err
	case len(f.Rules) > 0:
		return fmt.Sprintf("it has %d mail filters", len(f.Rules)), nil
	case f.Forwarding.Enabled || len(f.Forwarding.Emails) > 0:
		return "its mail is forwarded", nil
	case f.Vacation.Enabled || f.Vacation.Subject != "" || f.Vacation.Text != "" || f.Vacation.TextHTML != "":
		return "it has an absence message", nil
	}
	return "", nil
}

// items says what is in a user's calendars, address books, task lists and notes:
// those that came with him, and those that he made.
func (u *undoer) items(ctx context.Context, userUID string) (string, error) {
	admin := u.r.platform.admin
	all := bmapi.HomeContainers(userUID)
	for _, kind := range []string{bmapi.TypeCalendar, bmapi.TypeBook, bmapi.TypeTasks, bmapi.TypeNotes} {
		list, err := admin.Containers(ctx, userUID, kind)
		if err != nil {
			return "", err
		}
		for _, c := range list {
			if !slices.ContainsFunc(all, func(x bmapi.Container) bool { return x.UID == c.UID }) {
				all = append(all, c)
			}
		}
	}
	words := map[string]string{bmapi.TypeCalendar: "events", bmapi.TypeBook: "contacts", bmapi.TypeTasks: "tasks", bmapi.TypeNotes: "notes"}
	for _, c := range all {
		n, err := admin.ItemCount(ctx, c.UID)
		if errors.Is(err, bmapi.ErrNotFound) { // it isn't there, as a hook that failed leaves it
			continue
		}
		if err != nil {
			return "", err
		}
		if n > 0 {
			return fmt.Sprintf("it holds %d %s", n, words[c.Type]), nil
		}
	}
	return "", nil
}
