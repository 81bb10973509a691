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
	if err := s.do(ctx, "GET", at("/directory", domainUID, entryUID, "mgmt", "_maintenance"), nil, &ops); err != nil {
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
	ref, err := s.startRepair(ctx, domainUID, entryUID, ops, dry)
	if err != nil {
		return ops, err
	}
	_, err = s.Await(ctx, ref)
	return ops, err
}

// startRepair asks as the version wants it: an object since May 2022, a bare list
// before. Where the version does not decide, the one refused is followed by the other.
func (s *Session) startRepair(ctx context.Context, domainUID, entryUID string, ops []string, dry bool) (TaskRef, error) {
	major, err := s.c.version(ctx)
	if err != nil {
		return TaskRef{}, err
	}
	modern := func() (ref TaskRef, err error) {
		body := map[string]any{"opIdentifiers": ops, "dry": dry, "logToCoreLog": !dry, "verbose": false}
		err = s.once(ctx, "POST", at("/directory", domainUID, entryUID, "mgmt", "_maintenance", "repair"), body, &ref)
		return ref, err
	}
	if major > 4 {
		return modern()
	}
	word := "repair"
	if dry {
		word = "check"
	}
	var ref TaskRef
	err = s.once(ctx, "POST", at("/directory", domainUID, entryUID, "mgmt", "_maintenance", word), ops, &ref)
	if CodeOf(err) == CodeUnknown || errors.Is(err, ErrNoRoute) {
		return modern()
	}
	return ref, err
}

// Consolidate brings the search index of a mailbox up to date and waits for it.
//
// POST /mgmt/mailbox/{domainUid}/{uid}/_consolidate
func (s *Session) Consolidate(ctx context.Context, domainUID, entryUID string) error {
	var ref TaskRef
	if err := s.do(ctx, "POST", at("/mgmt/mailbox", domainUID, entryUID, "_consolidate"), nil, &ref); err != nil {
		return err
	}
	_, err := s.Await(ctx, ref)
	return err
}
