package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
)

// TestFinalWriterInAGroup has a share's writer who may read it at the end by a
// group of his. A second final run has nothing to do: he stays subscribed.
func TestFinalWriterInAGroup(t *testing.T) {
	e := small(t, bmsim.Config{})
	e.accounts = strings.Replace(e.accounts, "Aide & Support;;;", "Aide & Support;bruno@a.example;;", 1)
	e.replan()
	e.final()
	share, writer := bmapi.ShareUID("a.example", "support"), bmapi.UserUID("a.example", "bruno@a.example")
	e.quiet("a second final run", func() { e.final() })
	subs, err := e.admin().Subscribers(t.Context(), "a.example", share)
	if err != nil || !slices.Contains(subs, writer) {
		t.Errorf("subscribed: %v, %v", subs, err)
	}
	acl, err := e.admin().ACL(t.Context(), share)
	if err != nil || slices.ContainsFunc(acl, func(a bmapi.AccessEntry) bool { return a.Subject == writer }) {
		t.Errorf("the writer's own right is there still: %v, %v", acl, err)
	}
}
