package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"bmsync/imap"
	"bmsync/state"
)

// balance is law 4: after a folder was gone through, the ledger's sums must be
// what the source listed. It gives the reason why the folder isn't complete,
// "" if it is.
func balance(sums state.Sums, t imap.Tally, s imap.FolderState) string {
	onSource := sums.OnSource().Messages
	switch {
	case sums[state.Pending].Messages > 0:
		return fmt.Sprintf("%d messages are pending", sums[state.Pending].Messages)
	case t.Unmoved:
		return ""
	case int64(t.Listed)+int64(t.Elsewhere) < int64(s.SrcExists):
		return fmt.Sprintf("the source says that it holds %d messages, and lists %d", s.SrcExists, t.Listed+t.Elsewhere)
	case onSource != int64(t.Listed):
		return fmt.Sprintf("the source lists %d messages, the ledger accounts for %d", t.Listed, onSource)
	}
	return ""
}

// refusals is a digest over an account's refused messages, "" if there are
// none: by it a run knows which of them an earlier run has told of.
func refusals(ctx context.Context, store *state.Store, folders []state.Folder) (digest string, count int64, err error) {
	h := sha256.New()
	for _, f := range folders {
		if f.SrcUIDValidity == 0 {
			continue
		}
		sums, err := store.Sums(ctx, f.ID, f.SrcUIDValidity)
		if err != nil {
			return "", 0, err
		}
		if sums[state.Refused].Messages == 0 {
			continue
		}
		for m, err := range store.Messages(ctx, f.ID, f.SrcUIDValidity) {
			if err != nil {
				return "", 0, err
			}
			if m.State == state.Refused {
				count++
				fmt.Fprintf(h, "%d %d %d %s\n", f.ID, m.SrcUIDValidity, m.SrcUID, m.Reason)
			}
		}
	}
	if count == 0 {
		return "", 0, nil
	}
	return hex.EncodeToString(h.Sum(nil)), count, nil
}
