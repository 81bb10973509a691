package bmsim

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// itemFilter is ItemFlagFilter. An expunged record counts as Deleted.
type itemFilter struct {
	Must        []string `json:"must"`
	MustNot     []string `json:"mustNot"`
	SkipExpunge bool     `json:"skipExpunged"`
}

func hasFlag(r mail.Record, flag string) bool {
	wire := map[string]string{"Seen": `\Seen`, "Deleted": `\Deleted`, "Important": `\Flagged`}[flag]
	if flag == "Deleted" && r.Expunged {
		return true
	}
	return slices.ContainsFunc(r.Flags, func(f string) bool { return strings.EqualFold(f, wire) })
}

func (f itemFilter) matches(r mail.Record) bool {
	if f.SkipExpunge && r.Expunged {
		return false
	}
	for _, flag := range f.Must {
		if !hasFlag(r, flag) {
			return false
		}
	}
	return !slices.ContainsFunc(f.MustNot, func(flag string) bool { return hasFlag(r, flag) })
}

func (f itemFilter) count(recs []mail.Record) (n int) {
	for _, r := range recs {
		if f.matches(r) {
			n++
		}
	}
	return n
}

func (s *Sim) itemRoutes() {
	const path = "/mail_items/{folder}/"
	r := &s.router
	r.add("POST", path+"_count", s.countItems)
	r.add("GET", path+"_unread", func(c *call) (any, error) {
		return c.itemIDs(itemFilter{MustNot: []string{"Deleted", "Seen"}}, nil)
	})
	r.add("POST", path+"_sorted", func(c *call) (any, error) {
		v, err := need[sortDescriptor](c)
		if err != nil {
			return nil, err
		}
		filter := itemFilter{}
		if v.Filter != nil {
			filter = *v.Filter
		}
		return c.itemIDs(filter, v.Fields)
	})
	r.add("POST", path+"_filteredChangesetById", s.changeset)
	r.add("GET", path+"_version", func(c *call) (any, error) {
		if _, err := c.records(c.p("folder"), true); err != nil {
			return nil, err
		}
		_, f, err := s.view.FolderByUID(c.req.Context(), c.p("folder"))
		return f.HighestModSeq, err
	})
	if s.level >= 5 {
		r.add("POST", path+"_mgetById", func(c *call) (any, error) { return s.items(c, 500) })
	} else {
		r.add("POST", path+"_multipleById", func(c *call) (any, error) { return s.items(c, 0) })
	}
	r.add("GET", path+"eml/{imapUid}", s.eml)
}

// records lists a folder; unchecked calls ask for no right at all.
func (c *call) records(folderUID string, checked bool) ([]mail.Record, error) {
	if err := c.enter(folderUID, checked); err != nil {
		return nil, err
	}
	return c.sim.view.Records(c.req.Context(), folderUID)
}

// enter says why a folder can't be read, nil if it can.
func (c *call) enter(folderUID string, checked bool) error {
	owner, _, err := c.sim.view.FolderByUID(c.req.Context(), folderUID)
	if errors.Is(err, mail.ErrNotFound) {
		return directory.Faultf(directory.NotFound, "container mbox_records_%s not found", folderUID)
	}
	if err != nil || !checked {
		return err
	}
	e, ok := c.sim.dir.Entry(owner.Domain, owner.EntryUID)
	if !ok {
		return directory.Faultf(directory.NotFound, "owner of %s not found", folderUID)
	}
	return c.reader(e)
}

// itemsByID are some messages of a folder, in the order asked for. The store of
// version 5 has them without reading the folder.
func (c *call) itemsByID(folderUID string, ids []int64) ([]mail.Record, error) {
	if store, ok := c.sim.view.(*mail.Store); ok {
		if err := c.enter(folderUID, true); err != nil {
			return nil, err
		}
		return store.Items(c.req.Context(), folderUID, ids)
	}
	recs, err := c.records(folderUID, true)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]mail.Record, len(recs))
	for _, r := range recs {
		byID[r.ItemID] = r
	}
	var found []mail.Record
	for _, id := range ids {
		if r, ok := byID[id]; ok {
			found = append(found, r)
		}
	}
	return found, nil
}

// countItems checks no right in version 5. The two plain filters are answered
// from a row of counters there.
func (s *Sim) countItems(c *call) (any, error) {
	f, err := need[itemFilter](c)
	if err != nil {
		return nil, err
	}
	v5 := s.level >= 5
	recs, err := c.records(c.p("folder"), !v5)
	if err != nil {
		return nil, err
	}
	if !v5 {
		f.SkipExpunge = false // not known there
	} else if !f.SkipExpunge && len(f.Must) == 0 && slices.Equal(f.MustNot, []string{"Seen"}) {
		f.MustNot = []string{"Deleted", "Seen"}
	}
	return map[string]int{"total": f.count(recs)}, nil
}

type sortDescriptor struct {
	Fields []sortField `json:"fields"`
	Filter *itemFilter `json:"filter"`
}

type sortField struct {
	Column string `json:"column"`
	Dir    string `json:"dir"`
}

