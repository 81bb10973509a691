package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// surveyed is what rules about sizes need of a plan's account, kept for all
// accounts at once.
type surveyed struct {
	bytes, largest int64
	above          *SizesAbove
	large          []LargeMessage
	inside         int64 // folders that go into INBOX
	quotaKiB       int64
	quotaStated    bool
	writer         string // of a share
	failed         bool
}

// readPlan keeps the few numbers that are compared later, tells at once what
// the plan alone shows, and whether it is of this very policy.
func (c *checkup) readPlan() error {
	for i, row := range c.Rows {
		for _, r := range c.wish.rights[row.Address] {
			if len(r.Verbs) == 0 { // nothing is to be set
				continue
			}
			c.rights = append(c.rights, askedRight{i, r})
		}
	}
	if c.Plan == nil {
		c.found.add(checkPlan, Skipped, "there is no plan yet", "bmsync plan")
		c.found.command(checkPlan, Skipped, "there is no plan yet", "bmsync plan")
		return nil
	}
	rows := make(map[string]int, len(c.Rows))
	for i, row := range c.Rows {
		rows[planKey(row)] = i
	}
	all, gone := c.wish.byKey(), []string(nil)
	for a, err := range c.Plan.Accounts() {
		if err != nil {
			return err
		}
		i, ok := rows[a.Key()]
		if !ok {
			if _, known := all[a.Key()]; !known {
				gone = append(gone, a.Address)
			}
			continue // else left out of this check
		}
		c.stale(i, a)
		s := surveyed{bytes: a.Survey.Bytes, largest: a.Survey.Largest, above: a.Survey.Above, large: a.Survey.Large,
			quotaKiB: a.QuotaKiB, quotaStated: a.QuotaStated, writer: a.Writer, failed: a.Survey.Error != ""}
		if !s.failed {
			s.inside = c.folderFacts(i, a)
			c.sourceFacts(i, a)
		}
		c.surveys[a.Key()] = s
		for _, r := range a.Rights {
			if !strings.HasPrefix(r.From, "rights.csv") { // what the file says now counts
				c.rights = append(c.rights, askedRight{i, r})
			}
		}
	}
	c.staleObjects(gone)
	if c.Plan.Header.PolicyDigest != c.Policy.Digest() {
		c.found.add(checkPlan, Warning, "the plan was made under another policy than the configuration has now", "bmsync plan")
		c.found.command(checkPlan, Warning, "the plan was made under another policy than the configuration has now", "bmsync plan")
		return nil
	}
	if !c.found.said(checkPlan) {
		c.found.add(checkPlan, Ok, fmt.Sprintf("of %s, for this policy", c.Plan.Header.Created.Local().Format("2006-01-02 15:04")), "")
	}
	return nil
}

// planKey is how a plan knows a row.
func planKey(row Row) string {
	a := PlanAccount{Source: row.Source, SourceLogin: row.Login, SourceFolder: row.Folder, Kind: row.Kind, Address: row.Address}
	return a.Key()
}

// harmlessReasons are those of folders whose name doesn't change, or as
// somebody wants it to.
var harmlessReasons = []string{"", "special use of the source", "known by its name", followsParent, mappedByPolicy, malformedName, splitReason, undatedReason}

// followsParent is what a mapping says of a folder below one that has another
// name on the target.
const followsParent = "follows its parent"

// levelAlone says whether all that lies above a folder are levels without
// messages: none of them is told to have changed its name.
func levelAlone(folders []PlanFolder, i int) bool {
	for j := i - 1; j >= 0; j-- { // parents stand before their children
		if p := folders[j]; p.Rule != RuleNoSelect && len(p.Source) < len(folders[i].Source) && strings.HasPrefix(folders[i].Source, p.Source) {
			return false
		}
	}
	return true
}

// renamed says in general terms why a folder gets another name, "" where it
// doesn't.
func renamed(f PlanFolder) string {
	reason, _, _ := strings.Cut(f.Reason, mergedMark)
	if f.Rule != "" || slices.Contains(harmlessReasons, reason) || strings.HasPrefix(reason, strings.TrimPrefix(mergedMark, "; ")) ||
		strings.HasPrefix(reason, keepsName) || strings.HasPrefix(reason, byRuleMark) {
		return ""
	}
	if strings.HasPrefix(f.Reason, "the name ") && strings.HasSuffix(f.Reason, " is taken") {
		return "another folder has the name, in whatever case; a number follows it"
	}
	return reason
}

