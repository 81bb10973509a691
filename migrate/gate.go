package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	Installations []string `json:"-"` // of Targets
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
	entries, err := os.ReadDir(dir) // no pattern: the folder may be called [2026]
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, nil, fmt.Errorf("look for rehearsals: %w", err)
	}
	var seen []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".db" || e.IsDir() {
			continue
		}
		id, n, kinds, err := passed(ctx, filepath.Join(dir, e.Name()), policyDigest)
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
		r.Installations = append(r.Installations, id.Installation)
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
	if r.opts.Target.Rehearsal || strings.TrimSpace(r.opts.WithoutRehearsal) != "" {
		return nil
	}
	digest := r.opts.Plan.Header.PolicyDigest
	done, seen, err := Rehearsed(ctx, r.opts.StateDir, digest)
	if err != nil {
		return err
	}
	var lacking []string
	planned := r.opts.Plan.Trailer
	for kind, n := range map[string]int{KindUser: planned.Accounts - planned.Shares, KindShare: planned.Shares} {
		if n > 0 && !slices.Contains(done.Kinds, kind) {
			lacking = append(lacking, kind)
		}
	}
	slices.Sort(lacking)
	if len(lacking) > 0 {
		return &GateError{r.opts.Target.Name, digest, r.opts.StateDir, seen, lacking}
	}
	r.rehearsed = done
	return nil
}

// sameInstallation tells when production was rehearsed on itself, in other
// domains. That is allowed (domain_map is made for it), and it leaves out what
// is most worth rehearsing: another server's limits, versions and load.
func (r *runner) sameInstallation() {
	for i, id := range r.rehearsed.Installations {
		if id == r.platform.id {
			r.event(Event{Kind: EventWarning, Text: fmt.Sprintf("target %s, where this policy was rehearsed, is the same BlueMind as %s",
				r.rehearsed.Targets[i], r.opts.Target.Name), Mend: "rehearse on a test server of its own"})
		}
	}
}

// planFits refuses a plan whose folder names don't suit the target's version.
func planFits(p *Plan, t *platform) error {
	v := p.Header.TargetVersion
	if v != TargetBoth && string(v) != fmt.Sprint(t.version.Major) {
		return &VersionMismatchError{Target: t.target.Name, Want: string(v) + ", which the plan is for", Have: t.version.ReleaseName}
	}
	return nil
}
