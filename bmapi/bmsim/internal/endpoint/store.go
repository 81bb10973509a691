package endpoint

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

var (
	storePattern      = regexp.MustCompile(`(?i)(uid )?store (\S+) (.*)$`)
	uidCopyPattern    = regexp.MustCompile(`(?i)uid copy (\S+) (.*)$`)
	uidExpungePattern = regexp.MustCompile(`(?i)uid expunge (.*)$`)
	renamePattern     = regexp.MustCompile(`(?i)rename "?([^"]+)"? "?([^"]+)`)
)

// storeSlice is how many messages BlueMind changes at a time.
const storeSlice = 1024

// change is what STORE does.
type change struct {
	set    string
	byUID  bool
	mode   mail.Mode
	silent bool
	flags  []string
}

// parseStore is STORE and UID STORE.
func (s *session) parseStore(byUID bool) func(*command, *task) error {
	return func(c *command, t *task) error {
		m, err := c.match(storePattern, "store")
		if err != nil {
			return err
		}
		ch := parseChange(m[3])
		ch.set, ch.byUID = m[2], byUID
		t.lock, t.needs = readSelected, selected
		t.run = func(ctx context.Context) error { return s.change(ctx, t.tag, ch) }
		return nil
	}
}

func parseChange(text string) change {
	ch := change{mode: mail.Replace, silent: strings.Contains(strings.ToLower(text), ".silent")}
	switch {
	case strings.HasPrefix(text, "+"):
		ch.mode = mail.Add
	case strings.HasPrefix(text, "-"):
		ch.mode = mail.Remove
	}
	begin := max(strings.IndexByte(text, ' '), strings.IndexByte(text, '('))
	end := strings.IndexByte(text, ')')
	if begin < 0 || end < begin {
		end = len(text)
	}
	for _, flag := range strings.Split(text[begin+1:end], " ") {
		if flag != "" {
			ch.flags = append(ch.flags, flag)
		}
	}
	return ch
}

func (s *session) change(ctx context.Context, tag string, ch change) error {
	if s.sel == nil {
		return errNothingSelected
	}
	uids, err := s.sel.pick(ch.set, ch.byUID)
	if err != nil {
		return err
	}
	isExpunged := func(f string) bool { return strings.EqualFold(f, `\Expunged`) }
	expunge := ch.mode != mail.Remove && slices.ContainsFunc(ch.flags, isExpunged)
	flags := slices.DeleteFunc(slices.Clone(ch.flags), isExpunged)
	for slice := range slices.Chunk(uids, storeSlice) {
		if err := s.srv.Store.Update(ctx, s.sel.snap.UID, slice, ch.mode, flags); err != nil {
			return err
		}
		if !expunge {
			continue
		}
		if err := s.srv.Store.Expunge(ctx, s.sel.snap.UID, slice); err != nil {
			return err
		}
	}
	if !ch.silent {
		return s.fetch(tag, ch.set, []part{{name: "FLAGS"}}, ch.byUID)
	}
	news, err := s.newKeywords()
	if err != nil {
		return err
	}
	s.out.line("%s%s OK Completed", news, tag)
	return nil
}

// parseCopy is UID COPY. Quota isn't looked at.
func (s *session) parseCopy(c *command, t *task) error {
	m, err := c.match(uidCopyPattern, "copy")
	if err != nil {
		return err
	}
	if t.folder, err = decodeName(strings.ReplaceAll(m[2], `"`, "")); err != nil {
		return err
	}
	t.lock, t.needs = writeNamed, selected
	t.run = func(ctx context.Context) error {
		done, err := s.copyMessages(ctx, m[1], t.folder)
		if err != nil {
			done = "NO Copy failed (" + oneLine(err.Error()) + ")."
		}
		s.out.line("%s %s", t.tag, done)
		return nil
	}
	return nil
}

func (s *session) copyMessages(ctx context.Context, set, folder string) (string, error) {
	if s.sel == nil {
		return "", errNothingSelected
	}
	p, ok := s.acct.Load().resolve(ctx, folder)
	if !ok {
		return "", badf("Folder '%s' is missing.", folder)
	}
	uids, err := s.sel.pick(set, true)
	if err != nil {
		return "", err
	}
	// The store leaves out what is gone; COPYUID must not name it.
	uids = slices.DeleteFunc(uids, func(uid uint32) bool {
		rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
		return err != nil || rec.Expunged
	})
	if len(uids) == 0 {
		return "OK Source uids not found", nil
	}
	made, err := s.srv.Store.Copy(ctx, s.sel.snap.UID, uids, p.folder.UID)
	if err != nil {
		return "", err
	}
	if len(made) != len(uids) {
		return "", bad("a message is gone")
	}
	target := strconv.FormatUint(uint64(made[0].UID), 10)
	if n := len(made); n > 1 {
		target += ":" + strconv.FormatUint(uint64(made[n-1].UID), 10)
	}
	return fmt.Sprintf("OK [COPYUID %d %s %s] Done", p.folder.UIDValidity, joinUIDs(uids, ","), target), nil
}

func joinUIDs(uids []uint32, separator string) string {
	words := make([]string, len(uids))
	for i, uid := range uids {
		words[i] = strconv.FormatUint(uint64(uid), 10)
	}
	return strings.Join(words, separator)
}

// parseExpunge is EXPUNGE.
func (s *session) parseExpunge(_ *command, t *task) error {
	t.lock, t.needs = writeSelected, selected
	t.run = func(ctx context.Context) error { return s.expunge(ctx, t.tag, "1:*") }
	return nil
}

// parseUIDExpunge is UID EXPUNGE (RFC 4315).
func (s *session) parseUIDExpunge(c *command, t *task) error {
	m, err := c.match(uidExpungePattern, "uid expunge")
	if err != nil {
		return err
	}
	t.lock, t.needs = writeSelected, selected
	t.run = func(ctx context.Context) error { return s.expunge(ctx, t.tag, m[1]) }
	return nil
}

// expunge marks the messages of a set that are \Deleted and that the selection
// knows.
func (s *session) expunge(ctx context.Context, tag, text string) error {
	if s.sel == nil {
		return errNothingSelected
	}
	x, err := parseSQLSet(text)
	if err != nil {
		return err
	}
	var uids []uint32
	for _, uid := range s.sel.snap.UIDs {
		if !x.contains(int64(uid)) {
			continue
		}
		rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
		if err == nil && !rec.Expunged && slices.Contains(rec.Flags, `\Deleted`) {
			uids = append(uids, uid)
		}
	}
	if err := s.srv.Store.Expunge(ctx, s.sel.snap.UID, uids); err != nil {
		return err
	}
	return s.checkpoint(tag + " OK Completed")
}

// sqlSet is a set of UIDs that BlueMind gives to its database: reversed ranges
// match nothing and a lone "*" is an error.
type sqlSet []span

func parseSQLSet(text string) (sqlSet, error) {
	var out sqlSet
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, ":")
		from, err := strconv.ParseInt(strings.TrimSpace(low), 10, 64)
		if err != nil {
			return nil, badf("ERROR: syntax error at or near %q", part)
		}
		to := from
		if ranged && high == "*" {
			to = endless
		} else if ranged {
			if to, err = strconv.ParseInt(strings.TrimSpace(high), 10, 64); err != nil {
				return nil, badf("ERROR: syntax error at or near %q", part)
			}
		}
		out = append(out, span{from, to})
	}
	return out, nil
}

func (x sqlSet) contains(n int64) bool {
	return slices.ContainsFunc(x, func(sp span) bool { return sp.from <= n && n <= sp.to })
}
