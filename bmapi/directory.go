package bmapi

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Kinds of directory entries.
const (
	KindUser      = "USER"
	KindGroup     = "GROUP"
	KindResource  = "RESOURCE"
	KindMailshare = "MAILSHARE"
	KindExternal  = "EXTERNALUSER"
	KindDomain    = "DOMAIN"
)

// DirEntry is an entry of a domain's directory, of any kind.
type DirEntry struct {
	EntryUID     string `json:"entryUid"`
	ExternalID   string `json:"-"` // what a directory (LDAP, AD) knows it by; told by Search, Entries and EntriesOf alone
	Kind         string `json:"kind"`
	DisplayName  string `json:"displayName"`
	Email        string `json:"email"`
	Path         string `json:"path"`
	Hidden       bool   `json:"hidden"`
	System       bool   `json:"system"`
	Archived     bool   `json:"archived"`
	DataLocation string `json:"dataLocation"`
	AccountType  string `json:"accountType"`
}

// EntryByEmail finds whose address this is, whatever its kind, or ErrNotFound. It
// sees one domain: a main address elsewhere refuses the same in this one.
//
// GET /directory/{domainUid}/_byEmail/{email}
func (s *Session) EntryByEmail(ctx context.Context, domainUID, address string) (*DirEntry, error) {
	if !strings.Contains(address, "@") { // BlueMind makes a Java exception of it
		return nil, fmt.Errorf("address %q: %w", clip(address), ErrInvalid)
	}
	return s.entry(ctx, at("/directory", domainUID, "_byEmail", lowered(address)))
}

// Entry reads an entry by its uid.
//
// GET /directory/{domainUid}/entry-uid/{uid}
func (s *Session) Entry(ctx context.Context, domainUID, uid string) (*DirEntry, error) {
	return s.entry(ctx, at("/directory", domainUID, "entry-uid", uid))
}

func (s *Session) entry(ctx context.Context, to endpoint) (*DirEntry, error) {
	var e DirEntry
	if err := s.do(ctx, "GET", to, nil, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// DirQuery says which entries Search finds.
type DirQuery struct {
	Kinds       []string // none: all
	From        int
	Size        int // 0: all
	WithSystem  bool
	SkipHidden  bool // leave out what is hidden from address books
	NameOrEmail string
}

type dirQueryWire struct {
	KindsFilter  []string `json:"kindsFilter,omitempty"`
	HiddenFilter bool     `json:"hiddenFilter"`
	SystemFilter bool     `json:"systemFilter"`
	NameFilter   string   `json:"nameOrEmailFilter,omitempty"`
	From         int      `json:"from"`
	Size         int      `json:"size"`
}

// Search lists entries and tells how many there are in all.
//
// POST /directory/{domainUid}/_search
func (s *Session) Search(ctx context.Context, domainUID string, q DirQuery) ([]DirEntry, int, error) {
	w := dirQueryWire{KindsFilter: q.Kinds, HiddenFilter: q.SkipHidden, SystemFilter: !q.WithSystem,
		NameFilter: q.NameOrEmail, From: q.From, Size: q.Size}
	if w.Size == 0 {
		w.Size = -1
	}
	var r struct {
		Values []*item[DirEntry] `json:"values"`
		Total  int               `json:"total"`
	}
	if err := s.do(ctx, "POST", at("/directory", domainUID, "_search"), w, &r); err != nil {
		return nil, 0, err
	}
	entries := make([]DirEntry, 0, len(r.Values))
	for _, it := range r.Values {
		if it != nil {
			entries = append(entries, dirEntryOf(*it))
		}
	}
	return entries, r.Total, nil
}

func dirEntryOf(it item[DirEntry]) DirEntry {
	e := it.Value
	e.EntryUID, e.ExternalID = cmp.Or(e.EntryUID, it.UID), it.ExternalID
	return e
}

// EntriesOf reads entries by uid, in any order; those that are gone are left out.
//
// POST /directory/{domainUid}/_mget
func (s *Session) EntriesOf(ctx context.Context, domainUID string, uids []string) ([]DirEntry, error) {
	entries := make([]DirEntry, 0, len(uids))
	for part := range slices.Chunk(uids, MaxItems) {
		some, err := list(ctx, s, "POST", at("/directory", domainUID, "_mget"), part, dirEntryOf)
		if err != nil {
			return nil, err
		}
		entries = append(entries, some...)
	}
	return entries, nil
}

// EntryRoles lists what the session's owner may do to an entry.
//
// GET /directory/{domainUid}/entry-uid/{uid}/rolesfor_
func (s *Session) EntryRoles(ctx context.Context, domainUID, uid string) ([]string, error) {
	return s.texts(ctx, at("/directory", domainUID, "entry-uid", uid, "rolesfor_"))
}

// Entries goes through all entries that q means, a thousand at a time.
func (s *Session) Entries(ctx context.Context, domainUID string, q DirQuery) iter.Seq2[DirEntry, error] {
	return func(yield func(DirEntry, error) bool) {
		q.Size = 1000
		for {
			entries, total, err := s.Search(ctx, domainUID, q)
			if err != nil {
				yield(DirEntry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			q.From += len(entries)
			if len(entries) == 0 || q.From >= total {
				return
			}
		}
	}
}
