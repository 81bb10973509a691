package bmapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MailFolder is a folder as BlueMind's core knows it.
type MailFolder struct {
	UID        string // names the folder in calls
	InternalID int64
	Name       string
	FullName   string // levels by /, decoded; INBOX, or <share>/Sent
	ParentUID  string // "" at the top
	Deleted    bool

	// 0 where the server does not tell them (version 4). UIDNEXT is LastUID+1.
	LastUID       uint32
	UIDValidity   uint32
	HighestModSeq uint64
}

type folderWire struct {
	Name          string `json:"name"`
	FullName      string `json:"fullName"`
	ParentUID     string `json:"parentUid"`
	Deleted       bool   `json:"deleted"`
	LastUID       int64  `json:"lastUid"`
	UIDValidity   int64  `json:"uidValidity"`
	HighestModSeq int64  `json:"highestModSeq"`
}

// Folders lists the folders of an entry's mailbox. isUser tells a user's box from
// those of mailshares, groups and resources.
//
// GET /mail_folders_container/{subtree}/_all
func (s *Session) Folders(ctx context.Context, domainUID, entryUID string, isUser bool) ([]MailFolder, error) {
	var items []*item[folderWire]
	to := at("/mail_folders_container", subtree(domainUID, entryUID, isUser), "_all").since4("list mail folders")
	if err := s.do(ctx, "GET", to, nil, &items); err != nil {
		return nil, err
	}
	folders := make([]MailFolder, 0, len(items))
	for _, it := range items {
		if it == nil {
			continue
		}
		v := it.Value
		folders = append(folders, MailFolder{UID: it.UID, InternalID: it.InternalID, Name: v.Name, FullName: v.FullName,
			ParentUID: v.ParentUID, Deleted: v.Deleted, LastUID: uint32(v.LastUID), UIDValidity: uint32(v.UIDValidity),
			HighestModSeq: uint64(v.HighestModSeq)})
	}
	return folders, nil
}

func subtree(domainUID, entryUID string, isUser bool) string {
	box := entryUID
	if isUser {
		box = "user." + entryUID
	}
	return "subtree_" + strings.ReplaceAll(domainUID, ".", "_") + "!" + box
}

// Filter chooses among a folder's messages by flags Seen, Deleted and Important (\Flagged).
type Filter struct {
	Must         []string `json:"must,omitempty"`
	MustNot      []string `json:"mustNot,omitempty"`
	SkipExpunged bool     `json:"skipExpunged,omitempty"` // version 4 does not know it
}

// AllMessages is what IMAP counts as MESSAGES: not expunged, \Deleted included.
func AllMessages() Filter { return Filter{SkipExpunged: true} }

// UnseenMessages is what IMAP counts as UNSEEN.
func UnseenMessages() Filter { return Filter{MustNot: []string{"Seen"}, SkipExpunged: true} }

// VisibleMessages are neither expunged nor \Deleted: the cheap count, which version 4 knows too.
func VisibleMessages() Filter { return Filter{MustNot: []string{"Deleted"}} }

func mailItems(folderUID string, parts ...string) endpoint {
	return at("/mail_items", append([]string{folderUID}, parts...)...).since4("tell about messages")
}

// Count counts a folder's messages. It proves no right: version 5 checks none here.
// Version 4 can't tell what is expunged from what is \Deleted only: where the filter
// wants the former out, both are.
//
// POST /mail_items/{folder}/_count
func (s *Session) Count(ctx context.Context, folderUID string, f Filter) (int64, error) {
	var r struct {
		Total int64 `json:"total"`
	}
	major, err := s.c.version(ctx)
	if err != nil {
		return 0, err
	}
	if major == 4 && f.SkipExpunged && !slices.Contains(f.Must, "Deleted") && !slices.Contains(f.MustNot, "Deleted") {
		f.MustNot = append(slices.Clone(f.MustNot), "Deleted")
	}
	err = s.do(ctx, "POST", mailItems(folderUID, "_count"), f, &r)
	return r.Total, err
}

