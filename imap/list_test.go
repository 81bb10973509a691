package imap

import (
	"reflect"
	"slices"
	"testing"
)

func TestListNames(t *testing.T) {
	s := source(t, "SPECIAL-USE LIST-EXTENDED", func(p *peer) {
		tag := p.expect(`LIST "" "\*" RETURN \(SUBSCRIBED SPECIAL-USE\)`)
		p.send(tag, `* LIST (\HasNoChildren \Subscribed) "/" INBOX`, `* LIST (\Noselect \sent) "." "&AMk-t&AOk-"`, `* LIST () NIL {5}`, `a"b\c`,
			`* LIST () "/" A&B`, `* LIST () "\\" "q\"b\\c"`, `* LIST () "\" "old"`, "* LIST () \"/\" \"caf\xe9\"", "* LIST () \"/\" \"caf\xc3\xa9\"",
			`* LIST () "/" "&AOk-&AOg-"`, `* LIST () "/" "&AOkA6A-"`, "* LIST () \"/\" \"tab\there\"", `* LIST () "/" two words`,
			`* list (\HasChildren) "/" deep ("CHILDINFO" ("SUBSCRIBED"))`, `* 5 EXISTS`, `$ OK done`)
		for _, want := range []string{`"A&B"`, "\"caf\xe9\"", "\"caf\xc3\xa9\"", `"&AOk-&AOg-"`, `"&AOkA6A-"`, `"q\"b\\c"`, "\"tab\there\""} {
			tag, got := p.examine()
			if got != want {
				t.Errorf("EXAMINE %s, want %s", got, want)
			}
			p.send(tag, "* OK [UIDVALIDITY 1] x", "$ OK done")
		}
		p.bye()
	})
	boxes, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Mailbox{
		{Name: "INBOX", Wire: "INBOX", Delim: '/', Attrs: []string{`\HasNoChildren`, `\Subscribed`}},
		{Name: "Été", Wire: "&AMk-t&AOk-", Delim: '.', Attrs: []string{`\Noselect`, `\sent`}},
		{Name: `a"b\c`, Wire: `a"b\c`},
		{Name: "A&B", Wire: "A&B", Delim: '/', Malformed: true},
		{Name: `q"b\c`, Wire: `q"b\c`, Delim: '\\'},
		{Name: "old", Wire: "old", Delim: '\\'},
		{Name: "café", Wire: "caf\xe9", Delim: '/', Malformed: true},
		{Name: "café (2)", Wire: "caf\xc3\xa9", Delim: '/', Malformed: true},
		{Name: "&AOk-&AOg-", Wire: "&AOk-&AOg-", Delim: '/', Malformed: true},
		{Name: "éè", Wire: "&AOkA6A-", Delim: '/'},
		{Name: "tab\there", Wire: "tab\there", Delim: '/', Malformed: true},
		{Name: "two words", Wire: "two words", Delim: '/'},
		{Name: "deep", Wire: "deep", Delim: '/', Attrs: []string{`\HasChildren`}},
	}
	if len(boxes) != len(want) {
		t.Fatalf("got %d mailboxes: %+v", len(boxes), boxes)
	}
	for i := range want {
		if !reflect.DeepEqual(boxes[i], want[i]) {
			t.Errorf("got  %+v\nwant %+v", boxes[i], want[i])
		}
	}
	if !boxes[1].Has(`\Sent`) || boxes[0].Has(`\Sent`) {
		t.Error("Has")
	}
	for _, b := range []Mailbox{boxes[3], boxes[6], boxes[7], boxes[8], boxes[9], boxes[4], boxes[10]} {
		if _, err := s.ExamineWire(t.Context(), b.Wire); err != nil {
			t.Errorf("%q: %v", b.Wire, err)
		}
	}
}

// examine reads an EXAMINE and gives its argument.
func (p *peer) examine() (tag, name string) {
	l := p.line()
	const verb = " EXAMINE "
	for i := range l {
		if i+len(verb) <= len(l) && l[i:i+len(verb)] == verb {
			return l[:i], l[i+len(verb):]
		}
	}
	panic("got " + l)
}

