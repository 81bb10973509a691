package endpoint

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

// selection is a folder as it was when it was selected, or last looked at: what
// came later has no sequence number, and keywords it didn't know aren't shown.
type selection struct {
	place
	snap mail.Snapshot
}

// sequence is the number of a message, 0 when it has none.
func (sel *selection) sequence(uid uint32) int {
	if i, ok := slices.BinarySearch(sel.snap.UIDs, uid); ok {
		return i + 1
	}
	return 0
}

const systemFlags = `\Answered \Flagged \Draft \Deleted \Seen`

func flagsLine(labels []string) string {
	return "* FLAGS (" + strings.Join(append([]string{systemFlags}, labels...), " ") + ")\r\n" +
		"* OK [PERMANENTFLAGS (" + systemFlags + ` \*)] Ok` + "\r\n"
}

// parseSelect is SELECT and EXAMINE. UNSEEN is a count here, and nothing keeps
// an examined folder from being written.
func (s *session) parseSelect(verb string) func(*command, *task) error {
	return func(c *command, t *task) error {
		name, err := c.folderArg(verb)
		if err != nil {
			return err
		}
		t.folder, t.lock, t.needs = name, readNamed, authenticated
		t.run = func(ctx context.Context) error {
			p, ok := s.acct.Load().resolve(ctx, name)
			if !ok {
				s.noSuchFolder(t.tag)
				return nil
			}
			snap, err := s.srv.Store.Snapshot(p.folder.UID, true)
			if err != nil {
				return err
			}
			access := "READ-WRITE"
			if verb == "examine" || p.readOnly {
				access = "READ-ONLY"
			}
			s.sel = &selection{place: p, snap: snap}
			s.state.Store(int32(selected))
			flags, permanent, _ := strings.Cut(flagsLine(snap.Labels), "\r\n")
			s.out.line("* %d EXISTS\r\n* 0 RECENT\r\n%s\r\n%s* OK [UNSEEN %d] Ok\r\n* OK [UIDVALIDITY %d] Ok\r\n"+
				"* OK [UIDNEXT %d] Ok\r\n%s OK [%s] Completed",
				len(snap.UIDs), flags, permanent, snap.Unseen, snap.UIDValidity, snap.LastUID+1, t.tag, access)
			return nil
		}
		return nil
	}
}

func (s *session) noSuchFolder(tag string) {
	closed := ""
	if state(s.state.Load()) == selected {
		s.state.Store(int32(authenticated))
		s.sel = nil
		closed = "* OK [CLOSED] Ok\r\n"
	}
	s.out.line("%s%s NO Mailbox does not exist", closed, tag)
}

// parseClose is CLOSE, which expunges nothing.
func (s *session) parseClose(_ *command, t *task) error {
	t.needs = authenticated
	t.run = func(context.Context) error {
		closed := ""
		if state(s.state.Load()) == selected {
			s.state.Store(int32(authenticated))
			s.sel = nil
			closed = "* OK [CLOSED] Ok\r\n"
		}
		s.out.line("%s%s OK Completed", closed, t.tag)
		return nil
	}
	return nil
}

// news brings the selection up to date and says what has changed: BlueMind's
// checkpoint of sequences.
func (s *session) news() (string, error) {
	if s.sel == nil {
		return "", nil
	}
	old := s.sel.snap
	light, err := s.srv.Store.Snapshot(old.UID, false)
	if err != nil || light.HighestModSeq == old.HighestModSeq && light.LastUID == old.LastUID {
		return "", err
	}
	live, err := s.srv.Store.Snapshot(old.UID, true)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for i := len(old.UIDs) - 1; i >= 0; i-- {
		if _, there := slices.BinarySearch(live.UIDs, old.UIDs[i]); !there {
			fmt.Fprintf(&out, "* %d EXPUNGE\r\n", i+1)
		}
	}
	// Any change of the folder is told by EXISTS, not only another number.
	if out.Len() > 0 || len(live.UIDs) != len(old.UIDs) || live.HighestModSeq > old.HighestModSeq {
		fmt.Fprintf(&out, "* %d EXISTS\r\n", len(live.UIDs))
	}
	out.WriteString(newLabels(old.Labels, live.Labels))
	s.sel = &selection{place: s.sel.place, snap: live}
	return out.String(), nil
}

// newKeywords tells of keywords the selection doesn't know, and leaves it so:
// BlueMind's checkpoint of flags.
func (s *session) newKeywords() (string, error) {
	live, err := s.srv.Store.Snapshot(s.sel.snap.UID, false)
	if err != nil {
		return "", err
	}
	return newLabels(s.sel.snap.Labels, live.Labels), nil
}

func newLabels(old, live []string) string {
	for _, label := range live {
		if !slices.Contains(old, label) {
			return flagsLine(live)
		}
	}
	return ""
}

// checkpoint sends what has changed and then an answer.
func (s *session) checkpoint(answer string) error {
	news, err := s.news()
	if err != nil {
		return err
	}
	s.out.line("%s%s", news, answer)
	return nil
}

// parseNoop is NOOP and CHECK.
func (s *session) parseNoop(_ *command, t *task) error {
	t.lock = readSelected
	t.run = func(context.Context) error { return s.checkpoint(t.tag + " OK Completed") }
	return nil
}

// parseStatus is STATUS (RFC 3501 §6.3.10). Names are read as APPEND reads them,
// items it doesn't know are left out.
func (s *session) parseStatus(c *command, t *task) error {
	text, err := c.flat(false)
	if err != nil {
		return err
	}
	var from int
	if len(c.lits) == 1 {
		t.folder = beginning(c.lits[0])
		from = strings.Index(text, " (") + 2
	} else {
		const start = len("status ")
		wire := ""
		if start < len(text) && text[start] == '"' {
			end := indexFrom(text, '"', start+2)
			if end < 0 {
				return outside(start+1, -1, len(text))
			}
			wire, from = text[start+1:end], end+3
		} else {
			end := indexFrom(text, ' ', start+1)
			if end < 0 {
				return outside(start, -1, len(text))
			}
			wire, from = text[start:end], end+2
		}
		if t.folder, err = decodeName(wire); err != nil {
			return err
		}
	}
	to := strings.LastIndexByte(text, ')')
	if to < from {
		return outside(from, to, len(text))
	}
	items := strings.Split(text[from:to], " ")
	t.lock, t.needs = readNamed, authenticated
	t.run = func(ctx context.Context) error { return s.status(ctx, t, items) }
	return nil
}

func (s *session) status(ctx context.Context, t *task, items []string) error {
	p, ok := s.acct.Load().resolve(ctx, t.folder)
	if !ok {
		s.out.line("%s NO Mailbox does not exist", t.tag)
		return nil
	}
	snap, err := s.srv.Store.Snapshot(p.folder.UID, false)
	if err != nil {
		return err
	}
	var props []string
	for _, item := range items {
		switch item = strings.ToUpper(item); item {
		case "MESSAGES":
			props = append(props, fmt.Sprint(item, " ", snap.Visible))
		case "RECENT":
			props = append(props, "RECENT 0")
		case "UIDNEXT":
			props = append(props, fmt.Sprint(item, " ", snap.LastUID+1))
		case "UNSEEN":
			props = append(props, fmt.Sprint(item, " ", snap.Unseen))
		case "UIDVALIDITY":
			props = append(props, fmt.Sprint(item, " ", snap.UIDValidity))
		}
	}
	s.out.line("* STATUS \"%s\" (%s)\r\n%s OK Completed", mail.EncodeUTF7(t.folder), strings.Join(props, " "), t.tag)
	return nil
}
