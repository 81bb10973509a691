package migrate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// mistakes reads a file of mistakes and compares what is told with a golden
// file.
func mistakes[T any](t *testing.T, name string, read func(io.Reader, string) ([]T, error)) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = read(f, name+".csv")
	golden(t, filepath.Join("testdata", name+".golden"), err)
}

func golden(t *testing.T, path string, err error) {
	t.Helper()
	var input *InputError
	if !errors.As(err, &input) {
		t.Fatalf("error %v, want *InputError", err)
	}
	var b strings.Builder
	for _, p := range input.Problems {
		fmt.Fprintln(&b, p.Error())
		if p.Text == "" || p.Line == 0 {
			t.Errorf("without text or line: %+v", p)
		}
	}
	if *updateAccounts {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("problems\n%s\nwant\n%s", b.String(), want)
	}
}

// TestObjectMistakes: each bad row of the three files is told once, with its
// line and column and what to write.
func TestObjectMistakes(t *testing.T) {
	mistakes(t, "objects-accounts", ReadAccounts)
	mistakes(t, "objects-groups", ReadGroups)
	mistakes(t, "objects-rights", ReadRights)
}

func TestReadAccountsOfShares(t *testing.T) {
	rows, err := ReadAccounts(strings.NewReader(`source;source_login;source_folder;target_address;kind;login;writer;label;display_name;groups;account_type;data_location;new_password_file;aliases
old;ada;;Ada.Martin@example.org;;JDupont;;;Ada;Staff|Two words, x;simple;bm-2;pw/ada;a@example.org;
old;pub;Public/Compta;compta@example.org;Share;;Ada.Martin@example.org;Comptabilité Fournisseurs;;;;;;
old;"=""info""";;info@example.org;share;;ada.martin@example.org;;'=Info;;;;;
`), "f")
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{
		File: "f", Line: 2, Source: "old", Login: "ada", Address: "ada.martin@example.org", Kind: KindUser, TargetLogin: "jdupont", DisplayName: "Ada",
		Groups: []string{"Staff", "Two words", "x"}, AccountType: AccountSimple, DataLocation: "bm-2", PasswordFile: "pw/ada", Aliases: []string{"a@example.org"},
		Remarks: []string{`target_address "Ada.Martin@example.org" was written in lower case, as BlueMind wants it`, `login "JDupont" was written in lower case, as BlueMind wants it`},
	}, {
		File: "f", Line: 3, Source: "old", Login: "pub", Folder: "Public/Compta", Address: "compta@example.org", Kind: KindShare, TargetLogin: "compta",
		Writer: "ada.martin@example.org", Label: "Comptabilité Fournisseurs",
		Remarks: []string{`writer "Ada.Martin@example.org" was written in lower case, as BlueMind wants it`},
	}, {
		File: "f", Line: 4, Source: "old", Login: "info", Address: "info@example.org", Kind: KindShare, TargetLogin: "info", Writer: "ada.martin@example.org", Label: "=Info",
	}}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows\n%+v\nwant\n%+v", rows, want)
	}
}

func TestReadGroups(t *testing.T) {
	// As French Excel writes it: Windows-1252, CRLF, empty rows and columns.
	text := "Group;Address;Description;Hidden;Members;Create;Source Name;;\r\n" +
		"Comptabilit\xe9;Compta@Example.org;\xc9quipe;oui;ada@example.org, group:Two Words bob@example.org;;cpt|acc;;\r\n" +
		"comptabilit\xe9;;;;\"group:b\ncyd@example.org; existing:zoe@example.org\";;;;\r\n" +
		"Tous@example.org;;;;;non;;;\r\n;;;;;;;;\r\n"
	list, err := ReadGroups(strings.NewReader(text), "g")
	if err != nil {
		t.Fatal(err)
	}
	user := func(s string, line, column int) Mention {
		return Mention{PlanRef: PlanRef{RefUser, s}, Line: line, Column: column}
	}
	group := func(s string, line, column int) Mention {
		return Mention{PlanRef: PlanRef{RefGroup, s}, Line: line, Column: column}
	}
	zoe := user("zoe@example.org", 3, 18)
	zoe.Existing = true
	want := []Group{
		{File: "g", Line: 2, Name: "Comptabilité", Address: "compta@example.org", Description: "Équipe", Hidden: true, Create: true, SourceNames: []string{"cpt", "acc"},
			Members: []Mention{user("ada@example.org", 2, 46), group("Two Words", 2, 46), user("bob@example.org", 2, 46), group("b", 3, 18), user("cyd@example.org", 3, 18), zoe},
			Remarks: []string{`address "Compta@Example.org" was written in lower case, as BlueMind wants it`}},
		{File: "g", Line: 5, Name: "Tous", Domain: "example.org"},
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("groups\n%+v\nwant\n%+v", list, want)
	}
	if list, err := ReadGroups(strings.NewReader("group;members\n"), "g"); err != nil || len(list) != 0 {
		t.Errorf("a header alone: %v, %v", list, err)
	}
}

