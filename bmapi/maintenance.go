package bmapi

import (
	"context"
	"errors"
	"slices"
)

// Repairs that are of use around a migration.
const (
	RepairFolders     = "mailboxDefaultFolders"
	RepairSubtree     = "replication.subtree"
	RepairACL         = "mailboxAclsContainer"
	RepairIndexExists = "mailboxIndexExists"
	RepairParentUID   = "replication.parentUid" // version 4 only
)

// Operations lists the repairs that an entry's kind knows.
//
// GET /directory/{domainUid}/{entryUid}/mgmt/_maintenance
func (s *Session) Operations(ctx context.Context, domainUID, entryUID string) ([]string, error) {
	var ops []*struct {
		Identifier string `json:"identifier"`
	}
	if err := s.do(ctx, "GET", at("/directory", domainUID, entryUID, "mgmt", "_maintenance").since4("list repairs"), nil, &ops); err != nil {
		return nil, err
	}
	var ids []string
	for _, op := range ops {
		if op != nil && op.Identifier != "" {
			ids = append(ids, op.Identifier)
		}
	}
	return ids, nil
}

// Repair runs those of the operations that the entry knows, waits for them, and
// tells which they were; none if it knows none. Dry only checks.
//
// POST /directory/{domainUid}/{entryUid}/mgmt/_maintenance/repair
func (s *Session) Repair(ctx context.Context, domainUID, entryUID string, operations []string, dry bool) ([]string, error) {
	known, err := s.Operations(ctx, domainUID, entryUID)
	if err != nil {
		return nil, err
	}
	// An empty list would be all of them.
	ops := slices.DeleteFunc(slices.Clone(operations), func(op string) bool { return !slices.Contains(known, op) })
	if len(ops) == 0 {
		return nil, nil
	}
	major, err := s.c.version(ctx)
	if err != nil {
		return ops, err
	}
	return ops, s.begin(ctx, func() (TaskRef, error) { return s.startRepair(ctx, domainUID, entryUID, ops, dry, major) }, nil)
}

// startRepair asks as the version wants it: an object since May 2022, before that a
// bare list, with a call of its own for looking only. Where the version does not
// decide, the one refused is followed by the other. An object that is not understood
// is never followed by a repair where only a look was asked for.
func (s *Session) startRepair(ctx context.Context, domainUID, entryUID string, ops []string, dry bool, major int) (TaskRef, error) {
	var ref TaskRef
	post := func(word string, body any) func() error {
		to := at("/directory", domainUID, entryUID, "mgmt", "_maintenance", word)
		// Not twice: the second would be told that the first is running.
		return func() error { return s.once(ctx, "POST", to, body, &ref) }
	}
	word := "repair"
	if dry {
		word = "check"
	}
	usual := post("repair", map[string]any{"opIdentifiers": ops, "dry": dry, "logToCoreLog": !dry, "verbose": false})
	other := post(word, ops)
	if major == 4 {
		usual, other = other, usual
	}
	// A body that can't be read has the same code as a repair that is running: both
	// ways are tried then, and neither does harm.
	refused := func(err error) bool { return isNoRoute(err) || CodeOf(err) == CodeUnknown }
	err := either(&s.c.dialect.repair, refused, usual, other)
	if errors.Is(err, ErrOutcomeUnknown) {
		// It is known under which name it would run.
		return TaskRef{ID: "repair-" + entryUID + "@" + domainUID}, nil
	}
	return ref, err
}

// Consolidate brings the search index of a mailbox up to date and waits for it.
//
// POST /mgmt/mailbox/{domainUid}/{uid}/_consolidate
func (s *Session) Consolidate(ctx context.Context, domainUID, entryUID string) error {
	return s.begin(ctx, s.starter(ctx, "POST", at("/mgmt/mailbox", domainUID, entryUID, "_consolidate"), nil), nil)
}
