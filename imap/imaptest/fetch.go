package imaptest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// fetchPlan is what a FETCH asks for.
type fetchPlan struct {
	byUID        bool
	items        map[string]bool // UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ
	others       []string        // X-GM-MSGID …
	sections     []section
	changedSince uint64
}

// marksSeen reports whether the plan sets \Seen.
func (p *fetchPlan) marksSeen() bool {
	return slices.ContainsFunc(p.sections, func(x section) bool { return !x.peek })
}

func (p *fetchPlan) parse(a *args) {
	p.items = map[string]bool{"UID": p.byUID}
	if a.peek() == '(' {
		a.list(func() { p.item(a) })
	} else {
		p.item(a)
	}
	if a.skip(' ') { // RFC 7162 §3.1.4.1
		a.list(func() {
			if word := strings.ToUpper(a.atom()); word != "CHANGEDSINCE" {
				a.fail("unknown modifier %s", word)
			}
			a.space()
			p.changedSince = a.number()
			p.items["MODSEQ"] = true
		})
	}
}

func (p *fetchPlan) item(a *args) {
	isName := func(r rune) bool { return isAtom(r) && r != '[' && r != '<' }
	switch name := strings.ToUpper(a.run(isName, "FETCH item")); name {
	case "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "MODSEQ", "DIGEST.SHA1":
		p.items[name] = true
	case "FAST":
		p.items["FLAGS"], p.items["INTERNALDATE"], p.items["RFC822.SIZE"] = true, true, true
	case "BODY", "BODY.PEEK":
		p.sections = append(p.sections, a.section(name == "BODY.PEEK"))
	case "RFC822":
		p.sections = append(p.sections, section{label: name})
	case "RFC822.HEADER":
		p.sections = append(p.sections, section{label: name, peek: true, part: "HEADER"})
	case "RFC822.TEXT":
		p.sections = append(p.sections, section{label: name, part: "TEXT"})
	default:
		if strings.HasPrefix(name, "X-") || name == "EMAILID" || name == "THREADID" {
			p.others = append(p.others, name)
			return
		}
		a.fail("FETCH item %q is not served", name)
	}
}

// fetchBatch is how many messages are looked up under one lock.
const fetchBatch = 200

func (s *session) fetch(cmd *command) reply {
	a := cmd.args
	p := &fetchPlan{byUID: cmd.verb == "UID FETCH"}
	a.space()
	targets := s.view.resolve(a, p.byUID)
	a.space()
	p.parse(a)
	if err := a.end(); err != nil {
		return bad("%v", err)
	}
	if p.items["MODSEQ"] {
		if !s.can("CONDSTORE") {
			return bad("CONDSTORE is not announced")
		}
		s.condstore = true
	}
	f := &fetching{session: s, plan: p, verb: cmd.verb}
	for batch := range slices.Chunk(targets, fetchBatch) {
		for _, found := range f.lookup(batch) {
			if r, over := f.message(found); over {
				return r
			}
			if s.ended {
				return reply{}
			}
		}
	}
	switch {
	case f.refused != "":
		return no("%s", f.refused)
	case f.missing:
		return ok("[EXPUNGEISSUED] Some messages have been expunged")
	}
	return ok("Fetched")
}

// fetching is a FETCH under way.
type fetching struct {
	*session
	plan    *fetchPlan
	verb    string
	refused string // a message's FetchNo
	missing bool
}

// snapshot is a message as it is when a batch is looked up.
type snapshot struct {
	target
	flags   string
	modSeq  uint64
	msg     *message // only what never changes is read from it
	odd     Odd
	refusal string
}

func (f *fetching) lookup(batch []target) []snapshot {
	v, out := f.view, make([]snapshot, 0, len(batch))
	f.srv.mu.Lock()
	defer f.srv.mu.Unlock()
	marked := false
	for _, t := range batch {
		msg := v.lookup(t)
		if msg == nil {
			f.missing = true
			continue
		}
		if msg.modSeq <= f.plan.changedSince {
			continue
		}
		if f.plan.marksSeen() && !v.readOnly && !msg.has(`\Seen`) {
			v.mb.setFlags(msg, append(slices.Clone(msg.flags), `\Seen`))
			marked = true
		}
		snap := snapshot{target: t, flags: v.flagText(msg), modSeq: msg.modSeq, msg: msg}
		if msg.odd != nil {
			snap.odd = *msg.odd
		}
		if len(f.plan.sections) > 0 {
			snap.refusal = msg.refusal()
		}
		out = append(out, snap)
	}
	if marked {
		f.srv.touch()
	}
	return out
}

