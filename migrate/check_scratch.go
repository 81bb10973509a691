package migrate

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
)

// scratchPrefix begins the name of the folder in which a probe tries what a
// target does to messages. It is at the top, so that no other folder is
// touched.
const scratchPrefix = "bmsync-probe-"

// scratchMessage is a message that a probe sends.
type scratchMessage struct {
	text []byte
	at   time.Time
}

// scratchMessages are two that try dates, and one whose header has bytes above
// 127. Their octets are those of this probe alone: BlueMind 5 gives equal ones
// the date of the first.
func scratchMessages(mark string) []scratchMessage {
	text := func(subject string) []byte {
		return []byte("From: bmsync@localhost.invalid\r\nMessage-ID: <" + mark + "." + fmt.Sprint(len(subject)) + "@bmsync.invalid>\r\n" +
			"Subject: " + subject + "\r\n\r\nA probe of bmsync, deleted at once.\r\n")
	}
	return []scratchMessage{
		{text("winter"), time.Date(2001, 2, 7, 22, 42, 4, 0, time.FixedZone("", 3600))},
		{text("midsummer"), time.Date(1999, 7, 31, 23, 30, 0, 0, time.FixedZone("", -5*3600))},
		{text("caf\xe9"), time.Date(2010, 10, 10, 10, 10, 10, 0, time.UTC)},
	}
}

// eightBit is the one of scratchMessages whose header has bytes above 127.
const eightBit = 2

// scratch tries in a folder of its own what a target makes of messages: rules
// 14, 27 and 28. The folder is taken away whatever happens.
func (a *accountCheck) scratch(ctx context.Context, k *key, t *imap.Target) error {
	name := scratchPrefix + a.run
	defer a.dropScratch(ctx, k, t, name)
	sent := scratchMessages(fmt.Sprintf("%s.%d", a.run, a.row))
	var messages []imap.Append
	for _, m := range sent {
		messages = append(messages, imap.Append{InternalDate: m.at, Size: int64(len(m.text)), Body: bytes.NewReader(m.text)})
	}
	back, err := t.Scratch(ctx, name, messages)
	if err != nil {
		if t.Err() != nil || ctx.Err() != nil {
			return err
		}
		for _, r := range []checkRule{checkDates, checkHeaderBytes, checkReplication} {
			a.find(r, Skipped, "a scratch folder could not be used", "", err.Error())
		}
		return nil
	}
	a.dates(sent, back)
	a.headerBytes(sent[eightBit], back[eightBit])
	if a.platform.version.Major != 4 {
		return nil
	}
	if a.placed { // else it is told already
		if err := a.partition(ctx, t, name); err != nil {
			return err
		}
	}
	return a.replication(ctx, t, name, back)
}

// dates is rule 27.
func (a *accountCheck) dates(sent []scratchMessage, back []imap.Returned) {
	for i, m := range back {
		switch {
		case m.Err != nil && i == eightBit: // told by rule 28
		case m.Err != nil || m.UID == 0:
			a.find(checkDates, Blocker, "IMAP doesn't keep an ordinary message", "see BlueMind's log", fmt.Sprint(m.Err))
			return
		case m.InternalDate.Unix() != sent[i].at.Unix():
			a.find(checkDates, Blocker, "messages come back with another date than they were sent with", "upgrade BlueMind before migrating",
				fmt.Sprintf("%s came back as %s", sent[i].at.Format(time.RFC3339), m.InternalDate.Format(time.RFC3339)))
			return
		}
	}
	a.find(checkDates, Ok, "dates come back as they were sent", "", "")
}

// headerBytes is rule 28.
func (a *accountCheck) headerBytes(sent scratchMessage, back imap.Returned) {
	switch {
	case back.Err != nil:
		a.find(checkHeaderBytes, Warning, "messages with bytes above 127 in their header are refused, and listed as such", "", fmt.Sprint(back.Err))
	case back.Stored == sha1.Sum(sent.text):
		a.find(checkHeaderBytes, Ok, "stored unchanged", "", "")
	default:
		a.find(checkHeaderBytes, Warning, "bytes above 127 in headers are replaced, as Cyrus does with munge8bit; a run notes the messages concerned", "set munge8bit: no in /etc/imapd.conf on the mail server, if BlueMind agrees", "")
	}
}

