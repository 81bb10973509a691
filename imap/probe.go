package imap

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"strings"
)

// PartitionAnnotation is where Cyrus says in which partition a mailbox lies.
const PartitionAnnotation = "/vendor/cmu/cyrus-imapd/partition"

// Annotation reads a shared annotation of a mailbox: by METADATA (RFC 5464),
// and where that is refused by its predecessor, which BlueMind 4 answers.
// "" means that the server has no such annotation for this user.
func (t *Target) Annotation(ctx context.Context, mailbox, entry string) (string, error) {
	wire := t.wire(mailbox)
	if err := t.unsendable("GETMETADATA", wire); err != nil {
		return "", err
	}
	value, err := t.annotation(ctx, "GETMETADATA "+quoteMailbox(wire)+" "+quote("/shared"+entry), "METADATA", "/shared"+entry)
	if value != "" || err != nil && !refusedAlone(err) {
		return value, err
	}
	return t.annotation(ctx, "GETANNOTATION "+quoteMailbox(wire)+" "+quote(entry)+` ("value.shared")`, "ANNOTATION", "value.shared")
}

// annotation runs one of the two commands. Both answer with a mailbox's name
// and a list of names and values; the older one has the entry between them.
func (t *Target) annotation(ctx context.Context, command, answer, key string) (string, error) {
	var value string
	_, err := t.exchange(ctx, command, named(answer, func(r *response) error {
		if _, _, err := r.str(); err != nil { // the mailbox
			return err
		}
		if r.spaces(); r.peek() != '(' {
			if _, _, err := r.str(); err != nil { // the entry
				return err
			}
		}
		if !r.openList() {
			return nil
		}
		for r.spaces(); r.peek() != ')' && !r.over(); r.spaces() {
			name, _, err := r.str()
			if err != nil {
				return err
			}
			ours, empty := strings.EqualFold(string(name), key), len(name) == 0
			v, isNil, err := r.str()
			if err != nil || empty && len(v) == 0 { // not a list of strings
				return err
			}
			if ours && !isNil {
				value = string(v)
			}
		}
		return nil
	}))
	return value, err
}

// Returned is how a message of a scratch folder came back.
type Returned struct {
	Message          // as listed; UID 0: it isn't there
	Stored  [20]byte // SHA-1 of the octets that are there
	Err     error    // the message was refused
}

// Scratch makes a mailbox, appends messages to it, and tells how they came
// back, in their order. Their octets must differ, for BlueMind 5 gives equal
// ones one date. The mailbox stays, selected, and even after an error it may
// be there: DropScratch takes it away.
func (t *Target) Scratch(ctx context.Context, mailbox string, messages []Append) ([]Returned, error) {
	if err := t.Create(ctx, mailbox); err != nil {
		return nil, fmt.Errorf("make %q: %w", mailbox, err)
	}
	a, err := t.Appender(ctx, mailbox)
	if err != nil {
		return nil, err
	}
	out := make([]Returned, len(messages))
	places := make([]uint32, len(messages))
	for i := range messages { // one by one: a MULTIAPPEND is all or nothing
		if err = a.Send(ctx, messages[i:i+1]); err != nil {
			break
		}
		var came []Appended
		if came, err = a.Receive(ctx); err != nil {
			break
		}
		out[i].Err, places[i] = came[0].Err, came[0].UID
	}
	if err = errors.Join(err, a.Close()); err != nil {
		return nil, fmt.Errorf("append to %q: %w", mailbox, err)
	}
	if _, err := t.Select(ctx, mailbox); err != nil {
		return nil, fmt.Errorf("open %q: %w", mailbox, err)
	}
	return out, t.returned(ctx, places, out)
}

// returned looks at what lies in the selected mailbox.
func (t *Target) returned(ctx context.Context, places []uint32, out []Returned) error {
	there := map[uint32]Message{}
	var uids []uint32
	err := t.Messages(ctx, 1, 0, func(m Message) error {
		there[m.UID] = m
		uids = append(uids, m.UID)
		return nil
	})
	if err != nil || len(uids) == 0 {
		return err
	}
	sums := map[uint32][20]byte{}
	err = t.Fetch(ctx, uids, func(uid uint32, _ int64, body io.Reader) error {
		h := sha1.New()
		_, err := io.Copy(h, body)
		sums[uid] = [20]byte(h.Sum(nil))
		return err
	})
	for i, uid := range places {
		if m, ok := there[uid]; ok && uid != 0 {
			out[i].Message, out[i].Stored = m, sums[uid]
		}
	}
	return err
}

// DropScratch takes a mailbox of Scratch away with what is in it. One that
// isn't there is fine.
func (t *Target) DropScratch(ctx context.Context, mailbox string) error {
	_, err := t.Select(ctx, mailbox)
	if refusedAlone(err) {
		return t.stillThere(ctx, mailbox)
	}
	if err != nil {
		return err
	}
	var uids []uint32
	if err := t.Messages(ctx, 1, 0, func(m Message) error { uids = append(uids, m.UID); return nil }); err != nil {
		return err
	}
	if len(uids) > 0 {
		if err := t.StoreFlags(ctx, uids, []string{`\Deleted`}, AddFlags); err != nil {
			return err
		}
		if err := t.UIDExpunge(ctx, uids); err != nil {
			return err
		}
	}
	if _, err := t.Select(ctx, "INBOX"); err != nil { // none is deleted while it is open
		return err
	}
	if err := t.Delete(ctx, mailbox); err != nil && !refusedAlone(err) {
		return err
	}
	return t.stillThere(ctx, mailbox)
}

func (t *Target) stillThere(ctx context.Context, mailbox string) error {
	boxes, err := t.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range boxes {
		if m.Name == mailbox {
			return t.c.refusal(&Error{Kind: KindNo, Command: "DELETE", Text: fmt.Sprintf("%q is still there", mailbox)})
		}
	}
	return nil
}