// folderFacts is rules 29 and 31 for one account, and what rule 2 counts: the
// folders that go into INBOX.
func (c *checkup) folderFacts(row int, a *PlanAccount) (inside int64) {
	changed := map[string][]string{}
	var waiting int64
	for i, f := range a.Folders {
		why := renamed(f)
		if why == "" && f.Rule == "" && f.Reason == followsParent && levelAlone(a.Folders, i) {
			why = "a level above them can't keep its name"
		}
		if why != "" {
			changed[why] = append(changed[why], fmt.Sprintf("%q becomes %q", f.Source, f.Target))
		}
		if f.Rule == RuleOutbox {
			waiting += f.Survey.Messages
		}
		if f.Rule == "" && strings.HasPrefix(f.Target, "INBOX/") {
			inside++
		}
	}
	for why, names := range changed {
		m := c.member(row, few(names, 1))
		m.items = int64(len(names))
		c.found.account(checkFolderNames, Warning, "folders get other names: "+why, "tell the people, or name the folders yourself: policy.folders.map in bmsync.yaml", m)
	}
	if len(changed) == 0 {
		c.found.account(checkFolderNames, Ok, "all folders keep their names, or take BlueMind's own", "", c.member(row, ""))
	}
	if waiting > 0 {
		m := c.member(row, "")
		m.items = waiting
		c.found.account(checkOutbox, Warning, "messages in an Outbox are not copied: BlueMind could send them",
			"have them sent or moved at the source, where they are wanted", m)
	} else {
		c.found.account(checkOutbox, Ok, "none holds messages", "", c.member(row, ""))
	}
	return inside
}

// few names the first of some things.
func few(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// notMailNames say what folders of that kind hold.
var notMailNames = map[string]string{NotMailCalendar: "a calendar", NotMailContacts: "contacts", NotMailTasks: "tasks",
	NotMailNotes: "notes", NotMailJournal: "a journal", NotMailOther: "something else than mail"}

// ownMigrators are the products for which BlueMind has a migrator of its own.
var ownMigrators = map[string]string{ServerExchange: "Microsoft Exchange", ServerDomino: "HCL Domino"}

// sourceFacts is rule 19 for one account, and what else its source shows.
func (c *checkup) sourceFacts(row int, a *PlanAccount) {
	if n := a.Survey.Archived; n > 0 {
		m := c.member(row, "")
		m.items = n
		c.found.account(checkStubs, Blocker, "messages are stubs of BlueMind 3.5's archive: their bodies aren't the mail",
			"bring the archives back into the mailboxes of BlueMind 3.5 first, then bmsync plan", m)
	} else {
		c.found.account(checkStubs, Ok, "no stub of BlueMind 3.5's archive", "", c.member(row, ""))
	}
	folders := map[string][]string{}
	items := map[string]int64{}
	for _, n := range a.Survey.NotMail {
		folders[n.Kind] = append(folders[n.Kind], n.Folder)
		items[n.Kind] += n.Messages
	}
	for kind, names := range folders {
		m := c.member(row, few(names, 3))
		m.items = items[kind]
		c.found.account(checkNotMail, Warning, "entries of folders that hold "+notMailNames[kind]+" are not mail, and not copied",
			"move them by other means, such as ICS and VCF files", m)
	}
	if len(folders) == 0 {
		c.found.account(checkNotMail, Ok, "mail alone", "", c.member(row, ""))
	}
	if product := ownMigrators[a.Survey.Server]; product != "" {
		c.found.account(checkOwnMigrator, Warning, "the source is "+product+": BlueMind recommends its own migrator for it. Over IMAP, calendars, contacts and rules stay behind",
			"ask BlueMind for its migrator, or plan how calendars, contacts and rules are moved", c.member(row, a.Survey.ServerID))
	} else {
		c.found.account(checkOwnMigrator, Ok, "neither Exchange nor Domino", "", c.member(row, ""))
	}
}

// insideInbox is rule 2. The target has to have said its version.
func (c *checkup) insideInbox() {
	v := c.platform.version
	if v.Major != 4 || v.Minor != 0 {
		c.found.add(checkInboxFolders, Moot, "BlueMind "+v.ReleaseName+" holds folders inside INBOX", "")
		return
	}
	for i, row := range c.Rows {
		s, ok := c.surveys[planKey(row)]
		if !ok || s.failed {
			continue
		}
		if s.inside == 0 {
			c.found.account(checkInboxFolders, Ok, "no folders inside INBOX", "", c.member(i, ""))
			continue
		}
		m := c.member(i, "")
		m.items = s.inside
		c.found.account(checkInboxFolders, Blocker, "folders would go into INBOX, and BlueMind 4.0.x has no folders there",
			"upgrade BlueMind, or send them elsewhere: policy.folders.map in bmsync.yaml, then bmsync plan", m)
	}
}