func TestExamineFindsMalformedNamesByTheirDecodedName(t *testing.T) {
	s := source(t, "LIST-EXTENDED", func(p *peer) {
		p.answer("LIST .*", "* LIST () \"/\" \"caf\xe9\"", `* LIST () "/" "A&B"`)
		for _, want := range []string{"\"caf\xe9\"", `"A&B"`} {
			tag, got := p.examine()
			if got != want {
				t.Errorf("EXAMINE %s, want %s", got, want)
			}
			p.send(tag, "* OK [UIDVALIDITY 1] x", "$ OK done")
		}
		p.bye()
	})
	boxes, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		if _, err := s.Examine(t.Context(), b.Name); err != nil {
			t.Errorf("%q: %v", b.Name, err)
		}
	}
	if n := s.Repairs()["malformed mailbox name"]; n != 2 {
		t.Errorf("repairs %v", s.Repairs())
	}
}

func TestListAsksXLISTAndLSUB(t *testing.T) {
	s := source(t, "XLIST SPECIAL-USE", func(p *peer) {
		p.answer(`LIST "" "\*"`, `* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST () "/" Sent`, `* LIST () "/" a/b`, `* LIST () "/" a`)
		p.answer(`XLIST "" "\*"`, `* XLIST (\Inbox) "/" INBOX`, `* XLIST (\HasNoChildren \sent) "/" "Sent"`)
		p.answer(`LSUB "" "\*"`, `* LSUB () "/" "a/b"`, `* LSUB (\Noselect) "/" a`)
		p.bye()
	})
	boxes, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b := boxes[1]; !b.Has(`\Sent`) || b.Has(`\HasNoChildren`) {
		t.Errorf("got %+v", b)
	}
	if !boxes[0].Has(`\Inbox`) || !boxes[2].Has(`\Subscribed`) || boxes[3].Has(`\Subscribed`) || boxes[3].Has(`\Noselect`) {
		t.Errorf("got %+v", boxes)
	}
}

func TestListOfATargetIsPlain(t *testing.T) {
	s := target(t, "XLIST SPECIAL-USE LIST-EXTENDED", func(p *peer) {
		p.answer(`LIST "" "\*"`, `* LIST () "/" twice`, `* LIST () "/" twice`)
		p.bye()
	})
	boxes, err := s.List(t.Context())
	if err != nil || len(boxes) != 2 {
		t.Errorf("got %+v, %v; a folder made twice must show", boxes, err)
	}
}

func TestListFallsBackWhenExtendedIsRefused(t *testing.T) {
	s := source(t, "LIST-EXTENDED", func(p *peer) {
		p.send(p.expect("LIST .* RETURN .*"), "$ BAD what")
		p.answer(`LIST "" "\*"`, `* LIST () "/" x`)
		p.send(p.expect("LSUB .*"), "$ NO what")
		p.bye()
	})
	if boxes, err := s.List(t.Context()); err != nil || len(boxes) != 1 {
		t.Errorf("got %+v, %v", boxes, err)
	}
}

