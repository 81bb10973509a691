package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"bmsync/bmapi"
	"bmsync/imap"
)

// probe goes the way that mail will go: as the user, by a key made for this
// look, into INBOX. The key is deleted whatever happens.
func (a *accountCheck) probe(ctx context.Context, list []bmapi.MailFolder) {
	if a.imap.hopeless() {
		a.find(checkUsable, Skipped, "no login tried, since those before had met an IMAP server that doesn't work", "", "")
		return
	}
	if a.seats.Acquire(ctx, 1) != nil {
		return // stopped
	}
	defer a.seats.Release(1)
	e := &entry{Domain: a.domain.found, UID: a.box.UID, Login: a.box.Name, Address: a.address(), Version: a.platform.version.Major}
	k, err := openKey(ctx, a.platform, e, a.run, nil, a.Now)
	if err != nil {
		if ctx.Err() == nil {
			a.keyTrouble(err)
		}
		return
	}
	err = a.inside(ctx, k, list)
	if closing := k.close(ctx); closing != nil {
		a.find(checkUsable, Warning, "the key of this check could not be deleted", "the next run sweeps it once its quarter of an hour is over", closing.Error())
	}
	if ctx.Err() != nil {
		return
	}
	a.imap.note(sourceLogin{login: e.Address, rows: []int{a.row}}, err)
	if err != nil {
		a.probeTrouble(err)
		return
	}
	a.find(checkUsable, Ok, "logs in by a key, and opens INBOX", "", "")
}

// inside logs in, looks around, and opens INBOX; its UIDVALIDITY is asked for
// with it. One user of each mail server tries what needs messages of its own.
func (a *accountCheck) inside(ctx context.Context, k *key, list []bmapi.MailFolder) error {
	t, err := k.dial(ctx)
	if err != nil {
		return err
	}
	defer t.Close()
	if !t.Can("UIDPLUS") {
		return blocked("bmsync needs UIDPLUS (RFC 4315) to know what it wrote", "the target doesn't announce UIDPLUS")
	}
	own, err := a.ownFolders(ctx, t)
	if err != nil {
		return err
	}
	if own, err = a.sweepScratch(ctx, t, own); err != nil {
		return err
	}
	if a.platform.version.Major == 4 {
		if err := errors.Join(a.partition(ctx, t, "INBOX"), a.idle(ctx, t, own, list)); err != nil {
			return err
		}
	}
	if a.first(a.domain.found.UID + "\x00" + a.box.DataLocation) {
		if err := a.scratch(ctx, k, t); err != nil {
			return err
		}
	}
	_, err = t.Select(ctx, "INBOX")
	return err
}

// first is true for one account of each mail server of a domain.
func (c *checkup) first(place string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := c.tried[place]
	c.tried[place] = true
	return !seen
}

// ownFolders lists what the user has alone: without the virtual roots of
// shared mailboxes and other users.
func (a *accountCheck) ownFolders(ctx context.Context, t *imap.Target) ([]string, error) {
	ns, err := t.Namespace(ctx)
	if err != nil {
		return nil, err
	}
	foreign := namespacesOf(ns).Foreign
	boxes, err := t.List(ctx)
	var own []string
	for _, m := range boxes {
		others := m.Has(`\Noselect`) || strings.HasPrefix(m.Name, "Alt Folders/")
		for _, root := range foreign {
			others = others || strings.HasPrefix(m.Name+"/", root)
		}
		if !others {
			own = append(own, m.Name)
		}
	}
	return own, err
}

// idle is rule 16: BlueMind's core must know each folder, and as many messages
// in it as there are over IMAP.
func (a *accountCheck) idle(ctx context.Context, t *imap.Target, own []string, list []bmapi.MailFolder) error {
	known := map[string]bmapi.MailFolder{}
	for _, f := range list {
		if !f.Deleted {
			known[f.FullName] = f
		}
	}
	var behind []string
	for _, name := range own {
		st, err := t.Status(ctx, name)
		if err != nil {
			return err
		}
		f, there := known[name]
		n := int64(0)
		if there && st.Messages > 0 {
			if n, err = a.messages(ctx, f); err != nil {
				return err
			}
		}
		if !there || n < int64(st.Messages) {
			behind = append(behind, fmt.Sprintf("%s: %d of %d", name, n, st.Messages))
		}
	}
	if len(behind) == 0 {
		a.find(checkIdle, Ok, "the core knows all folders and messages", "", "")
		return nil
	}
	const text = "folders are not known to BlueMind's core as they are over IMAP: only what changes is replicated"
	m := a.member(a.row, few(behind, 2))
	m.items = int64(len(behind))
	a.found.account(checkIdle, Warning, text, "have idle mailboxes replicated, as the guide's recipe says: stop bm-cyrus-imapd, remove /var/lib/cyrus/sync/core/log*, start it, then", m)
	a.found.command(checkIdle, Warning, text, "bm-cli maintenance repair --ops replication.parentUid "+a.domain.found.UID)
	return nil
}

