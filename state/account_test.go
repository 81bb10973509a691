package state

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestEnsureAccount(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	anna := Account{Source: "old", SourceLogin: "anna", Address: "anna@x.test", Kind: "user", Wave: "1"}
	made, err := s.EnsureAccount(ctx, anna)
	must(t, err)
	if made.ID == 0 || made.Phase != "presync" || made.State != "pending" || made.Wave != "1" {
		t.Errorf("made %+v", made)
	}
	with := func(edit func(*Account)) Account {
		a := anna
		edit(&a)
		return a
	}
	for _, test := range []struct {
		name     string
		ask      Account
		same     bool
		conflict bool
	}{
		{"the same", anna, true, false},
		{"address in another case", with(func(a *Account) { a.Address = "Anna@X.test" }), true, false},
		{"another wave", with(func(a *Account) { a.Wave = "2" }), true, false},
		{"the source to another address", with(func(a *Account) { a.Address = "bob@x.test" }), false, true},
		{"another login to the address", with(func(a *Account) { a.SourceLogin = "bob" }), false, true},
		{"another source to the address", with(func(a *Account) { a.Source = "older" }), false, true},
		{"a subtree of the source elsewhere", with(func(a *Account) { a.SourceFolder, a.Address = "Team", "bob@x.test" }), false, false},
		{"another kind", with(func(a *Account) { a.Kind = "share" }), false, false},
		{"somebody else", with(func(a *Account) { a.SourceLogin, a.Address = "carl", "carl@x.test" }), false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := s.EnsureAccount(ctx, test.ask)
			var conflict *ConflictError
			if errors.As(err, &conflict) != test.conflict || err != nil && !test.conflict {
				t.Fatalf("got %v", err)
			}
			if test.conflict {
				if conflict.Known.ID != made.ID || got.ID != 0 {
					t.Errorf("known %+v, got %+v", conflict.Known, got)
				}
				return
			}
			if (got.ID == made.ID) != test.same {
				t.Errorf("id %d; %d was the first", got.ID, made.ID)
			}
			if found, err := s.FindAccount(ctx, test.ask); err != nil || found != got {
				t.Errorf("found %+v, %v", found, err)
			}
		})
	}
	if _, err := s.FindAccount(ctx, with(func(a *Account) { a.Address = "nobody@x.test" })); !errors.Is(err, ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func TestUpdateAccount(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	a, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: "anna", SourceFolder: "Sub", Address: "anna@x.test", Kind: "user"})
	must(t, err)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)
	a = Account{ID: a.ID, Source: a.Source, SourceLogin: a.SourceLogin, SourceFolder: a.SourceFolder, Address: a.Address, Kind: a.Kind,
		Wave: "w", AccountDigest: "ad", PolicyDigest: "pd", DomainUID: "x.test", EntryUID: "uid-1", Phase: "live", State: "partial",
		Reason: "quota", Mend: "raise it", Created: true, SourceFingerprint: "fp", StartedAt: at, EndedAt: at.Add(time.Hour),
		VerifiedAt: at.Add(2 * time.Hour), VerifiedPolicy: "pd", VerifiedResult: "ok", Told: "td", Adopt: true, Writer: "wanda@x.test"}
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("the test leaves %s out", v.Type().Field(i).Name)
		}
	}
	must(t, s.UpdateAccount(ctx, a))
	got, err := s.AccountByAddress(ctx, "ANNA@x.test")
	must(t, err)
	if len(got) != 1 || got[0] != a {
		t.Errorf("got  %+v\nwant %+v", got, a)
	}
	if err := s.UpdateAccount(ctx, Account{ID: 99}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
}

func TestAccountsAndForget(t *testing.T) {
	ctx := context.Background()
	s := openTest(t)
	for _, address := range []string{"carl@x.test", "anna@x.test", "Bob@x.test"} {
		f := folderTest(t, s, address)
		intents, messages := batchOf(1, 3)
		must(t, s.Record(ctx, f.ID, messages))
		intents[0].SrcUID = 9
		must(t, s.Begin(ctx, f.ID, intents[:1]))
		must(t, s.AddDoubts(ctx, f.ID, []Doubt{{SrcUIDValidity: 1, SrcUID: 1}}))
		must(t, s.RecordVerification(ctx, Verification{Account: f.Account}))
	}
	var names []string
	var bob int64
	for a, err := range s.Accounts(ctx) {
		must(t, err)
		names = append(names, a.Address)
		if a.Address == "Bob@x.test" {
			bob = a.ID
			must(t, s.ForgetAccount(ctx, a.ID)) // while the iterator is open
		}
	}
	if !slices.Equal(names, []string{"anna@x.test", "Bob@x.test", "carl@x.test"}) {
		t.Errorf("accounts %q", names)
	}
	if got, err := s.AccountByAddress(ctx, "bob@x.test"); err != nil || len(got) != 0 {
		t.Errorf("forgotten account: %v, %v", got, err)
	}
	for table, want := range map[string]int{"accounts": 2, "folders": 2, "messages": 6, "intents": 2, "doubts": 2, "verifications": 2, "sums": 2} {
		var n int
		must(t, s.reader.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		if n != want {
			t.Errorf("%d %s left, want %d", n, table, want)
		}
	}
	must(t, s.Check(ctx))
	if err := s.ForgetAccount(ctx, bob); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgotten twice: %v", err)
	}
	for range s.Accounts(ctx) {
		break // an iterator may be left
	}
}
