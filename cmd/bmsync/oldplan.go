package main

import (
	"fmt"
	"strings"

	"bmsync/migrate"
)

// warnOfOldPlan tells what configuration and CSVs say otherwise than the plan,
// which is what a run goes by.
func (a *app) warnOfOldPlan(j *job) error {
	say := func(format string, args ...any) {
		a.problem("warning", migrate.Problem{File: j.config.Plan, Text: fmt.Sprintf(format, args...), Mend: "bmsync plan takes it in"})
	}
	if j.config.Policy.Digest() != j.plan.Header.PolicyDigest {
		say("the plan was made under another policy than bmsync.yaml has now, and a run goes by the plan")
	}
	planned := map[string]bool{}
	for acct, err := range j.plan.Accounts() {
		if err != nil {
			return err
		}
		planned[acct.Source+"\x00"+acct.SourceLogin+"\x00"+acct.Address] = true
	}
	missing, first := 0, ""
	for _, row := range j.rows {
		if e, ok := j.config.Exception(row.Address); ok && e.Skip || planned[row.Source+"\x00"+row.Login+"\x00"+row.Address] {
			continue
		}
		if missing++; missing == 1 {
			first = row.Address
		}
	}
	if missing > 0 {
		say("the plan lacks %s of accounts.csv, %s first", many(missing, "row"), first)
	}
	stale, err := j.inputs.Stale(j.plan)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		what  string
		names []string
	}{
		{"accounts.csv or rights.csv say otherwise than the plan of", stale.Rows},
		{"accounts.csv has no row any more of", stale.Gone},
		{"groups.csv says otherwise than the plan of", stale.Groups},
		{"bmsync.yaml says otherwise than the plan of the domain", stale.Domains},
	} {
		if more := len(s.names) - 3; more > 0 {
			s.names = append(s.names[:3:3], fmt.Sprintf("and %d more", more))
		}
		if len(s.names) > 0 {
			say("%s %s, and a run goes by the plan", s.what, strings.Join(s.names, ", "))
		}
	}
	return nil
}
