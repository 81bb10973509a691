package imap

import (
	"errors"
	"slices"
	"testing"
)

func TestExamine(t *testing.T) {
	for name, c := range map[string]struct {
		lines   []string
		answer  string
		want    Status
		repairs []string
	}{
		"by the book": {
			lines: []string{`* FLAGS (\Answered \Seen)`, `* OK [PERMANENTFLAGS ()] none`, "* 17 EXISTS", "* 2 RECENT", "* OK [UNSEEN 3] x",
				"* OK [UIDVALIDITY 3857529045] x", "* OK [UIDNEXT 4392] x", "* OK [HIGHESTMODSEQ 90060115205545359] x"},
			answer: "$ OK [READ-ONLY] done",
			want:   Status{Messages: 17, UIDNext: 4392, UIDValidity: 3857529045, HighestModSeq: 90060115205545359, ReadOnly: true},
		},
		"flags that go-imap can't read": {
			lines: []string{`* FLAGS (\Seen [css3-page] "quoted flag" \ {5} café)`, `* OK [PERMANENTFLAGS (\Seen [css3-page] \* $Label1 ] })] x`,
				"* 1 EXISTS", "* OK [UIDVALIDITY 5] x"},
			answer:  "$ OK done",
			want:    Status{Messages: 1, UIDValidity: 5, PermanentFlags: []string{`\Seen`, "[css3-page]", `\*`, "$Label1", "]", "}"}},
			repairs: []string{"unreadable flag"},
		},
		"lower case, unknown responses, stray answers": {
			lines: []string{"* ok [uidvalidity 5] x", "* ok [uidnext 6] x", "* 3 exists", "* XFOO 1 2 3", "* VANISHED (EARLIER) 1:3", " BAD Missing analyzer",
				"T999 OK what", "+ go on", `* XLIT {3}`, `abc def {4+}`, `1234`, "", "* 5 FETCH (FLAGS ())", "* OK [UNSEEN", "* CAPABILITY IMAP4rev1 X"},
			answer:  "$ OK [READ-ONLY]",
			want:    Status{Messages: 3, UIDNext: 6, UIDValidity: 5, ReadOnly: true},
			repairs: []string{"unknown response", "answer to no command", "continuation without need", "unsolicited FETCH", "unclosed response code"},
		},
		"numbers beyond their range": {
			lines: []string{"* 3 EXISTS", "* OK [UIDVALIDITY 7] x", "* OK [UIDNEXT 99999999999] x", "* OK [HIGHESTMODSEQ -1] x",
				"* OK [UIDNEXT 0] x"},
			answer:  "$ OK done",
			want:    Status{Messages: 3, UIDValidity: 7},
			repairs: []string{"unreadable UIDNEXT", "unreadable HIGHESTMODSEQ"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, "", func(p *peer) {
				tag := p.expect(`EXAMINE "x"`)
				p.send(tag, append(c.lines, c.answer)...)
				p.answer("NOOP")
				p.bye()
			})
			st, err := s.Examine(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			flags := st.PermanentFlags
			st.PermanentFlags, c.want.PermanentFlags = nil, slices.Clone(c.want.PermanentFlags)
			if !slices.Equal(flags, c.want.PermanentFlags) {
				t.Errorf("permanent flags %q, want %q", flags, c.want.PermanentFlags)
			}
			if c.want.PermanentFlags = nil; st.Messages != c.want.Messages || st.UIDNext != c.want.UIDNext || st.UIDValidity != c.want.UIDValidity ||
				st.HighestModSeq != c.want.HighestModSeq || st.ReadOnly != c.want.ReadOnly {
				t.Errorf("got %+v, want %+v", st, c.want)
			}
			if err := s.Noop(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			for _, kind := range c.repairs {
				if s.Repairs()[kind] == 0 {
					t.Errorf("no repair %q in %v", kind, s.Repairs())
				}
			}
			if len(c.repairs) == 0 && len(s.Repairs()) > 0 {
				t.Errorf("repairs %v", s.Repairs())
			}
		})
	}
}

func TestExamineAsksForTheModificationSequence(t *testing.T) {
	s := source(t, "CONDSTORE", func(p *peer) {
		p.answer(`EXAMINE "x" \(CONDSTORE\)`, "* OK [UIDVALIDITY 5] x", "* OK [HIGHESTMODSEQ 7] x")
		p.bye()
	})
	if st, err := s.Examine(t.Context(), "x"); err != nil || st.HighestModSeq != 7 {
		t.Errorf("got %+v, %v", st, err)
	}
}

func TestExamineWithoutUIDValidityFails(t *testing.T) {
	for _, line := range []string{"* 3 EXISTS", "* OK [UIDVALIDITY 99999999999] x", "* OK [UIDVALIDITY 5 x"} {
		s := source(t, "", func(p *peer) {
			p.answer(`EXAMINE "x"`, line)
			p.bye()
		})
		_, err := s.Examine(t.Context(), "x")
		if wantError(t, err, KindRefused); !errors.Is(err, ErrNoUIDValidity) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestRefusedCommandTellsCodeAndWords(t *testing.T) {
	s := target(t, "", func(p *peer) {
		p.send(p.expect(`CREATE "x"`), "* NO [ALERT] disk is nearly full", "$ NO [ALREADYEXISTS] create failed, already exists")
		p.send(p.expect(`SELECT "x"`), "$ NO Mailbox does not exist")
		p.send(p.expect(`DELETE "x"`), "$BAD Missing analyzer {3}")
		p.answer(`SUBSCRIBE "x"`)
		p.bye()
	})
	e := wantError(t, s.Create(t.Context(), "x"), KindNo)
	if e.Code != "ALREADYEXISTS" || e.Text != "create failed, already exists" || e.Command != "CREATE" {
		t.Errorf("got %+v", e)
	}
	_, err := s.Select(t.Context(), "x")
	wantError(t, err, KindNo)
	wantError(t, s.Delete(t.Context(), "x"), KindBad)
	if err := s.Subscribe(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if n := s.Repairs()["tag without a space"]; n != 1 {
		t.Errorf("repairs %v", s.Repairs())
	}
}

func TestNamesLeaveAsTheyAre(t *testing.T) {
	s := target(t, "", func(p *peer) {
		p.answer(`CREATE "R&-D/&AMk-t&AOk-"`)
		p.answer(`CREATE "say \\"x\\" \\\\ y"`)
		p.answer(`CREATE "=wire=41"`)
		p.answer(`CREATE "a&AA0ACg-B9 DELETE x"`)
		p.answer("SELECT INBOX", "* OK [UIDVALIDITY 5] x")
		p.bye()
	})
	for _, n := range []string{"R&D/Été", `say "x" \ y`, "=wire=41", "a\r\nB9 DELETE x"} {
		if err := s.Create(t.Context(), n); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
	if _, err := s.Select(t.Context(), "inbox"); err != nil {
		t.Error(err)
	}
}

func TestStoreAndExpunge(t *testing.T) {
	s := target(t, "UIDPLUS", func(p *peer) {
		p.answer(`UID STORE 1:3,7 \+FLAGS.SILENT \(\\Seen \[css3-page\]\)`, `* 1 FETCH (UID 1 FLAGS (\Seen))`)
		p.answer(`UID STORE 9 -FLAGS.SILENT \(\)`)
		p.answer(`UID EXPUNGE 3:4,9`, "* 3 EXPUNGE", "* 3 EXPUNGE", "* 1 EXISTS")
		p.bye()
	})
	ctx := t.Context()
	if err := s.StoreFlags(ctx, []uint32{1, 2, 3, 7}, []string{`\Seen`, `\Recent`, "[css3-page]"}, AddFlags); err != nil {
		t.Error(err)
	}
	if err := s.StoreFlags(ctx, []uint32{9}, nil, RemoveFlags); err != nil {
		t.Error(err)
	}
	wantError(t, s.StoreFlags(ctx, []uint32{9}, []string{"two words"}, ReplaceFlags), KindRefused)
	if err := s.UIDExpunge(ctx, []uint32{3, 4, 9}); err != nil {
		t.Error(err)
	}
}

func TestExpungeNeedsUIDPlus(t *testing.T) {
	s := target(t, "", func(p *peer) { p.bye() })
	wantError(t, s.UIDExpunge(t.Context(), []uint32{1}), KindRefused)
}