func TestNamespace(t *testing.T) {
	s := target(t, "", func(p *peer) {
		p.answer("NAMESPACE", `* NAMESPACE (("" "/")) (("Autres utilisateurs/" "/" "X-PARAM" ("a" "b"))) (("Dossiers partag&AOk-s/" "/")("#x." NIL))`)
		p.answer("NAMESPACE", `* NAMESPACE NIL NIL (("" "."))`)
		p.answer("NAMESPACE", `* NAMESPACE (({3}`, `ab/ "/")) NIL`)
		p.bye()
	})
	for _, want := range []Namespaces{
		{Personal: []NamespaceEntry{{"", '/'}}, Other: []NamespaceEntry{{"Autres utilisateurs/", '/'}}, Shared: []NamespaceEntry{{"Dossiers partagés/", '/'}, {"#x.", 0}}},
		{Shared: []NamespaceEntry{{"", '.'}}},
		{Personal: []NamespaceEntry{{"ab/", '/'}}},
	} {
		got, err := s.Namespace(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestStatus(t *testing.T) {
	s := source(t, "CONDSTORE", func(p *peer) {
		p.answer(`STATUS "INBOX" \(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ\)`, "* STATUS other (UIDVALIDITY 9 MESSAGES 9)",
			"* STATUS Inbox (messages 3 UIDNEXT 10 UIDVALIDITY 7 X-NEW (1 2) HIGHESTMODSEQ 99)")
		p.answer(`STATUS "&AOk- x" .*`, `* STATUS "&AOk- x" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)`)
		p.answer(`STATUS "a b" .*`, `* STATUS a b (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)`)
		p.answer(`STATUS "none" .*`)
		p.send(p.expect(`STATUS "gone" .*`), "$ NO [NONEXISTENT] no such mailbox")
		p.bye()
	})
	st, err := s.Status(t.Context(), "inbox")
	if err != nil || !reflect.DeepEqual(st, Status{Messages: 3, UIDNext: 10, UIDValidity: 7, HighestModSeq: 99}) {
		t.Errorf("got %+v, %v", st, err)
	}
	for _, n := range []string{"é x", "a b"} {
		if st, err := s.Status(t.Context(), n); err != nil || st.UIDValidity != 3 || st.UIDNext != 2 || st.Messages != 1 {
			t.Errorf("%s: got %+v, %v", n, st, err)
		}
	}
	_, err = s.Status(t.Context(), "none")
	wantError(t, err, KindNo)
	_, err = s.Status(t.Context(), "gone")
	if e := wantError(t, err, KindNo); e.Code != "NONEXISTENT" {
		t.Errorf("got %+v", e)
	}
	if !slices.Contains([]int{1}, s.Repairs()["STATUS of another mailbox"]) {
		t.Errorf("repairs %v", s.Repairs())
	}
}

func TestListBelow(t *testing.T) {
	s := source(t, "LIST-EXTENDED", func(p *peer) {
		p.answer(`LIST "" "#shared.r&AOk-"`, `* LIST (\\Noselect) "." "#shared.r&AOk-"`)
		p.answer(`LIST "" "#shared.r&AOk-.\*"`, `* LIST () "." "#shared.r&AOk-.x"`)
		p.bye()
	})
	boxes, err := s.ListBelow(t.Context(), "#shared.ré.", '.')
	if err != nil || len(boxes) != 2 || boxes[0].Name != "#shared.ré" || boxes[1].Name != "#shared.ré.x" {
		t.Errorf("got %+v, %v", boxes, err)
	}
	for _, wild := range []string{"a*", "%"} {
		if boxes, err := s.ListBelow(t.Context(), wild, '.'); err != nil || boxes != nil {
			t.Errorf("%s: got %+v, %v", wild, boxes, err)
		}
	}
}

func TestRights(t *testing.T) {
	s := target(t, "ACL", func(p *peer) {
		p.answer(`MYRIGHTS "Dossiers partag&AOk-s/compta"`, `* MYRIGHTS "Dossiers partag&AOk-s/compta" lrswipkxte`)
		p.answer(`MYRIGHTS "x"`, `* MYRIGHTS x ""`)
		p.answer(`MYRIGHTS "y"`, `* MYRIGHTS {1}`, `y lr`)
		p.send(p.expect(`MYRIGHTS "z"`), "$ NO Mailbox does not exist")
		p.bye()
	})
	for _, test := range [][2]string{{"Dossiers partagés/compta", "lrswipkxte"}, {"x", ""}, {"y", "lr"}} {
		if got, err := s.Rights(t.Context(), test[0]); err != nil || got != test[1] {
			t.Errorf("%s: got %q, %v", test[0], got, err)
		}
	}
	_, err := s.Rights(t.Context(), "z")
	wantError(t, err, KindNo)
}
