package migrate

import (
	"context"
	"encoding/json"

	"bmsync/migrate/objects"
	"bmsync/state"
)

// journal keeps in the state what a run makes on the target, for the next run
// and for --undo.
type journal struct {
	store *state.Store
	run   int64
}

// objectOf is a record as the state keeps it. Of what is several at one uid,
// the detail tells which.
func objectOf(m objects.Made, run int64) state.Object {
	o := state.Object{Kind: string(m.Kind), DomainUID: m.DomainUID, UID: m.UID, Name: m.Name, Detail: m.Detail, Run: run}
	switch m.Kind {
	case objects.KindMember, objects.KindRight, objects.KindSubscription:
		o.Part = m.Detail
	}
	return o
}

func madeOf(o state.Object) objects.Made {
	return objects.Made{Kind: objects.Kind(o.Kind), DomainUID: o.DomainUID, UID: o.UID, Name: o.Name, Detail: o.Detail}
}

// Begin notes that an object is about to be made.
func (j journal) Begin(ctx context.Context, m objects.Made) error {
	return j.store.BeginObject(ctx, objectOf(m, j.run))
}

// Done notes that it was made. It is noted also when the run is being
// interrupted: the object is there.
func (j journal) Done(ctx context.Context, m objects.Made) error {
	return j.store.EndObject(context.WithoutCancel(ctx), objectOf(m, j.run))
}

// Drop notes that it was refused.
func (j journal) Drop(ctx context.Context, m objects.Made) error {
	return j.store.DropObject(context.WithoutCancel(ctx), objectOf(m, j.run))
}

// Pending says whether a run noted it.
func (j journal) Pending(ctx context.Context, m objects.Made) (bool, error) {
	return j.store.HasObject(ctx, objectOf(m, j.run))
}

// conflictKeeper keeps in the state which objects stand against the plan, as
// outcomes come in. It is for one goroutine at a time.
type conflictKeeper struct {
	store *state.Store
	run   int64
	known map[state.Conflict]string // by key, from earlier runs
}

func newConflictKeeper(ctx context.Context, store *state.Store, run int64) (*conflictKeeper, error) {
	k := &conflictKeeper{store: store, run: run, known: map[state.Conflict]string{}}
	for c, err := range store.Conflicts(ctx) {
		if err != nil {
			return nil, err
		}
		k.known[state.Conflict{Kind: c.Kind, Domain: c.Domain, Name: c.Name}] = c.Text
	}
	return k, nil
}

// note takes an outcome in; news is a conflict that no earlier run has told of
// in the same words.
func (k *conflictKeeper) note(ctx context.Context, o objects.Outcome) (news bool, err error) {
	key := state.Conflict{Kind: string(o.Kind), Domain: o.Domain, Name: o.Name}
	before, known := k.known[key]
	if o.Action != objects.Conflict {
		if !known {
			return false, nil
		}
		delete(k.known, key)
		return false, k.store.DropConflict(ctx, key)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return false, err
	}
	if known && before == string(text) {
		return false, nil
	}
	k.known[key] = string(text)
	c := key
	c.Text, c.Run = string(text), k.run
	return true, k.store.PutConflict(ctx, c)
}
