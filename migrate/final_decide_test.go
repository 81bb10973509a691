package migrate_test

import (
	"strings"
	"testing"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// TestFinalRunOfARightToDecide: running again decides nothing about a right
// whose holder nobody knows. A person does, by the line that the run names.
func TestFinalRunOfARightToDecide(t *testing.T) {
	e := &estate{world: newWorldFrom(t, imaptest.Options{Capabilities: append(imaptest.DefaultCapabilities(), "ACL")}, bmsim.Config{Domains: []bmsim.Domain{}}),
		domains:  []migrate.PlanDomain{{Name: "a.example", Create: true}},
		accounts: "old;support;support@a.example;share;;;;;;Support;;;\n"}
	e.policy.Shares.Writers = []string{"robot@a.example"}
	e.policy.Shares.Rights = migrate.RightsSource
	e.replan()
	e.source.User("support").Mailbox("INBOX").SetACL("eve", "lrs")
	e.replan()
	const line = "support@a.example;source:eve;none"
	res := e.final()
	if res.Outcome() != migrate.Blocked || len(res.Objects.NotSet) != 1 || !strings.Contains(res.Objects.NotSet[0].Mend, line) {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res.Objects.NotSet)
	}
	e.rights += line + "\n"
	e.replan()
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Errorf("decided, and ended with %v: %+v", res.Outcome(), res.Objects)
	}
}

// TestOutcomeOfRightsNotSet: what waits for mail, another run does.
func TestOutcomeOfRightsNotSet(t *testing.T) {
	for decide, want := range map[bool]migrate.Outcome{false: migrate.Partial, true: migrate.Blocked} {
		r := migrate.RunResult{Accounts: 1, States: map[string]int{migrate.AccountComplete: 1},
			Objects: migrate.ObjectsResult{NotSet: []migrate.RightNotSet{{Mailbox: "s", Decide: decide}}}}
		if got := r.Outcome(); got != want {
			t.Errorf("decide %v: %v, want %v", decide, got, want)
		}
	}
}