func TestReadRights(t *testing.T) {
	rows, err := ReadRights(strings.NewReader(`mailbox,grantee,right
Compta@example.org,ada@example.org,read
compta@example.org,ada@example.org,sendas|SendOnBehalf
compta@example.org,group:Two Words,"Write, Manage"
compta@example.org,bob@example.org,none
compta@example.org,cyd@example.org,LRSWIPKXTEA
compta@example.org,dan@example.org,all write
`), "r")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprintf("%d %s %s:%s %v", r.Line, r.Mailbox, r.Grantee.Kind, r.Grantee.Name, r.Verbs))
	}
	want := []string{
		"2 compta@example.org user:ada@example.org [Read SendAs]",
		"4 compta@example.org group:Two Words [Write Manage]",
		"5 compta@example.org user:bob@example.org []",
		"6 compta@example.org user:cyd@example.org [Write Manage]",
		"7 compta@example.org user:dan@example.org [All]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rights\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestVerbsOf: nobody gets more than the source gave, and what is lost is told.
func TestVerbsOf(t *testing.T) {
	for letters, want := range map[string]string{
		"":              " ",
		"l":             "to see the folder without reading it",
		"lr":            "Read ",
		"lrs":           "Read ",
		"lrsp":          "Read ",
		"lrsw":          "Read to set flags without adding or deleting",
		"lrsip":         "Read to add without deleting",
		"lrst":          "Read to delete without adding",
		"lrswit":        "Write ",
		"lrswipkxte":    "Write ",
		"lrswipcd":      "Write ",
		"lrswipkxtea":   "Write Manage ",
		"lrswipkxtecda": "Write Manage ",
		"la":            "Manage ",
		"lip":           "to add without reading",
		"p":             " ",
		"lrskx":         "Read ",
	} {
		verbs, lost := verbsOf(letters)
		if got := strings.TrimSpace(strings.Join(verbs, " ") + " " + lost); got != strings.TrimSpace(want) {
			t.Errorf("%q is %q, want %q", letters, got, want)
		}
	}
}

func TestCSVCell(t *testing.T) {
	for s, want := range map[string]string{"": "", "a=b": "a=b", "=1+1": "'=1+1", "+33 1": "'+33 1", "-x": "'-x", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "'x": "'x", "é": "é"} {
		if got := CSVCell(s); got != want {
			t.Errorf("CSVCell(%q) = %q, want %q", s, got, want)
		}
	}
}

func FuzzReadGroups(f *testing.F) {
	fuzzSheet(f, "objects-groups.csv", ReadGroups, func(t *testing.T, g Group) {
		if g.Name == "" || badGroupName(g.Name) != "" || g.Line < 1 {
			t.Fatalf("unsound group %+v", g)
		}
		for _, m := range g.Members {
			soundMention(t, m)
		}
	})
}

func FuzzReadRights(f *testing.F) {
	fuzzSheet(f, "objects-rights.csv", ReadRights, func(t *testing.T, r RightRow) {
		if _, err := ParseAddress(r.Mailbox); err != nil || r.Line < 1 {
			t.Fatalf("unsound right %+v", r)
		}
		soundMention(t, r.Grantee)
	})
}

func soundMention(t *testing.T, m Mention) {
	_, err := ParseAddress(m.Name)
	if m.Kind == RefUser && err != nil || m.Kind == RefGroup && badGroupName(m.Name) != "" || m.Kind != RefUser && m.Kind != RefGroup && m.Kind != "" || m.Name == "" || m.Line < 1 {
		t.Fatalf("unsound reference %+v", m)
	}
}

func fuzzSheet[T any](f *testing.F, seed string, read func(io.Reader, string) ([]T, error), sound func(*testing.T, T)) {
	data, err := os.ReadFile(filepath.Join("testdata", seed))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data))
	f.Add("group;members;mailbox;grantee;right\na;\"group:x y a@b.cd existing:group:z\";a@b.cd;group:q;lrs\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := read(strings.NewReader(text), "f")
		var input *InputError
		if err != nil && (!errors.As(err, &input) || len(input.Problems) == 0 || input.Error() == "") {
			t.Fatalf("error %v isn't an *InputError with problems", err)
		}
		for _, item := range list {
			sound(t, item)
		}
	})
}
