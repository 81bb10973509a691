package endpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bmsync/bmapi/bmsim/internal/mail"
)

// rights of RFC 4314 that GETACL and MYRIGHTS make up.
const (
	rightsOwner = "lrswipkxtea"
	rightsWrite = "lrswipkxte"
	rightsRead  = "lrp"
)

var errMissingAnalyser = bad("Missing analyzer")

// analyser reads the arguments of one command. A head with a space at its end is
// the beginning of a command, another is all of it.
type analyser struct {
	head  string
	verb  string
	parse func(*command, *task) error
}

// analysers are the commands BlueMind knows; of any other it says that there is
// no analyser.
func (s *session) analysers(first byte) []analyser {
	switch first {
	case 'a':
		return []analyser{{"append ", verbAppend, s.parseAppend}, {"authenticate ", "AUTHENTICATE", s.parseAuthenticate}}
	case 'c':
		return []analyser{{"capability", "CAPABILITY", s.parseCapability}, {"create ", "CREATE", s.parseCreate},
			{"check", "CHECK", s.parseNoop}, {"close", "CLOSE", s.parseClose}}
	case 'd':
		return []analyser{{"done", "DONE", s.parseDone}, {"delete ", "DELETE", s.parseDelete}}
	case 'e':
		return []analyser{{"examine ", "EXAMINE", s.parseSelect("examine")}, {"expunge*", "EXPUNGE", s.parseExpunge}}
	case 'f':
		return []analyser{{"fetch ", "FETCH", s.parseFetch(false)}}
	case 'g':
		return []analyser{{"getquotaroot ", "GETQUOTAROOT", s.parseQuota}, {"getacl ", "GETACL", s.parseRights("getacl")}}
	case 'i':
		return []analyser{{"id ", "ID", s.parseID}, {"idle", "IDLE", s.parseIdle}}
	case 'l':
		return []analyser{{"login ", "LOGIN", s.parseLogin}, {"list ", "LIST", s.parseList("LIST")},
			{"lsub ", "LSUB", s.parseList("LSUB")}, {"logout", "LOGOUT", s.parseLogout}}
	case 'm':
		return []analyser{{"myrights ", "MYRIGHTS", s.parseRights("myrights")}}
	case 'n':
		return []analyser{{"noop", "NOOP", s.parseNoop}, {"namespace", "NAMESPACE", s.parseNamespace}}
	case 'r':
		return []analyser{{"rename ", "RENAME", s.parseRename}}
	case 's':
		return []analyser{{"select ", "SELECT", s.parseSelect("select")}, {"status ", "STATUS", s.parseStatus},
			{"store ", "STORE", s.parseStore(false)}, {"subscribe ", "SUBSCRIBE", s.parseSubscribe("subscribe")},
			{"search ", "SEARCH", s.parseSearch(false)}}
	case 'u':
		return []analyser{{"uid fetch ", "UID FETCH", s.parseFetch(true)}, {"uid store ", "UID STORE", s.parseStore(true)},
			{"uid copy ", "UID COPY", s.parseCopy}, {"uid search ", "UID SEARCH", s.parseSearch(true)},
			{"uid expunge ", "UID EXPUNGE", s.parseUIDExpunge}, {"unsubscribe ", "UNSUBSCRIBE", s.parseSubscribe("unsubscribe")}}
	case 'x':
		return []analyser{{"xlist ", "XLIST", s.parseList("XLIST")}}
	}
	return nil
}

func (a analyser) fits(head string) bool {
	if start, open := strings.CutSuffix(a.head, "*"); open {
		return strings.HasPrefix(head, start)
	}
	if strings.HasSuffix(a.head, " ") {
		return strings.HasPrefix(head, a.head)
	}
	return head == a.head
}

// analyse makes of a command what is to be executed. An error is answered with
// BAD, errNoAnswer not at all.
func (s *session) analyse(c *command) (*task, error) {
	t := &task{tag: c.tag}
	if state(s.state.Load()) == inAuth {
		t.verb = "AUTHENTICATE"
		return t, s.parseAnswer(c, t)
	}
	if c.head == "" {
		return nil, errMissingAnalyser
	}
	for _, a := range s.analysers(c.head[0]) {
		if a.fits(c.head) {
			t.verb = a.verb
			return t, a.parse(c, t)
		}
	}
	return nil, errMissingAnalyser
}

func (s *session) parseCapability(_ *command, t *task) error {
	t.run = func(context.Context) error {
		s.out.line("* CAPABILITY %s\r\n%s OK Completed", capabilities, t.tag)
		return nil
	}
	return nil
}

// parseID is ID (RFC 2971), whatever its arguments are.
func (s *session) parseID(_ *command, t *task) error {
	t.run = func(context.Context) error {
		s.out.line("* ID (\"name\" \"BlueMind\" \"version\" \"%s\")\r\n%s OK Completed", s.srv.Version, t.tag)
		return nil
	}
	return nil
}

