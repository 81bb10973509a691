package migrate

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

var updateAccounts = flag.Bool("update-accounts", false, "write accounts-mistakes.golden anew")

func readFile(t *testing.T, name string) ([]Row, error) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return ReadAccounts(f, name)
}

func TestReadAccountsAsExcelWritesThem(t *testing.T) {
	for _, name := range []string{"accounts-excel-1252.csv", "accounts-excel-utf8.csv", "accounts-excel-unicode.txt"} {
		t.Run(name, func(t *testing.T) {
			rows, err := readFile(t, name)
			if err != nil {
				t.Fatal(err)
			}
			want := []Row{{
				File: name, Line: 2, Source: "old", Login: "ada", Address: "ada.martin@example.org", Kind: KindUser, TargetLogin: "ada.martin",
				FirstName: "Ada", LastName: "Martin", Quota: Quota{Stated: true, Bytes: 5 << 30},
				Aliases: []string{"a.martin@example.org", "ada@example.org"}, Wave: "1", SecretFile: "secrets/ada",
				Remarks: []string{`target_address "Ada.Martin@Example.org" was written in lower case, as BlueMind wants it`},
			}, {
				File: name, Line: 3, Source: "old", Login: "zoe", Address: "zoe@example.org", Kind: KindUser, TargetLogin: "zoe",
				FirstName: "Zoé", LastName: "Lefèvre", Quota: Quota{Stated: true}, Wave: "1", SecretFile: "secrets/zoe",
				Note: "œuvre, 20 €\ndeux lignes",
			}, {
				File: name, Line: 6, Source: "old", Login: "noel", Address: "noel@example.org", Kind: KindUser, TargetLogin: "noel",
				FirstName: "Noël", LastName: "D’Arc", Quota: Quota{Stated: true, Bytes: 3 << 29}, Wave: "2", SecretFile: "secrets/noel",
			}}
			if !reflect.DeepEqual(rows, want) {
				t.Errorf("rows\n%+v\nwant\n%+v", rows, want)
			}
		})
	}
}

// TestReadAccountsTellsAllMistakes compares with a golden file: each bad row
// once, with its line, and the good one kept.
func TestReadAccountsTellsAllMistakes(t *testing.T) {
	rows, err := readFile(t, "accounts-mistakes.csv")
	var input *InputError
	if !errors.As(err, &input) {
		t.Fatalf("error %v, want *InputError", err)
	}
	if len(rows) == 0 || rows[len(rows)-1].Address != "zac@example.org" {
		t.Errorf("sound rows aren't returned beside the mistakes: %v", rows)
	}
	var b strings.Builder
	for _, p := range input.Problems {
		fmt.Fprintln(&b, p.Error())
	}
	golden := filepath.Join("testdata", "accounts-mistakes.golden")
	if *updateAccounts {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("problems\n%s\nwant\n%s", b.String(), want)
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a password in a secret's place is quoted")
	}
}

func TestReadAccountsHeader(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown column is named with the nearest", "source,source_login,target_adress,aliases\n", `f:1:21: unknown column "target_adress" (did you mean target_address?)`},
		{"unknown column without a near one lists all", "source,source_login,address,zzzzzz\n", `unknown column "zzzzzz" (known are source, `},
		{"password column is refused", "source;source_login;target_address;Password\nold;a;a@example.org;hunter2\n", "f:1:36: password: passwords aren't kept in this file (use a column secret_file"},
		{"mandatory column is missing", "source;target_address\n", "f:1: source_login: the column is missing"},
		{"column and its alias", "source;source_login;address;target_address\n", "f:1:29: target_address: the column is there twice"},
		{"no header", "old;ada;hunter2\n", "f:1: isn't a header"},
		{"empty file", "", "f: has no header line"},
		{"comments only", "# nothing\n\n", "f: has no header line"},
		{"no accounts", "source;source_login;address\n", "f: has a header and no accounts"},
		{"value in a column without a name", "source;source_login;;address\nold;ada;what;ada@example.org\n", "f:2:9: has a value in a column without a name"},
		{"unclosed quotation mark", "source;source_login;address\nold;ada;\"ada@example.org\nold;bob;bob@example.org\n", "f:2: has a quoted field that isn't closed properly; the lines up to 3"},
		{"UTF-8 with damage", "source;source_login;address;note\nold;zoé;zoe@example.org;\xe9é\xc3\xa9\n", "f:2: is UTF-8, but 1 octets in it aren't"},
		{"no Windows-1252", "source;source_login;address;note\nold;zoe;zoe@example.org;a\x81b\n", "f:2: has an octet that is no character of Windows-1252"},
		{"marked UTF-8 with damage", "\xef\xbb\xbfsource;source_login;address;note\nold;zoe;zoe@example.org;\xe9\n", "f:2: is UTF-8, but 1 octets in it aren't"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadAccounts(strings.NewReader(tt.text), "f")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a password is quoted: %v", err)
			}
		})
	}
}

