package migrate

import (
	"context"
	"iter"
	"slices"
	"strings"

	"bmsync/imap"
	"bmsync/state"
)

// The kinds of notes: what differs though a message arrived.
const (
	NoteDateOfIdentical = "date_of_identical_message" // the target dates it otherwise: as the same octets that came before, or as it can
	NoteDateMissing     = "date_missing_at_source"
	NoteDateWrapped     = "date_beyond_32_bits" // the source's date was read as one before 1970
	NoteKeywordsLost    = "keywords_lost"
	NoteHeaderMunged    = "header_bytes_replaced" // 8-bit octets, by X
	NoteMovedByUser     = "moved_by_user"         // of the target
	NoteNotBroughtBack  = "removed_before_moving" // not copied to where the source moved it: a user of the target had removed it
	NoteRepaired        = "repaired"              // as the policy allows, after the target had refused it
	NoteDateAbsurd      = "date_absurd"           // another was taken, as the policy says
	NoteOther           = "other"
)

// noteKinds finds the kinds in a note as the copy engine writes it.
func noteKinds(note string) []string {
	if note == "" {
		return nil
	}
	var kinds []string
	for _, k := range []struct{ kind, words string }{
		{NoteDateOfIdentical, "the target dates it "}, {NoteDateMissing, imap.UndatedNote},
		{NoteDateWrapped, imap.WrappedNote}, {NoteRepaired, imap.RepairedNote}, {NoteDateAbsurd, imap.AbsurdNote},
		{NoteKeywordsLost, "flags not kept: "}, {NoteHeaderMunged, imap.MungedNote},
		{NoteMovedByUser, movedByUser}, {NoteNotBroughtBack, imap.NotBroughtBackNote},
	} {
		if strings.Contains(note, k.words) && !slices.Contains(kinds, k.kind) {
			kinds = append(kinds, k.kind)
		}
	}
	if kinds == nil {
		return []string{NoteOther}
	}
	return kinds
}

// keptAs finds in the note of a refused message the file that keeps it.
func keptAs(note string) string {
	for part := range strings.SplitSeq(note, "; ") {
		if file, ok := strings.CutPrefix(part, imap.QuarantineNote); ok {
			return file
		}
	}
	return ""
}

// Remark is a message that arrived, and what differs: a flag that was lost, a
// date, a repair.
type Remark struct {
	Folder string `json:"folder"`
	SrcUID uint32 `json:"source_uid"`
	Target string `json:"target"`
	DstUID uint32 `json:"target_uid"`
	Note   string `json:"note"`
}

// Remarks yields the account's messages of which there is something to say,
// however many there are. An error is the last it yields.
func (c *Certificate) Remarks(ctx context.Context) iter.Seq2[Remark, error] {
	return func(yield func(Remark, error) bool) {
		for _, f := range c.folders {
			for m, err := range c.store.Notable(ctx, f.ID) {
				if err != nil {
					yield(Remark{}, err)
					return
				}
				if m.Note == "" || m.State != state.Copied && m.State != state.Present {
					continue
				}
				if !yield(Remark{f.Source, m.SrcUID, f.Target, m.DstUID, m.Note}, nil) {
					return
				}
			}
		}
	}
}