// SortedIDs lists the item ids of a folder's messages.
//
// POST /mail_items/{folder}/_sorted
func (s *Session) SortedIDs(ctx context.Context, folderUID string, f Filter) ([]int64, error) {
	body := struct {
		Fields []string `json:"fields"`
		Filter Filter   `json:"filter"`
	}{Fields: []string{}, Filter: f}
	var ids []int64
	err := s.do(ctx, "POST", mailItems(folderUID, "_sorted"), body, &ids)
	return ids, err
}

// MaxItems is how many items the server gives in one call.
const MaxItems = 500

// MailItem is a message as BlueMind's core knows it.
type MailItem struct {
	ItemID    int64
	IMAPUID   uint32
	Flags     []string // \Seen, keywords
	BodyGUID  string   // SHA-1 of the message's octets, lower-case hex
	Size      int64
	MessageID string
	Subject   string
	Date      time.Time // of the Date header; no INTERNALDATE is given
}

type mailItemWire struct {
	IMAPUID int64  `json:"imapUid"`
	Flags   []flag `json:"flags"`
	Body    struct {
		GUID      string `json:"guid"`
		Size      int64  `json:"size"`
		MessageID string `json:"messageId"`
		Subject   string `json:"subject"`
		Date      millis `json:"date"`
	} `json:"body"`
}

// flag is a text, or an object around it.
type flag string

func (f *flag) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '{' {
		var w struct {
			Flag string `json:"flag"`
		}
		err := json.Unmarshal(data, &w)
		*f = flag(w.Flag)
		return err
	}
	return json.Unmarshal(data, (*string)(f))
}

// Items reads messages by item id, MaxItems a call. Ids that are gone are left out.
//
// POST /mail_items/{folder}/_mgetById (version 4: _multipleById)
func (s *Session) Items(ctx context.Context, folderUID string, ids []int64) ([]MailItem, error) {
	items := make([]MailItem, 0, len(ids))
	for chunk := range slices.Chunk(ids, MaxItems) {
		wire, err := s.items(ctx, folderUID, chunk)
		if err != nil {
			return nil, err
		}
		for _, it := range wire {
			if it == nil {
				continue
			}
			v := it.Value
			m := MailItem{ItemID: it.InternalID, IMAPUID: uint32(v.IMAPUID), BodyGUID: strings.ToLower(v.Body.GUID), Size: v.Body.Size,
				MessageID: v.Body.MessageID, Subject: v.Body.Subject, Date: v.Body.Date.time()}
			for _, f := range v.Flags {
				m.Flags = append(m.Flags, string(f))
			}
			items = append(items, m)
		}
	}
	return items, nil
}

// items asks in the manner of the server's version, and in the other if there is no
// such call: releases of version 4 have received later changes.
func (s *Session) items(ctx context.Context, folderUID string, ids []int64) ([]*item[mailItemWire], error) {
	major, err := s.c.version(ctx)
	if err != nil {
		return nil, err
	}
	var wire []*item[mailItemWire]
	ask := func(name string) func() error {
		return func() error { return s.do(ctx, "POST", mailItems(folderUID, name), ids, &wire) }
	}
	usual, other := ask("_mgetById"), ask("_multipleById")
	if major == 4 {
		usual, other = other, usual
	}
	err = either(&s.c.dialect.items, isNoRoute, usual, other)
	return wire, err
}

// EML opens a message as it is stored; its octets have BodyGUID as SHA-1. Reading
// ends with an error if the connection fails before the message's end. The caller
// closes it.
//
// GET /mail_items/{folder}/eml/{imapUid}
func (s *Session) EML(ctx context.Context, folderUID string, imapUID uint32) (io.ReadCloser, error) {
	var body io.ReadCloser
	cl := call{method: "GET", to: mailItems(folderUID, "eml", strconv.FormatUint(uint64(imapUID), 10)), accept: "*/*"}
	err := s.run(ctx, cl, func(a *answer) error {
		if a.status == 204 {
			return a.into(new(struct{}))
		}
		body = &stream{a: a}
		return nil
	})
	return body, err
}

// stream is an answer that the caller reads.
type stream struct{ a *answer }

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.a.body.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read message: %w", s.a.c.lost(s.a.ctx, s.a.body.w, s.a.cl, err, true))
	}
	return n, err
}

func (s *stream) Close() error { return s.a.body.Close() }