func TestReadAccountsTakes(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"comma and quotes", "source,source_login,address,note\nold,ada,ada@example.org,\"a, b\"\n"},
		{"tab", "source\tsource_login\taddress\nold\tada\tada@example.org\n"},
		{"delimiter hint", "sep=;\r\nsource;source_login;address\r\nold;ada;ada@example.org\r\n"},
		{"header in capitals with spaces", "Source;Source Login;Target-Address\nold;ada;ada@example.org"},
		{"empty first row", ";;\nsource;source_login;address\nold;ada;ada@example.org"},
		{"columns in another order", "note;address;source_login;source\nx;ada@example.org;ada;old"},
		{"comment between quotes", "source;source_login;address\n\"# a; \"\"b\"\"\";;\nold;ada;ada@example.org"},
		{"comment with a lone mark", "source;source_login;address\n# don't \"quote\nold;ada;ada@example.org"},
		{"unbreakable spaces around", "source;source_login;address\n\u00a0old\u00a0;ada;ada@example.org "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := ReadAccounts(strings.NewReader(tt.text), "f")
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 1 || rows[0].Source != "old" || rows[0].Login != "ada" || rows[0].Address != "ada@example.org" {
				t.Errorf("rows %+v", rows)
			}
		})
	}
}

// TestReadAccountsShortRows: Excel leaves empty columns at the end away for
// 16 rows at once; one short row among full ones has lost a delimiter.
func TestReadAccountsShortRows(t *testing.T) {
	var b strings.Builder
	b.WriteString("source;source_login;address;wave;note\n")
	for i := 2; i <= 48; i++ {
		fmt.Fprintf(&b, "old;u%d;u%d@example.org", i, i)
		switch {
		case i <= 16:
			b.WriteString(";1;x")
		case i == 40: // in the third block, whose other rows have four fields
		case i > 32:
			b.WriteString(";1")
		}
		b.WriteString("\n")
	}
	rows, err := ReadAccounts(strings.NewReader(b.String()), "f")
	if len(rows) != 47 {
		t.Errorf("%d rows, want 47", len(rows))
	}
	if want := "f:40: has 3 fields, and the header has 5 (add the missing delimiters: a value may have moved to another column)"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestReadAccountsReportsAFailedRead(t *testing.T) {
	broken := errors.New("disk gone")
	_, err := ReadAccounts(iotest.ErrReader(broken), "f")
	var input *InputError
	if !errors.Is(err, broken) || errors.As(err, &input) {
		t.Errorf("error %v, want the reader's, and no *InputError", err)
	}
}

func TestReadAccountsOfManyRows(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		fmt.Fprintln(w, "source;source_login;target_address;kind;display_name;quota;wave;secret_file")
		for i := range 50000 {
			fmt.Fprintf(w, "old;user%d;user%d@example.org;user;User %d of many;5 GB;%d;secrets/user%d\n", i, i, i, i%10, i)
		}
		w.Close()
	}()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rows, err := ReadAccounts(r, "f")
	runtime.GC()
	runtime.ReadMemStats(&after)
	if err != nil || len(rows) != 50000 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	if per := (after.HeapAlloc - before.HeapAlloc) / 50000; per > 1500 {
		t.Errorf("%d octets kept a row", per)
	}
	runtime.KeepAlive(rows)
}