// partition is rule 7: where a folder lies. What lies elsewhere than in the
// partition of its server and domain is not replicated.
func (a *accountCheck) partition(ctx context.Context, t *imap.Target, folder string) error {
	got, err := t.Annotation(ctx, folder, imap.PartitionAnnotation)
	if refused(err) {
		got, err = "", nil
	}
	if err != nil {
		return err
	}
	switch want, right := a.expected(got); {
	case got == "":
		a.find(checkPartition, Skipped, "IMAP doesn't tell the partition", "", "")
	case right:
		a.placed = true
		a.find(checkPartition, Ok, "as server and domain want it", "", "")
	default:
		const text = "a folder lies in another partition than its server and domain want: replication would ignore it"
		a.find(checkPartition, Blocker, text, "have BlueMind mend the mailbox before it is filled", fmt.Sprintf("%s is in %s, expected %s", folder, got, want))
		a.found.command(checkPartition, Blocker, text, "bm-cli maintenance repair --ops default.partition ADDRESS")
	}
	return nil
}

// expected is the partition's name as BlueMind 4 makes it: server and domain,
// dots as underscores. 4.0 is said to have had the domain alone.
func (a *accountCheck) expected(got string) (want string, right bool) {
	plain := strings.NewReplacer(".", "_")
	domain := plain.Replace(a.domain.found.UID)
	want = domain
	if a.box.DataLocation != "" {
		want = plain.Replace(a.box.DataLocation) + "__" + domain
	}
	return want, got == want || got == domain && (a.platform.version.Minor == 0 || a.box.DataLocation == "")
}

func (a *accountCheck) keyTrouble(err error) {
	v := judge(err)
	b, isBlocked := errors.AsType[*BlockedError](err)
	_, refused := errors.AsType[*bmapi.AuthError](err)
	switch {
	case isBlocked && len(b.Mend) > 0:
		a.find(checkUsable, Blocker, "no key could be had that BlueMind takes", "see what each account says; keys of a run under way end within a quarter of an hour", b.Reason+"; "+b.Mend)
	case refused:
		a.find(checkUsable, Blocker, "BlueMind lets nobody in as this user", v.mend, v.reason)
	default:
		a.find(checkUsable, Blocker, "no key could be made", v.mend, v.reason)
	}
}

func (a *accountCheck) probeTrouble(err error) {
	v := judge(err)
	e, ok := errors.AsType[*imap.Error](err)
	switch {
	case !ok:
		a.find(checkUsable, Blocker, "IMAP can't be used", cmp.Or(v.mend, "see what the account says"), v.reason)
	case untrusted(err):
		a.find(checkCertificate, Blocker, fmt.Sprintf("%s shows a certificate that isn't trusted: %v", a.Target.IMAP.Addr, reason(err)), certificateMend(a.Target.IMAP.Addr), "")
	case hostTrouble(err):
		a.find(checkRunning, Blocker, "IMAP at "+a.Target.IMAP.Addr+" fails", "see whether imap and tls of target "+a.Target.Name+" are right, and whether BlueMind is up", plain(e))
	case e.Command == "LOGIN" || e.Command == "AUTHENTICATE":
		a.find(checkUsable, Blocker, "IMAP refuses the user with a key that BlueMind made", "see in BlueMind whether the user may log in, and whether a proxy locks out", plain(e))
	default:
		const text = "INBOX can't be opened"
		a.find(checkMailbox, Blocker, text, "have BlueMind mend the mailbox", plain(e))
		a.found.command(checkMailbox, Blocker, text, "bm-cli maintenance repair --ops mailboxDefaultFolders ADDRESS")
	}
}