func (f sortField) compare(a, b mail.Record) int {
	var n int
	switch f.Column {
	case "internal_date", "date":
		n = a.InternalDate.Compare(b.InternalDate)
	case "size":
		n = cmp.Compare(a.Size, b.Size)
	case "subject":
		n = strings.Compare(a.Subject, b.Subject)
	}
	if f.Dir == "Desc" {
		return -n
	}
	return n
}

func (c *call) itemIDs(f itemFilter, by []sortField) (any, error) {
	recs, err := c.records(c.p("folder"), true)
	if err != nil {
		return nil, err
	}
	recs = slices.DeleteFunc(recs, func(r mail.Record) bool { return !f.matches(r) })
	slices.SortStableFunc(recs, func(a, b mail.Record) int {
		for _, field := range by {
			if n := field.compare(a, b); n != 0 {
				return n
			}
		}
		return cmp.Compare(a.ItemID, b.ItemID)
	})
	ids := []int64{}
	for _, r := range recs {
		ids = append(ids, r.ItemID)
	}
	return ids, nil
}

// changeset lists what changed after a version. The store doesn't know when a
// record was made, so that all but the first listing calls it updated.
func (s *Sim) changeset(c *call) (any, error) {
	f, err := need[itemFilter](c)
	if err != nil {
		return nil, err
	}
	recs, err := c.records(c.p("folder"), true)
	if err != nil {
		return nil, err
	}
	type version struct {
		ID        int64 `json:"id"`
		Version   int64 `json:"version"`
		Timestamp int64 `json:"timestamp"`
	}
	since, _ := strconv.ParseInt(c.q("since"), 10, 64)
	created, updated, deleted, last := []version{}, []version{}, []int64{}, since
	for _, r := range recs {
		last = max(last, r.Version)
		row := version{ID: r.ItemID, Version: r.Version}
		switch {
		case r.Version <= since:
		case !f.matches(r) && since > 0:
			deleted = append(deleted, r.ItemID)
		case !f.matches(r):
		case since > 0:
			updated = append(updated, row)
		default:
			created = append(created, row)
		}
	}
	return map[string]any{"created": created, "updated": updated, "deleted": deleted, "version": last}, nil
}

// itemValue is MailboxItem.
type itemValue struct {
	Body    *itemBody `json:"body"`
	IMAPUID uint32    `json:"imapUid"`
	Flags   []string  `json:"flags"`
}

type itemBody struct {
	GUID      string         `json:"guid"` // SHA-1 of the message
	Subject   directory.Text `json:"subject"`
	Size      int64          `json:"size"`
	MessageID directory.Text `json:"messageId"`
	Date      int64          `json:"date"`
	Headers   []string       `json:"headers"` // always empty here
}

func recordItem(r mail.Record) directory.Item[itemValue] {
	v := itemValue{IMAPUID: r.UID, Flags: append([]string{}, r.Flags...)}
	if r.SHA1 != "" { // else the body has not been replicated
		v.Body = &itemBody{
			GUID: r.SHA1, Subject: directory.Text(r.Subject), Size: r.Size, MessageID: directory.Text(r.MessageID),
			Date: millis(r.Date), Headers: []string{},
		}
	}
	meta := directory.Meta{
		UID: r.SHA1 + "." + strconv.FormatUint(uint64(r.UID), 10), InternalID: r.ItemID, Version: r.Version,
		Created: millis(r.InternalDate), Updated: millis(r.InternalDate), Flags: []string{},
	}
	for _, flag := range []string{"Seen", "Deleted", "Important"} {
		if hasFlag(r, flag) {
			meta.Flags = append(meta.Flags, flag)
		}
	}
	return directory.Item[itemValue]{Value: v, Meta: meta}
}

// millis is 0 for no date: BlueMind shows those as 1970.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (s *Sim) items(c *call, limit int) (any, error) {
	ids, err := need[[]int64](c)
	if err != nil {
		return nil, err
	}
	if limit > 0 && len(ids) > limit {
		return nil, directory.Faultf("MAX_ITEM_COUNT", "more than %d items asked for", limit)
	}
	recs, err := c.itemsByID(c.p("folder"), ids)
	if err != nil {
		return nil, err
	}
	all := []directory.Item[itemValue]{}
	for _, r := range recs {
		all = append(all, recordItem(r))
	}
	return all, nil
}

// eml is the message as it was stored.
func (s *Sim) eml(c *call) (any, error) {
	uid, err := strconv.ParseUint(c.p("imapUid"), 10, 32)
	if err != nil {
		return nil, badParameter("imapUid")
	}
	if _, err := c.records(c.p("folder"), true); err != nil {
		return nil, err
	}
	body, _, err := s.view.Body(c.req.Context(), c.p("folder"), uint32(uid))
	if errors.Is(err, mail.ErrNotFound) {
		return nil, directory.Faultf(directory.NotFound, "message %d not found", uid)
	}
	if err != nil {
		return nil, err
	}
	return stream{"message/rfc822", body}, nil
}
