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

// lostBetween is how many messages a folder that is split holds, by source folder,
// for which none of its parts accounts.
func lostBetween(folders []state.Folder, sums map[int64]state.Sums) map[string]int64 {
	says, have := map[string]int64{}, map[string]int64{}
	for _, f := range folders {
		if f.Part == "" || f.Rule != "" {
			continue
		}
		// Parts are gone through one after the other: what the first saw, all see.
		if n, ok := says[f.Source]; !ok || int64(f.SrcExists) < n {
			says[f.Source] = int64(f.SrcExists)
		}
		have[f.Source] += sums[f.ID].OnSource().Messages
	}
	for source := range says {
		says[source] -= have[source]
	}
	return says
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
