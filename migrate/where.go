package migrate

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

// WhereOptions ask for one message of an account: by its Message-ID, by its
// place at the source, or by its place on the target. Of RunOptions, Sources,
// Target and StateDir are needed.
type WhereOptions struct {
	RunOptions
	Address      string // as in the plan or as on the target
	MessageID    string // with or without <>
	Folder       string // at the source, with UID
	UID          uint32
	TargetFolder string // with TargetUID
	TargetUID    uint32
}

// The fates that Where knows beside the ledger's states.
const (
	FateUnseen  = "unseen"   // at the source, and no run has met it yet
	FateLeftOut = "left out" // its whole folder is excluded, by Rule
	FateForeign = "foreign"  // on the target, and not in the ledger: not from bmsync
)

// What the target says now of a copy.
const (
	NowThere   = "there"   // with the SHA-1 that we sent
	NowAltered = "altered" // with another one
	NowGone    = "gone"    // deleted or moved there since
	NowUnknown = "unknown" // the target could not be asked
)

// Whereabouts are a message's fates: one for each copy at the source.
type Whereabouts struct {
	Address string   `json:"address"`
	Fates   []Fate   `json:"fates"`
	Remarks []string `json:"remarks,omitempty"` // what could not be asked, and why
}

// Fate is what became of one message.
type Fate struct {
	Fate         string     `json:"fate"` // a ledger state, or one of the constants above
	Folder       string     `json:"folder,omitempty"`
	UID          uint32     `json:"uid,omitempty"`
	Target       string     `json:"target_folder,omitempty"`
	TargetUID    uint32     `json:"target_uid,omitempty"`
	Now          string     `json:"now,omitempty"` // on the target
	Rule         string     `json:"rule,omitempty"`
	Reason       string     `json:"reason,omitempty"`
	By           string     `json:"by,omitempty"` // who refused
	Note         string     `json:"note,omitempty"`
	Removed      bool       `json:"removed,omitempty"` // from the target by a run, as the source's user moved or deleted it
	Size         int64      `json:"size,omitempty"`
	InternalDate *time.Time `json:"internal_date,omitempty"`
	SHA1         string     `json:"sha1,omitempty"`
	SHA256       string     `json:"sha256,omitempty"`
	SentSHA1     string     `json:"sent_sha1,omitempty"` // of the copy, where the message was repaired
	SentSHA256   string     `json:"sent_sha256,omitempty"`
	LookedAt     *time.Time `json:"folder_last_run,omitempty"`

	validity uint32
	message  state.Message
}

// Where tells what became of a message. It writes nothing, makes no key, and
// takes no lock: the source is examined, the target is asked through its API.
// A server that can't be asked is a remark, not an error.
func Where(ctx context.Context, o WhereOptions) (w Whereabouts, err error) {
	o.RunOptions = o.RunOptions.withDefaults()
	store, err := openForReading(ctx, o.StateDir, o.Target.Name)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	rows, err := accountsOf(ctx, store, o.Target, o.Address)
	if err != nil {
		return w, err
	}
	w.Address = rows[0].Address
	platform, err := openPlatform(ctx, o.Target, o.Logger)
	if err != nil {
		w.remark("the target can't be asked: %v", err)
	} else {
		defer platform.close(ctx)
	}
	for _, row := range rows {
		s := &seeker{opts: o, store: store, row: row, out: &w}
		if platform != nil {
			s.core = &coreBox{admin: platform.admin, row: row}
			if s.core.box, err = s.core.entered(ctx); err != nil {
				w.remark("the mailbox can't be asked for: %v", err)
				s.core = nil
			}
		}
		if err := s.seek(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *Whereabouts) remark(format string, args ...any) {
	w.Remarks = append(w.Remarks, fmt.Sprintf(format, args...))
}

// seeker looks for a message in one account.
type seeker struct {
	opts    WhereOptions
	store   *state.Store
	row     state.Account
	folders []state.Folder
	core    *coreBox // nil: the target can't be asked
	out     *Whereabouts
}

func (s *seeker) seek(ctx context.Context) (err error) {
	if s.folders, err = s.store.Folders(ctx, s.row.ID); err != nil {
		return err
	}
	switch {
	case s.opts.MessageID != "":
		err = s.byMessageID(ctx)
	case s.opts.UID != 0:
		err = s.bySource(ctx, s.opts.Folder, s.opts.UID)
	default:
		err = s.byTarget(ctx, s.asked(s.opts.TargetFolder), s.opts.TargetUID)
	}
	if err != nil {
		return err
	}
	return s.askTarget(ctx)
}

// byMessageID asks the source, and where that can't be reached, the target.
func (s *seeker) byMessageID(ctx context.Context) error {
	err := s.searchSource(ctx)
	if err == nil || judge(err).scope == interrupted {
		return err
	}
	s.out.remark("source %s can't be asked: %s", s.row.Source, judge(err).reason)
	if s.core == nil {
		return nil
	}
	found, err := s.core.find(ctx, bare(s.opts.MessageID))
	if err != nil {
		s.out.remark("the target can't be searched: %v", err)
		return nil
	}
	for _, at := range found {
		if err := s.byTarget(ctx, at.folder, at.uid); err != nil {
			return err
		}
	}
	return nil
}

// bare is a Message-ID without its brackets.
func bare(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(id), "<"), ">")
}