func (s *session) parseNamespace(_ *command, t *task) error {
	t.run = func(context.Context) error {
		a := s.acct.Load()
		if a == nil {
			return errNoMailbox
		}
		s.out.line("* NAMESPACE ((\"\" \"/\")) ((\"%s\" \"/\")) ((\"%s\" \"/\"))\r\n%s OK Completed",
			mail.EncodeUTF7(a.userPrefix()), mail.EncodeUTF7(a.sharedPrefix()), t.tag)
		return nil
	}
	return nil
}

// parseQuota is GETQUOTAROOT (RFC 9208). Without a quota there is no QUOTA line.
func (s *session) parseQuota(c *command, t *task) error {
	name, err := c.folderArg("getquotaroot")
	if err != nil {
		return err
	}
	t.folder, t.needs = name, authenticated
	t.run = func(ctx context.Context) error {
		a := s.acct.Load()
		p, ok := a.resolve(ctx, name)
		if !ok {
			s.out.line("%s NO Mailbox does not exist", t.tag)
			return nil
		}
		used, err := s.srv.Store.Used(ctx, p.box)
		if err != nil {
			return err
		}
		root := inbox
		switch {
		case p.own:
		case p.box.Shared():
			root = mail.EncodeUTF7(a.sharedPrefix() + p.box.Name)
		default:
			root = mail.EncodeUTF7(a.userPrefix() + p.box.Name)
		}
		quota := ""
		if limit := s.srv.Store.Quota(p.box); limit > 0 {
			quota = fmt.Sprintf("* QUOTA \"%s\" (STORAGE %d %d)\r\n", root, used>>10, limit)
		}
		s.out.line("* QUOTAROOT \"%s\" \"%s\"\r\n%s%s OK Completed", mail.EncodeUTF7(name), root, quota, t.tag)
		return nil
	}
	return nil
}

// parseRights is GETACL and MYRIGHTS (RFC 4314).
func (s *session) parseRights(verb string) func(*command, *task) error {
	return func(c *command, t *task) error {
		name, err := c.folderArg(verb)
		if err != nil {
			return err
		}
		t.folder, t.needs = name, authenticated
		t.run = func(ctx context.Context) error {
			p, ok := s.acct.Load().resolve(ctx, name)
			if !ok {
				s.out.line("%s NO Mailbox does not exist", t.tag)
				return nil
			}
			rights := rightsWrite
			switch {
			case p.readOnly:
				rights = rightsRead
			case p.own && verb == "myrights":
				rights = rightsOwner
			}
			who := "me "
			if verb == "myrights" {
				who = ""
			}
			s.out.line("* %s \"%s\" %s%s\r\n%s OK Completed",
				strings.TrimPrefix(strings.ToUpper(verb), "GET"), mail.EncodeUTF7(name), who, rights, t.tag)
			return nil
		}
		return nil
	}
}

// parseIdle is IDLE (RFC 2177). Other commands are taken meanwhile.
func (s *session) parseIdle(_ *command, t *task) error {
	t.needs = authenticated
	t.run = func(ctx context.Context) error {
		s.idleTag = t.tag
		s.state.Store(int32(idling))
		s.out.line("+ idling")
		s.idleUpdate(ctx)
		return nil
	}
	return nil
}

// parseDone ends IDLE. The state is "selected" afterwards, even if nothing was.
func (s *session) parseDone(_ *command, t *task) error {
	t.needs = idling
	t.run = func(context.Context) error {
		s.state.Store(int32(selected))
		s.out.line("%s OK Completed", s.idleTag)
		return nil
	}
	return nil
}

// watch is closed when the selected folder has changed during IDLE; nil blocks.
func (s *session) watch() <-chan struct{} {
	if state(s.state.Load()) != idling || s.sel == nil {
		return nil
	}
	changed, err := s.srv.Store.Changed(s.sel.snap.UID, s.sel.snap.HighestModSeq)
	if err != nil {
		return nil
	}
	return changed
}

// idleUpdate tells what has changed since the selection was looked at, and the
// flags of the messages concerned.
func (s *session) idleUpdate(ctx context.Context) {
	if s.sel == nil {
		return
	}
	unlock, err := s.srv.Store.Owner(s.sel.box).RLock(ctx)
	if err != nil {
		return
	}
	defer unlock()
	before := s.sel.snap.HighestModSeq
	news, err := s.news()
	if err == nil {
		s.send(news)
		err = s.sendChanged(before)
		s.out.flush()
	}
	if err != nil {
		s.out.line("%s NO unknown error: %s", s.idleTag, oneLine(err.Error()))
	}
}

func (s *session) sendChanged(since int64) error {
	if s.sel.snap.HighestModSeq == since {
		return nil
	}
	for _, uid := range s.sel.snap.UIDs {
		rec, err := s.srv.Store.Record(s.sel.snap.UID, uid)
		if errors.Is(err, mail.ErrNotFound) || err == nil && rec.Version <= since {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.sendMessage(uid, []part{{name: "FLAGS"}}); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) parseLogout(_ *command, t *task) error {
	t.run = func(context.Context) error {
		s.out.line("* BYE\r\n%s OK Completed", t.tag)
		s.hangUp()
		return errGone
	}
	return nil
}
