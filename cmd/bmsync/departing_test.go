package main

import (
	"strings"
	"testing"
	"time"

	"bmsync/migrate"
)

// TestDryListOfDeletions: a dry run names what it would take off the target, the
// first of each account.
func TestDryListOfDeletions(t *testing.T) {
	one := migrate.AccountResult{Address: "ada@example.org", State: migrate.AccountBlocked, Reason: "24 of the 90 messages …", Mend: "bmsync run --only ada@example.org --allow-deletions"}
	for i := range 24 {
		one.Departing = append(one.Departing, migrate.Departing{Folder: "Letters", UID: uint32(i + 1), Target: "Post", TargetUID: uint32(i + 70),
			Date: time.Date(2010, 1, 2, 3, 4, 5, 0, time.UTC), Size: 12345, Moved: i == 0})
	}
	var out strings.Builder
	if err := runText(&out, migrate.RunResult{Target: "test", DryRun: true, Accounts: 1, States: map[string]int{migrate.AccountBlocked: 1}, Notable: []migrate.AccountResult{one}}, "bmsync"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"move Letters UID 1 → Post UID 70, of 2010-01-02 03:04, 12", "delete Letters UID 2 → Post UID 71,", "delete Letters UID 20 ", "… and 4 more; --json has them all", "--allow-deletions",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "UID 21 ") {
		t.Errorf("all are listed:\n%s", &out)
	}
}