// searchSource looks through every folder of the account's own, those too that
// a rule excludes. Servers match parts of a header, so that the brackets are
// left out only where nothing is found with them.
func (s *seeker) searchSource(ctx context.Context) error {
	from, ok := s.opts.Sources[s.row.Source]
	if !ok {
		return blocked("name it in bmsync.yaml", "it isn't configured any more")
	}
	src, err := dialSource(ctx, from, s.row.SourceLogin, s.opts.Logger)
	if err != nil {
		return err
	}
	defer src.Close()
	list, err := ownFolders(ctx, src, s.row.SourceFolder)
	if err != nil {
		return err
	}
	id := bare(s.opts.MessageID)
	for _, value := range []string{"<" + id + ">", id} {
		found := false
		for _, name := range list {
			st, err := src.Examine(ctx, name)
			if refused(err) {
				s.out.remark("source folder %q can't be opened: %v", name, err)
				continue
			}
			if err != nil {
				return err
			}
			uids, err := src.SearchHeader(ctx, "Message-ID", value)
			if err != nil {
				return fmt.Errorf("search %q: %w", name, err)
			}
			for _, uid := range uids {
				found = true
				if err := s.listed(ctx, name, uid, st.UIDValidity); err != nil {
					return err
				}
			}
		}
		if found {
			return nil
		}
	}
	return nil
}

// ownFolders lists the account's folders that hold messages.
func ownFolders(ctx context.Context, src *imap.Source, folder string) ([]string, error) {
	t, err := listTree(ctx, src, folder)
	if err != nil {
		return nil, err
	}
	var own []string
	for _, f := range t.Folders {
		if !noSelect(f.Attrs) && !t.foreign(f) {
			own = append(own, f.Name)
		}
	}
	return own, nil
}

// asked is a target folder by the name that the state has: people may give
// that which they see over IMAP.
func (s *seeker) asked(name string) string {
	if s.core == nil {
		return name
	}
	return s.core.box.asked(name)
}

// bySource looks a source message up in the ledger.
func (s *seeker) bySource(ctx context.Context, folder string, uid uint32) error {
	parts := s.partsOf(folder)
	for _, f := range parts {
		if found, err := s.rows(ctx, f, uid); err != nil || found {
			return err
		}
	}
	if len(parts) > 0 && parts[0].Rule != "" {
		s.add(folderFate(parts[0], uid))
	}
	return nil
}

// listed looks up a message that the source has shown under a UIDVALIDITY.
func (s *seeker) listed(ctx context.Context, name string, uid, validity uint32) error {
	parts := s.partsOf(name)
	for _, f := range parts {
		if f.SrcUIDValidity != validity && f.SrcUIDValidity != 0 {
			continue
		}
		if found, err := s.rows(ctx, f, uid); found || err != nil {
			return err
		}
		if f.Rule != "" {
			s.add(folderFate(f, uid))
			return nil
		}
	}
	var f state.Folder
	ok := len(parts) > 0
	if ok {
		f = parts[0]
	}
	fate := Fate{Fate: FateUnseen, Folder: name, UID: uid, LookedAt: given(f.ListedAt)}
	switch {
	case !ok:
		fate.Reason = "the folder is new"
	case f.SrcUIDValidity != validity:
		fate.Reason = "the source has numbered the folder anew"
	}
	s.add(fate)
	return nil
}

