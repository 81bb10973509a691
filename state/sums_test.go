package state

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
)

// Sums are kept by triggers; whatever is done to rows, they must be what
// counting gives.
func TestSumsAreWhatCountingGives(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	folders := []Folder{folderTest(t, s, "a@x.test"), folderTest(t, s, "b@x.test")}
	random := rand.New(rand.NewPCG(1, 2))
	type key struct {
		folder int64
		uid    uint32
	}
	rows := make(map[key]Message) // under the present UIDVALIDITY
	for range 400 {
		f := folders[random.IntN(2)]
		uid := uint32(random.IntN(30) + 1)
		k := key{f.ID, uid}
		switch random.IntN(5) {
		case 0:
			must(t, s.MarkVanished(ctx, f.ID, f.SrcUIDValidity, []uint32{uid}))
			if m, ok := rows[k]; ok {
				m.State = Vanished
				rows[k] = m
			}
		case 1: // an older row, which no present sum counts
			m := sample(uid)
			m.SrcUIDValidity = 2
			must(t, s.Record(ctx, f.ID, []Message{m}))
		default:
			m := sample(uid)
			m.State, m.Size = MessageState(random.IntN(6)+1), int64(random.IntN(1000)-1)
			must(t, s.Record(ctx, f.ID, []Message{m}))
			rows[k] = m
		}
	}
	must(t, s.CloseEpoch(ctx, folders[1].ID, 2))
	must(t, s.Check(ctx))
	var total Sums
	for _, f := range folders {
		var want Sums
		for k, m := range rows {
			if k.folder == f.ID {
				want[m.State].Messages++
				want[m.State].Bytes += max(m.Size, 0)
				total[m.State].Messages++
				total[m.State].Bytes += max(m.Size, 0)
			}
		}
		byFolder, errFolder := s.FolderSums(ctx, f.Account)
		byAccount, errAccounts := s.SumsByAccount(ctx)
		present, errPresent := s.Sums(ctx, f.ID, 0)
		named, errNamed := s.Sums(ctx, f.ID, f.SrcUIDValidity)
		account, errAccount := s.AccountSums(ctx, f.Account)
		must(t, errors.Join(errFolder, errAccounts, errPresent, errNamed, errAccount))
		for name, got := range map[string]Sums{"folder": present, "named": named, "account": account, "by folder": byFolder[f.ID], "by account": byAccount[f.Account]} {
			if got != want {
				t.Errorf("%s sums %v\nwant %v", name, got, want)
			}
		}
	}
	totals, err := s.Totals(ctx)
	if err != nil || totals.Messages != total {
		t.Errorf("totals %v, want %v (%v)", totals.Messages, total, err)
	}
	if got, want := total.OnSource().Messages, total.Total().Messages-total[Vanished].Messages; got != want || want == 0 {
		t.Errorf("%d on the source, want %d", got, want)
	}
	if old, err := s.Sums(ctx, folders[0].ID, 2); err != nil || old[Copied].Messages == 0 {
		t.Errorf("sums of the old UIDVALIDITY %v, %v", old, err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	for name, damage := range map[string]string{
		"sums":       "UPDATE sums SET messages = messages + 1",
		"sums gone":  "DELETE FROM sums",
		"references": "PRAGMA foreign_keys=off; DELETE FROM folders",
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			s := openTest(t)
			f := folderTest(t, s, "a@x.test")
			must(t, s.Record(ctx, f.ID, []Message{sample(1)}))
			must(t, s.Check(ctx))
			_, err := s.writer.Exec(damage)
			must(t, err)
			if err := s.Check(ctx); !errors.Is(err, ErrNotState) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestHashes(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	f := folderTest(t, s, "a@x.test")
	sent, err := s.EnsureFolder(ctx, Folder{Account: f.Account, Source: "Sent", SrcUIDValidity: f.SrcUIDValidity})
	must(t, err)
	_, messages := batchOf(1, 8)
	messages[1].State = Present
	messages[2].State = Refused
	messages[3].State = Vanished
	messages[4].DstGone = true
	messages[5].Repaired = &Sent{SHA256: [32]byte{0xff, 0xff, 0xff, 0xff}}
	messages[6].SrcUIDValidity = 2
	must(t, s.Record(ctx, f.ID, messages))
	must(t, s.Record(ctx, sent.ID, messages[:1])) // the same message twice
	var got [][32]byte
	for sum, err := range s.Hashes(ctx, f.Account) {
		must(t, err)
		if len(got) > 0 && bytes.Compare(got[len(got)-1][:], sum[:]) > 0 {
			t.Error("not sorted")
		}
		got = append(got, sum)
	}
	if len(got) != 5 || got[4] != messages[5].Repaired.SHA256 {
		t.Errorf("%d hashes: %x", len(got), got)
	}
}