// refusal returns why the body is withheld, counting; the lock is held.
func (m *message) refusal() string {
	if m.odd == nil {
		return ""
	}
	text := m.odd.FetchNo
	if m.odd.FetchNoTimes > 0 {
		if m.odd.FetchNoTimes--; m.odd.FetchNoTimes == 0 {
			m.odd.FetchNo = ""
		}
	}
	return text
}

// message sends one message's responses; true means that the command ends here.
func (f *fetching) message(m snapshot) (reply, bool) {
	var part func(int64) int64
	if len(f.plan.sections) > 0 {
		switch t := f.spring(f.verb, m.uid); {
		case t == nil:
		case t.Action == CutLiteral:
			if part = t.Part; part == nil {
				part = func(size int64) int64 { return size / 2 }
			}
		default:
			if r, over := f.trapped(t); over {
				return r, true
			}
		}
	}
	m.seq = f.view.seq(m.uid) // less than it was, after ExpungeAtFetch
	q := f.quirks
	switch {
	case slices.Contains(q.OmitUIDs, m.uid):
		return reply{}, false
	case q.ExpungeAtFetch == m.uid && m.uid != 0:
		f.view.mb.Expunge(m.uid)
		f.report(true)
		return reply{}, false
	case m.refusal != "":
		f.refused = m.refusal
		return reply{}, false
	}
	if len(f.plan.sections) > 0 && q.UnsolicitedFlags {
		f.line("* %d FETCH (UID %d FLAGS %s)", m.seq, m.uid, m.flags)
	}
	uid, parts := f.parts(m)
	if len(f.plan.sections) > 0 && q.SplitFetch {
		if len(parts) > 0 {
			f.line("* %d FETCH (%s)", m.seq, strings.Join(append(uid, parts...), " "))
		}
		parts = nil
	}
	if !q.UIDAfterBody {
		parts = append(uid, parts...)
		uid = nil
	}
	f.response(m, parts, uid, part)
	return reply{}, false
}

// parts returns the items that are no literals, UID apart.
func (f *fetching) parts(m snapshot) (uid, parts []string) {
	p, odd := f.plan, m.odd
	if p.items["UID"] {
		uid = []string{fmt.Sprintf("UID %d", m.uid)}
	}
	if p.items["FLAGS"] || p.marksSeen() && !f.view.readOnly {
		parts = append(parts, "FLAGS "+m.flags)
	}
	if p.items["INTERNALDATE"] {
		text := odd.DateText
		if text == "" {
			text = quote(m.msg.date.Format(dateTimeLayout))
		}
		parts = append(parts, "INTERNALDATE "+text)
	}
	if p.items["RFC822.SIZE"] {
		text := odd.SizeText
		if text == "" {
			text = fmt.Sprint(m.msg.body.size)
		}
		parts = append(parts, "RFC822.SIZE "+text)
	}
	if p.items["MODSEQ"] {
		parts = append(parts, fmt.Sprintf("MODSEQ (%d)", m.modSeq))
	}
	if p.items["DIGEST.SHA1"] { // Cyrus's, where DIGEST=SHA1 is announced
		parts = append(parts, fmt.Sprintf("DIGEST.SHA1 %x", m.msg.body.sha1))
	}
	for _, name := range p.others {
		text := odd.Items[name]
		if text == "" {
			text = "NIL"
		}
		parts = append(parts, name+" "+text)
	}
	return uid, parts
}

var errPart = errors.New("part of a literal sent on purpose")

// response sends one FETCH response with the sections as literals, or only
// part of the first, and cuts the connection then.
func (f *fetching) response(m snapshot, before, after []string, part func(int64) int64) {
	f.pause()
	fmt.Fprintf(f.out, "* %d FETCH (", m.seq)
	gap := ""
	for _, text := range before {
		fmt.Fprint(f.out, gap, text)
		gap = " "
	}
	if err := f.literals(m, gap, part); err != nil {
		f.cut() // no way back into step
		return
	}
	for _, text := range after {
		fmt.Fprint(f.out, " ", text)
	}
	fmt.Fprint(f.out, ")\r\n")
}

func (f *fetching) literals(m snapshot, gap string, part func(int64) int64) error {
	if len(f.plan.sections) == 0 {
		return nil
	}
	content, done, err := m.msg.body.open()
	if err != nil {
		return err
	}
	defer done()
	for _, x := range f.plan.sections {
		octets, err := x.cut(content, m.msg.body.size)
		if err != nil {
			return err
		}
		fmt.Fprintf(f.out, "%s%s {%d}\r\n", gap, x.label, octets.Size())
		gap = " "
		if part != nil {
			io.CopyN(f.out, octets, part(octets.Size()))
			return errPart
		}
		if n, err := io.Copy(f.out, octets); err != nil || n != octets.Size() {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
	return nil
}