// partsOf are the rows of a source folder: one, or one a part where it is split.
func (s *seeker) partsOf(source string) []state.Folder {
	return slices.DeleteFunc(slices.Clone(s.folders), func(f state.Folder) bool {
		return f.Source != source && !(strings.EqualFold(source, "INBOX") && strings.EqualFold(f.Source, "INBOX"))
	})
}

// rows finds a message under the folder's present UIDVALIDITY.
func (s *seeker) rows(ctx context.Context, f state.Folder, uid uint32) (found bool, err error) {
	for m, err := range s.store.MessagesBetween(ctx, f.ID, f.SrcUIDValidity, uid, uid) {
		if err != nil {
			return found, err
		}
		s.add(fateOfRow(f, m))
		found = true
	}
	return found, nil
}

// byTarget looks a target message up in the ledger.
func (s *seeker) byTarget(ctx context.Context, folder string, uid uint32) error {
	found, err := s.store.FindMessages(ctx, s.row.ID, state.Query{Target: folder, DstUID: uid})
	if err != nil {
		return err
	}
	known := false
	for _, f := range found {
		if f.Message.SrcUIDValidity == f.Folder.SrcUIDValidity {
			s.add(fateOfRow(f.Folder, f.Message))
			known = true
		}
	}
	if known || s.core == nil {
		return nil
	}
	if seen, err := s.core.look(ctx, folder, map[uint32]bool{uid: true}); err != nil {
		s.out.remark("the target can't be asked for %q: %v", folder, err)
	} else if it, ok := seen.items[uid]; ok {
		s.add(Fate{Fate: FateForeign, Target: folder, TargetUID: uid, Now: NowThere, Size: it.Size, SHA1: it.BodyGUID})
	}
	return nil
}

func (s *seeker) add(f Fate) {
	if !slices.ContainsFunc(s.out.Fates, func(have Fate) bool {
		return have.Folder == f.Folder && have.UID == f.UID && have.Target == f.Target && have.TargetUID == f.TargetUID
	}) {
		s.out.Fates = append(s.out.Fates, f)
	}
}

func folderFate(f state.Folder, uid uint32) Fate {
	return Fate{Fate: FateLeftOut, Folder: f.Source, UID: uid, Rule: f.Rule, Reason: f.Reason, LookedAt: given(f.ListedAt)}
}

func fateOfRow(f state.Folder, m state.Message) Fate {
	out := Fate{Fate: m.State.String(), Folder: f.Source, UID: m.SrcUID, Size: m.Size, InternalDate: given(m.InternalDate), By: m.By,
		Reason: m.Reason, Note: m.Note, LookedAt: given(f.ListedAt), validity: m.DstUIDValidity, message: m}
	if m.SHA1 != [20]byte{} {
		out.SHA1, out.SHA256 = hex.EncodeToString(m.SHA1[:]), hex.EncodeToString(m.SHA256[:])
	}
	out.Removed = m.State == state.Vanished && m.Removed && m.DstGone
	if m.Repaired != nil {
		out.SentSHA1, out.SentSHA256 = hex.EncodeToString(m.Repaired.SHA1[:]), hex.EncodeToString(m.Repaired.SHA256[:])
	}
	if m.State == state.Excluded {
		out.Rule, out.Reason = m.Reason, ""
	}
	if m.DstUID != 0 {
		out.Target, out.TargetUID = f.Target, m.DstUID
	}
	return out
}

// askTarget asks what the target shows now of every copy that was found.
func (s *seeker) askTarget(ctx context.Context) error {
	wanted := map[string]map[uint32]bool{}
	for _, f := range s.out.Fates {
		if f.TargetUID != 0 && f.Now == "" {
			if wanted[f.Target] == nil {
				wanted[f.Target] = map[uint32]bool{}
			}
			wanted[f.Target][f.TargetUID] = true
		}
	}
	for name, uids := range wanted {
		seen, err := s.core.look(ctx, name, uids)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && s.core != nil {
			s.out.remark("the target can't be asked for %q: %v", name, err)
		}
		for i := range s.out.Fates {
			if f := &s.out.Fates[i]; f.Target == name && f.TargetUID != 0 && f.Now == "" {
				f.Now = seen.of(f)
			}
		}
	}
	return nil
}
