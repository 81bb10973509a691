package state

import (
	"context"
	"slices"
	"testing"
)

func conflicts(t *testing.T, s *Store) []string {
	t.Helper()
	list := []string{}
	for c, err := range s.Conflicts(context.Background()) {
		must(t, err)
		if c.Seen.IsZero() {
			t.Errorf("%+v was never seen", c)
		}
		list = append(list, c.Kind+" "+c.Name+" "+c.Text)
	}
	return list
}

func TestConflicts(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	ada := Conflict{Kind: "user", Domain: "d", Name: "ada", Text: `"taken"`, Run: 1}
	must(t, s.PutConflict(ctx, ada))
	must(t, s.PutConflict(ctx, Conflict{Kind: "group", Domain: "d", Name: "ada", Text: `"too"`, Run: 1}))
	ada.Text = `"still"`
	must(t, s.PutConflict(ctx, ada))
	if got := conflicts(t, s); !slices.Equal(got, []string{`group ada "too"`, `user ada "still"`}) {
		t.Errorf("got %q", got)
	}
	must(t, s.DropConflict(ctx, ada))
	must(t, s.DropConflict(ctx, ada))
	if got := conflicts(t, s); !slices.Equal(got, []string{`group ada "too"`}) {
		t.Errorf("got %q", got)
	}
}
