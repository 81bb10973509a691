package imaptest

import (
	"math/rand/v2"
	"strings"
	"time"
)

// CorpusOptions choose the mail of one user.
type CorpusOptions struct {
	Seed     uint64
	Messages int    // about so many, at least one of each kind; 0: 300
	Address  string // of the user; "": ada@old.example
	// Emoji adds folder names outside of Unicode's first plane, which
	// BlueMind 4 refuses.
	Emoji bool
	// OddNames adds folder names with "^", quotes, "%" and the like, which
	// no target takes as they are.
	OddNames bool
	// Large adds a message of about so many octets.
	Large int64
}

// Corpus is the mail of one user.
type Corpus struct{ Folders []CorpusFolder }

// CorpusFolder is a folder by its levels, free of any server's delimiter.
type CorpusFolder struct {
	Path       []string
	Options    MailboxOptions
	Subscribed bool
	Messages   []Message
}

// layout is the tree of the corpus. Weights share out the messages.
type layout struct {
	path     string // levels parted by "|"
	use      string
	weight   int
	noSelect bool
	hidden   bool // not subscribed
}

func layouts(o CorpusOptions) []layout {
	tree := []layout{
		{path: "INBOX", weight: 34},
		{path: "Messages envoyés", use: `\Sent`, weight: 18},
		{path: "Messages envoyés|2019", weight: 4},
		{path: "Brouillons", use: `\Drafts`, weight: 2},
		{path: "Corbeille", use: `\Trash`, weight: 6},
		{path: "Courrier indésirable", use: `\Junk`, weight: 4},
		{path: "Boîte d'envoi", weight: 1},
		{path: "Clients", noSelect: true},
		{path: "Clients|Été 2023", weight: 4},
		{path: "Clients|Été 2023|Devis & factures", weight: 7},
		{path: "Clients|Müller GmbH (Köln)", weight: 4},
		{path: "Projets|R&D", weight: 4},
		{path: "Projets|日本語", weight: 3},
		{path: "Projets|Ελληνικά", weight: 1},
		{path: "Archives|2004-2012|Très vieux", weight: 3, hidden: true},
		{path: "Listes|golang", weight: 3, hidden: true},
		{path: "Vide"},
	}
	if o.Emoji {
		tree = append(tree, layout{path: "📦 Colis|🎄 Noël", weight: 2})
	}
	if o.OddNames {
		for _, name := range []string{
			`Prix^2`, `Devis "urgent"`, `100% sûr`, `C:\temp`, `<html> & {accolades} | barre`, `Point;virgule`, "`accent`", `~tilde`,
			"Blanc ", " Devant", ".cache", "e\u0301te\u0301 décomposé", "Été&Hiver", "Casse|A", "Casse|a",
		} {
			tree = append(tree, layout{path: name, weight: 1})
		}
	}
	return tree
}

// NewCorpus returns varied mail, the same for the same options: each kind of
// message that a sound server takes, in folders with French names. What strict
// targets refuse is in [Awkward] instead.
func NewCorpus(o CorpusOptions) *Corpus {
	if o.Messages == 0 {
		o.Messages = 300
	}
	if o.Address == "" {
		o.Address = "ada@old.example"
	}
	w := &writer{rng: rand.New(rand.NewPCG(o.Seed, 0x626d73796e63)), address: o.Address}
	tree := layouts(o)
	total := 0
	for _, l := range tree {
		total += l.weight
	}
	c := &Corpus{}
	for _, l := range tree {
		f := CorpusFolder{
			Path: strings.Split(l.path, "|"), Subscribed: !l.hidden && !l.noSelect,
			Options: MailboxOptions{NoSelect: l.noSelect, SpecialUse: l.use},
		}
		count := o.Messages * l.weight / total
		if l.weight > 0 {
			count = max(count, 1)
		}
		if l.path == "INBOX" {
			f.Messages = append(f.Messages, w.specimens()...)
			if o.Large > 0 {
				f.Messages = append(f.Messages, w.withAttachment(o.Large*3/4))
			}
		}
		for len(f.Messages) < count {
			f.Messages = append(f.Messages, w.ordinary(l))
		}
		w.repeat(&f)
		c.Folders = append(c.Folders, f)
	}
	return c
}

// repeat makes two messages of a folder come twice: one as it is, one with
// another date. Cyrus with conversations refuses an eleventh twin.
func (w *writer) repeat(f *CorpusFolder) {
	n := len(f.Messages)
	if n < 10 {
		return
	}
	f.Messages = append(f.Messages, f.Messages[n-1])
	later := f.Messages[n-2]
	later.InternalDate = later.InternalDate.Add(time.Duration(1+w.rng.IntN(400)) * 24 * time.Hour)
	f.Messages = append(f.Messages, later)
}

// Count returns the number of messages and of their octets.
func (c *Corpus) Count() (messages int, octets int64) {
	for _, f := range c.Folders {
		messages += len(f.Messages)
		for _, m := range f.Messages {
			octets += int64(len(m.Body))
		}
	}
	return messages, octets
}

// Fill puts the corpus into the user's mailboxes, with the names spelled as the
// server needs it: a delimiter inside of a level becomes "_".
func (u *User) Fill(c *Corpus) {
	for _, f := range c.Folders {
		m := u.CreateMailbox(u.srv.join(f.Path), f.Options)
		if f.Subscribed {
			u.Subscribe(m.Name())
		}
		for _, msg := range f.Messages {
			m.Append(msg)
		}
	}
}

// join returns the mailbox name of these levels.
func (s *Server) join(path []string) string {
	delimiter := string(s.opts.Delimiter)
	levels := make([]string, len(path))
	for i, level := range path {
		levels[i] = strings.ReplaceAll(level, delimiter, "_")
	}
	name := strings.Join(levels, delimiter)
	if levels[0] == "INBOX" {
		return name
	}
	return s.opts.Prefix + name
}
