package imap

import "testing"

func TestAnnotation(t *testing.T) {
	const ask, old = `GETMETADATA "INBOX" "/shared/vendor/cmu/cyrus-imapd/partition"`,
		`GETANNOTATION "INBOX" "/vendor/cmu/cyrus-imapd/partition" \("value.shared"\)`
	for name, c := range map[string]struct {
		script func(p *peer)
		want   string
	}{
		"METADATA": {func(p *peer) {
			p.answer(ask, `* METADATA "INBOX" ("/shared/vendor/cmu/cyrus-imapd/partition" "srv__example_org")`)
		}, "srv__example_org"},
		"METADATA, unquoted, as a literal, among others": {func(p *peer) {
			p.answer(ask, `* METADATA INBOX (/shared/comment "(" /shared/vendor/cmu/cyrus-imapd/partition {4}`, `a" )`+` /x NIL)`)
		}, `a" )`},
		"ANNOTATEMORE where METADATA isn't known": {func(p *peer) {
			tag := p.expect(ask)
			p.send(tag, "$ BAD Unrecognized command")
			p.answer(old, `* ANNOTATION "INBOX" "/vendor/cmu/cyrus-imapd/partition" ("value.shared" "default")`)
		}, "default"},
		"ANNOTATEMORE where METADATA says nothing": {func(p *peer) {
			p.answer(ask, `* METADATA "INBOX" ("/shared/vendor/cmu/cyrus-imapd/partition" NIL)`)
			p.answer(old, `* ANNOTATION INBOX "/vendor/cmu/cyrus-imapd/partition" ("content-type.shared" "text/plain" "value.shared" "x")`)
		}, "x"},
		"neither": {func(p *peer) {
			p.answer(ask)
			p.answer(old)
		}, ""},
		"an unreadable answer": {func(p *peer) {
			p.answer(ask, `* METADATA "INBOX" nothing`, `* METADATA "INBOX" ("" "")`)
			p.answer(old, `* ANNOTATION "INBOX"`)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := target(t, "", func(p *peer) { c.script(p); p.answer("NOOP"); p.bye() })
			got, err := s.Annotation(t.Context(), "INBOX", PartitionAnnotation)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnnotationRefused(t *testing.T) {
	s := target(t, "", func(p *peer) {
		for range 2 {
			p.send(p.expect("GET.*"), "$ NO Permission denied")
		}
		p.bye()
	})
	_, err := s.Annotation(t.Context(), "INBOX", PartitionAnnotation)
	wantError(t, err, KindNo)
}
