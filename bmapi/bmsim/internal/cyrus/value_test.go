package cyrus

import (
	"fmt"
	"strings"
	"testing"
)

// write gives values back in one canonical form.
func write(vals []value) string {
	var parts []string
	for _, v := range vals {
		switch {
		case v.isList:
			parts = append(parts, "("+write(v.list)+")")
		case v.atom:
			parts = append(parts, string(v.text))
		default:
			parts = append(parts, fmt.Sprintf("%q", v.text))
		}
	}
	return strings.Join(parts, " ")
}

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		`LIST (\HasNoChildren \Sent) "/" Sent`:                 `LIST (\HasNoChildren \Sent) "/" Sent`,
		`1 FETCH (UID 1 BODY[] {5}` + "\n" + `a (b) FLAGS ())`: `1 FETCH (UID 1 BODY[] "a (b)" FLAGS ())`,
		`X "a \"b\" \\" NIL`:                                   `X "a \"b\" \\" NIL`,
		``:                                                     ``,
	} {
		got, err := parse([]byte(in))
		if err != nil || write(got) != want {
			t.Errorf("%q is read as %s, %v", in, write(got), err)
		}
	}
	for _, in := range []string{`(a`, `a)`, `"a`, "{9}\nab", `{x}`} {
		if got, err := parse([]byte(in)); err == nil {
			t.Errorf("%q is read as %s", in, write(got))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`1 FETCH (FLAGS (\Seen) UID 1 MODSEQ (5) ENVELOPE (NIL "x" NIL NIL))`))
	f.Add([]byte("METADATA \"\" (/shared/x {3}\na(b)"))
	f.Fuzz(func(t *testing.T, in []byte) {
		vals, err := parse(in)
		if err != nil {
			return
		}
		again, err := parse([]byte(write(vals)))
		if err == nil && strings.Count(write(again), "(") != strings.Count(write(vals), "(") {
			t.Errorf("%q: %s, then %s", in, write(vals), write(again))
		}
	})
}

func TestReadRecord(t *testing.T) {
	vals, err := parse([]byte(`1 FETCH (FLAGS (\Recent \Seen foo) UID 7 DIGEST.SHA1 87b8c18b73c5b2d2da11831751e3e3b2a9028bc9 ` +
		`INTERNALDATE " 7-Feb-2021 21:42:04 +0000" MODSEQ (5) RFC822.SIZE 58 ENVELOPE ("Sun, 7 Feb 2021 22:42:04 +0100" ` +
		`"=?utf-8?q?h=C3=A9?=" NIL NIL NIL NIL NIL NIL NIL "<x@y>"))`))
	if err != nil {
		t.Fatal(err)
	}
	r, err := readRecord(vals[2])
	if err != nil {
		t.Fatal(err)
	}
	if r.UID != 7 || r.ItemID != 7 || r.Version != 5 || r.Size != 58 || r.Subject != "hé" || r.MessageID != "<x@y>" ||
		strings.Join(r.Flags, " ") != `\Seen foo` || r.Date.Unix() != 1612734124 || !r.InternalDate.Equal(r.Date) {
		t.Errorf("%+v", r)
	}
}
