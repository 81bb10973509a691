package main

import (
	"strings"
	"testing"
	"time"

	"bmsync/migrate"
)

// TestDryListOfDeletions: a dry run names what it would take off the target, the
// first of each account, deletions before moves.
func TestDryListOfDeletions(t *testing.T) {
	one := migrate.AccountResult{Address: "ada@example.org", State: migrate.AccountBlocked, Reason: "24 of the 90 messages …", Mend: "bmsync run --only ada@example.org --allow-deletions"}
	for i := range 24 {
		one.Departing = append(one.Departing, migrate.Departing{Folder: "Letters", UID: uint32(i + 1), Target: "Post", TargetUID: uint32(i + 70),
			Date: time.Date(2010, 1, 2, 3, 4, 5, 0, time.UTC), Size: 12345, Moved: i < 2})
	}
	one.Departing[0].To = "Archive"
	var out strings.Builder
	if err := runText(&out, migrate.RunResult{Target: "test", DryRun: true, Accounts: 1, States: map[string]int{migrate.AccountBlocked: 1}, Notable: []migrate.AccountResult{one}}, "bmsync"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"      → bmsync run --only ada@example.org --allow-deletions\n" +
			`      delete "Post" UID 72, of 2010-01-02 03:04, 12.3 kB (at the source it was "Letters" UID 3)` + "\n",
		`delete "Post" UID 91, `, "… and 2 more to delete; --json has them all\n" +
			`      move "Post" UID 70 to "Archive", of 2010-01-02 03:04, 12.3 kB (at the source it was "Letters" UID 1)` + "\n" +
			`      move "Post" UID 71 to another folder, of `,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "UID 92") {
		t.Errorf("all are listed:\n%s", &out)
	}
}