// replicationLimit is the latency that BlueMind's own probe calls a failure.
const replicationLimit = 10 * time.Second

// replication is rule 14: a flag that is set over IMAP must be seen by the
// core. From 4.5 on replication is trusted, and a failure is a warning.
func (a *accountCheck) replication(ctx context.Context, t *imap.Target, name string, back []imap.Returned) error {
	i := slices.IndexFunc(back, func(m imap.Returned) bool { return m.UID != 0 })
	if i < 0 {
		return nil // told by rule 27
	}
	var folder bmapi.MailFolder
	unseen := bmapi.Filter{MustNot: []string{"Deleted", "Seen"}}
	count := func() (int64, error) {
		list, err := a.platform.admin.Folders(ctx, a.domain.found.UID, a.box.UID, true)
		for _, f := range list {
			if f.FullName == name && !f.Deleted {
				folder = f
			}
		}
		if err != nil || folder.UID == "" {
			return -1, err
		}
		return a.platform.admin.Count(ctx, folder.UID, unseen)
	}
	var stored int64
	for _, m := range back {
		if m.UID != 0 {
			stored++
		}
	}
	arrived, err := a.follows(ctx, func() (bool, error) { n, err := count(); return n == stored, err })
	seen := arrived
	if err == nil && arrived {
		if err := t.StoreFlags(ctx, []uint32{back[i].UID}, []string{`\Seen`}, imap.AddFlags); err != nil {
			return err
		}
		seen, err = a.follows(ctx, func() (bool, error) { n, err := count(); return n == stored-1, err })
	}
	severity := Warning
	if a.platform.version.Minor < 5 {
		severity = Blocker
	}
	mend := "look at Mailspool & Replication in the monitoring console, and at /var/log/bm/replication.log"
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		a.find(checkReplication, severity, "BlueMind's core could not be asked what it has seen", mend, err.Error())
	case !arrived:
		a.find(checkReplication, severity, fmt.Sprintf("the core has not seen new messages after %s", a.ReplicationWait), mend, "")
	case !seen:
		a.find(checkReplication, severity, fmt.Sprintf("the core has not seen a change of flags after %s", a.ReplicationWait), mend, "")
	default:
		a.find(checkReplication, Ok, "new messages and flags are seen by the core", "", "")
	}
	return nil
}

// follows asks until it is so, for a limited time.
func (c *checkup) follows(ctx context.Context, so func() (bool, error)) (bool, error) {
	deadline := time.Now().Add(c.ReplicationWait)
	for {
		done, err := so()
		if done || err != nil || time.Now().After(deadline) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(c.ReplicationWait / 40):
		}
	}
}

// dropScratch takes the scratch folder away, if need be by a session of its
// own: also after the check was stopped, or its session cut.
func (a *accountCheck) dropScratch(ctx context.Context, k *key, t *imap.Target, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	err := t.Err()
	if err == nil {
		err = t.DropScratch(ctx, name)
	}
	if err == nil {
		return
	}
	again, err := k.dial(ctx)
	if err == nil {
		defer again.Close()
		err = again.DropScratch(ctx, name)
	}
	if err != nil {
		a.find(checkUsable, Warning, "the scratch folder of this check could not be taken away", "run bmsync check --probe again, which does it, or delete the folder", name+": "+err.Error())
	}
}

// sweepScratch takes away what a check that was killed has left, and gives
// the rest of the folders.
func (a *accountCheck) sweepScratch(ctx context.Context, t *imap.Target, own []string) ([]string, error) {
	var rest []string
	for _, name := range own {
		if !strings.HasPrefix(name, scratchPrefix) {
			rest = append(rest, name)
			continue
		}
		if err := t.DropScratch(ctx, name); err != nil {
			return nil, fmt.Errorf("take %q away: %w", name, err)
		}
	}
	return rest, nil
}