func TestNearest(t *testing.T) {
	known := []string{"source", "quota", "wave", "old", "odd"}
	for word, want := range map[string]string{"sorce": "source", "QUOTA": "quota", "quotas": "quota", "odl": "old", "x": "", "zzzzzz": "", strings.Repeat("s", 100): ""} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for _, s := range []string{"ada@example.org", "o'neil+x@sub.example.org", "a_b@example.museum"} {
		if got, err := ParseAddress(s); err != nil || got != s {
			t.Errorf("ParseAddress(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "ada", "@example.org", "ada@", "ada@example", "a@b@example.org", "ada@example.org.", "ada@example..org",
		".ada@example.org", "a..da@example.org", "ada @example.org", "adä@example.org", "ada@example.o", "ada@xn--p1ai", "ada@example.xn--p1ai",
		"ada@10.0.0.1", "ada@[10.0.0.1]", "ada@global.virt", "\"a b\"@example.org", "ada@\xff.org", strings.Repeat("a", 250) + "@example.org"} {
		if got, err := ParseAddress(s); err == nil {
			t.Errorf("ParseAddress(%q) = %q, want an error", s, got)
		}
	}
}

func TestIsAdministrator(t *testing.T) {
	for _, s := range []string{"admin0", "Admin0@Global.Virt", "admin0@example.org", "bmhiddensysadmin@global.virt", "any@global.virt", " admin0 "} {
		if !IsAdministrator(s) {
			t.Errorf("IsAdministrator(%q) is false", s)
		}
	}
	for _, s := range []string{"", "admin", "admin01@example.org", "admin@example.org"} {
		if IsAdministrator(s) {
			t.Errorf("IsAdministrator(%q) is true", s)
		}
	}
}

func TestParseQuota(t *testing.T) {
	for s, want := range map[string]Quota{
		"": {}, " ": {}, "unlimited": {Stated: true}, "Illimité": {Stated: true},
		"5GB": {true, 5 << 30}, "500 MB": {true, 500 << 20}, "1,5 Go": {true, 3 << 29}, "1.25GiB": {true, 5 << 28},
		"5368709120": {true, 5 << 30}, "5\u202f000\u00a0Mo": {true, 5000 << 20}, "2T": {true, 2 << 40}, "2097152 octets": {true, 2 << 20}, "2048kB": {true, 2 << 20},
	} {
		got, err := ParseQuota(s)
		if err != nil || got != want {
			t.Errorf("ParseQuota(%q) = %+v, %v, want %+v", s, got, err, want)
		}
		if again, err := ParseQuota(got.String()); err != nil || again != got {
			t.Errorf("ParseQuota(%q) = %+v, %v after String, want %+v", got.String(), again, err, got)
		}
	}
	for _, s := range []string{"0", "5", "-5GB", "5 bananas", "GB", "1.5", "5E+09", "1,2,3GB", "99999999999999999999", "9999999TB", "0x10MB", "1.1234567GB", "٥GB"} {
		if got, err := ParseQuota(s); err == nil {
			t.Errorf("ParseQuota(%q) = %+v, want an error", s, got)
		}
	}
	for bytes, want := range map[int64]int64{0: 0, 1: 1, 1024: 1, 1025: 2, 5 << 30: 5 << 20} {
		if got := (Quota{Stated: true, Bytes: bytes}).KiB(); got != want {
			t.Errorf("%d bytes are %d KiB, want %d", bytes, got, want)
		}
	}
}

func FuzzReadAccounts(f *testing.F) {
	for _, name := range []string{"accounts-excel-1252.csv", "accounts-excel-utf8.csv", "accounts-excel-unicode.txt", "accounts-mistakes.csv"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("sep=\nsource\tsource_login\taddress\n\"\"\"")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := ReadAccounts(strings.NewReader(text), "f")
		var input *InputError
		if err != nil && (!errors.As(err, &input) || len(input.Problems) == 0 || input.Error() == "") {
			t.Fatalf("error %v isn't an *InputError with problems", err)
		}
		if err == nil && len(rows) == 0 {
			t.Fatal("neither rows nor an error")
		}
		seen := map[string]bool{}
		for _, row := range rows {
			if _, err := ParseAddress(row.Address); err != nil || IsAdministrator(row.Address) || row.Login == "" || row.Line < 1 || row.Kind != KindUser && row.Kind != KindShare || row.TargetLogin == "" {
				t.Fatalf("unsound row %+v", row)
			}
			for _, address := range append(row.Aliases, row.Address) {
				if seen[address] {
					t.Fatalf("address %s is there twice", address)
				}
				seen[address] = true
			}
		}
	})
}

// TestReadAccountsFormula: what a spreadsheet would calculate is told, and its mend
// is one that can be typed.
func TestReadAccountsFormula(t *testing.T) {
	const head = "source;source_login;target_address;display_name\n"
	_, err := ReadAccounts(strings.NewReader(head+"old;ada;ada@example.org;=A1\n"), "a")
	var input *InputError
	if !errors.As(err, &input) || len(input.Problems) != 1 || !strings.Contains(input.Problems[0].Mend, "'=") {
		t.Fatalf("%v", err)
	}
	rows, err := ReadAccounts(strings.NewReader(head+"old;ada;ada@example.org;'=A1\n"), "a")
	if err != nil || len(rows) != 1 || rows[0].DisplayName != "=A1" {
		t.Errorf("%v, %v", rows, err)
	}
}
