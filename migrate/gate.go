package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bmsync/state"
)

// Rehearsal says how far a policy has been rehearsed: by the states of
// rehearsal targets that lie in one folder.
type Rehearsal struct {
	PolicyDigest string   `json:"policy_digest"`
	Targets      []string `json:"targets"`  // that hold an account of it
	Accounts     int      `json:"accounts"` // complete and verified under this policy
	Kinds        []string `json:"kinds"`
}

// GateError says that production is not filled before this very policy has
// passed on a rehearsal target.
type GateError struct {
	Target       string
	PolicyDigest string
	Dir          string
	Seen         []string // rehearsal targets that were looked at
	Lacking      []string // kinds of account
}

func (e *GateError) Error() string {
	looked := "there is no rehearsal target's state in " + e.Dir
	if len(e.Seen) > 0 {
		looked = "looked at " + strings.Join(e.Seen, ", ")
	}
	return fmt.Sprintf("target %s is no rehearsal, and policy %.12s has not been completed and verified on one for kind %s: %s",
		e.Target, e.PolicyDigest, strings.Join(e.Lacking, ", "), looked)
}

// Rehearsed looks through the states in a folder for accounts of rehearsal
// targets that are complete and verified under a policy.
func Rehearsed(ctx context.Context, dir, policyDigest string) (Rehearsal, []string, error) {
	r := Rehearsal{PolicyDigest: policyDigest}
	paths, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return r, nil, fmt.Errorf("look for rehearsals in %s: %w", dir, err)
	}
	var seen []string
	for _, path := range paths {
		id, n, kinds, err := passed(ctx, path, policyDigest)
		if err != nil {
			return r, seen, err
		}
		if !id.Rehearsal {
			continue
		}
		seen = append(seen, id.Target)
		if n == 0 {
			continue
		}
		r.Targets = append(r.Targets, id.Target)
		r.Accounts += n
		for _, k := range kinds {
			if !slices.Contains(r.Kinds, k) {
				r.Kinds = append(r.Kinds, k)
			}
		}
	}
	return r, seen, nil
}

// passed counts the accounts of one state that are complete, and whose newest
// verification under the policy found nothing.
func passed(ctx context.Context, path, policyDigest string) (id state.Identity, n int, kinds []string, err error) {
	s, err := state.OpenReadOnly(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		return id, 0, nil, nil
	}
	if err != nil {
		if _, ok := errors.AsType[*state.FileError](err); ok {
			return id, 0, nil, nil // not a state of ours: nothing was rehearsed there
		}
		return id, 0, nil, err
	}
	defer s.Close()
	if id, err = s.Identity(ctx); err != nil {
		return id, 0, nil, err
	}
	newest := map[int64]bool{}
	verifications, err := s.Verifications(ctx)
	if err != nil {
		return id, 0, nil, err
	}
	for _, v := range verifications {
		newest[v.Account] = v.OK && v.PolicyDigest == policyDigest
	}
	for a, err := range s.Accounts(ctx) {
		if err != nil {
			return id, n, kinds, err
		}
		if a.State == AccountComplete && a.PolicyDigest == policyDigest && newest[a.ID] {
			n++
			kinds = append(kinds, a.Kind)
		}
	}
	return id, n, kinds, nil
}

// gate refuses a production target until the policy has passed a rehearsal,
// for at least one account of each kind that the plan has.
func (r *runner) gate(ctx context.Context) error {
	if r.opts.Target.Rehearsal || r.opts.WithoutRehearsal != "" {
		return nil
	}
	digest := r.opts.Plan.Header.PolicyDigest
	done, seen, err := Rehearsed(ctx, r.opts.StateDir, digest)
	if err != nil {
		return err
	}
	var lacking []string
	for _, kind := range []string{KindUser} {
		if r.opts.Plan.Trailer.Accounts > 0 && !slices.Contains(done.Kinds, kind) {
			lacking = append(lacking, kind)
		}
	}
	if len(lacking) > 0 {
		return &GateError{r.opts.Target.Name, digest, r.opts.StateDir, seen, lacking}
	}
	return nil
}

// planFits refuses a plan whose folder names don't suit the target's version.
func planFits(p *Plan, t *platform) error {
	v := p.Header.TargetVersion
	if v != TargetBoth && string(v) != fmt.Sprint(t.version.Major) {
		return &VersionMismatchError{Target: t.target.Name, Want: string(v) + ", which the plan is for", Have: t.version.ReleaseName}
	}
	return nil
}
