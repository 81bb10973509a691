package migrate

import (
	"slices"
	"strings"

	"bmsync/imap"
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
	NoteOther           = "other"
)

// noteKinds finds the kinds in a note as the copy engine writes it.
func noteKinds(note string) []string {
	if note == "" {
		return nil
	}
	var kinds []string
	for _, k := range []struct{ kind, words string }{
		{NoteDateOfIdentical, "the target dates it "}, {NoteDateMissing, "the source gives no usable date"},
		{NoteDateWrapped, imap.WrappedNote},
		{NoteKeywordsLost, "the target refused its flags: "}, {NoteKeywordsLost, "flags not kept: "}, {NoteHeaderMunged, imap.MungedNote},
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
