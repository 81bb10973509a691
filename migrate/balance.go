package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

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

// toldMost is how many refusals of an account are remembered one by one; of more
// there is one digest, by which any change counts as news.
const toldMost = 10_000

// refusals names an account's refused messages, each by 8 characters, "" if there
// are none: by it a run knows which of them an earlier run has told of.
func refusals(ctx context.Context, store *state.Store, folders []state.Folder) (told string, count int64, err error) {
	if len(folders) == 0 {
		return "", 0, nil
	}
	sums, err := store.FolderSums(ctx, folders[0].Account)
	if err != nil {
		return "", 0, err
	}
	all, each := sha256.New(), strings.Builder{}
	for _, f := range folders {
		if f.SrcUIDValidity == 0 || sums[f.ID][state.Refused].Messages == 0 {
			continue
		}
		for m, err := range store.Messages(ctx, f.ID, f.SrcUIDValidity) {
			if err != nil {
				return "", 0, err
			}
			if m.State != state.Refused {
				continue
			}
			sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s\n", f.ID, m.SrcUIDValidity, m.SrcUID, m.Reason))
			all.Write(sum[:])
			if count++; count <= toldMost {
				each.WriteString(base64.RawURLEncoding.EncodeToString(sum[:toldBytes]))
			}
		}
	}
	switch {
	case count == 0:
		return "", 0, nil
	case count > toldMost:
		return toldWhole + base64.RawURLEncoding.EncodeToString(all.Sum(nil)), count, nil
	}
	return each.String(), count, nil
}

// toldBytes of a digest stand for a refusal; toldWhole begins the digest of all.
const (
	toldBytes = 6
	toldWhole = "="
)

// news says whether one of the refusals isn't among those told of before.
func news(told, before string) bool {
	if told == before {
		return false
	}
	if strings.HasPrefix(told, toldWhole) || strings.HasPrefix(before, toldWhole) {
		return told != ""
	}
	known := map[string]bool{}
	for one := range slices.Chunk([]byte(before), toldBytes/3*4) {
		known[string(one)] = true
	}
	for one := range slices.Chunk([]byte(told), toldBytes/3*4) {
		if !known[string(one)] {
			return true
		}
	}
	return false
}
