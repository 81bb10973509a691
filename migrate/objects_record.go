package migrate

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"bmsync/migrate/objects"
	"bmsync/state"
)

// ObjectsMade counts what runs made on a target, of one kind.
type ObjectsMade struct {
	Kind      objects.Kind `json:"kind"`
	Made      int64        `json:"made"`                // and not taken back
	Open      int64        `json:"open,omitempty"`      // of them: begun, and no run saw the end; the next one looks
	Withdrawn int64        `json:"withdrawn,omitempty"` // by --undo, or by a final run
}

// objectsMade reads the counts in the order in which objects are made.
func objectsMade(ctx context.Context, store *state.Store) ([]ObjectsMade, error) {
	counts, err := store.ObjectCounts(ctx)
	var out []ObjectsMade
	for _, c := range counts {
		out = append(out, ObjectsMade{objects.Kind(c.Kind), c.Made, c.Open, c.Withdrawn})
	}
	slices.SortFunc(out, func(a, b ObjectsMade) int { return cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)) })
	return out, err
}

// against reads what stands against the plan: how much, and the first of it.
func against(ctx context.Context, store *state.Store) (list []objects.Outcome, n int64, err error) {
	for c, err := range store.Conflicts(ctx) {
		if err != nil {
			return list, n, err
		}
		if n++; n > MaxTroubles {
			continue
		}
		var o objects.Outcome
		if err := json.Unmarshal([]byte(c.Text), &o); err != nil {
			return list, n, err
		}
		list = append(list, o)
	}
	return list, n, nil
}
