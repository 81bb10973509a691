package migrate

import "slices"

// Phase says by when a rule must hold. Later phases include the earlier ones:
// what must hold for a rehearsal must hold on production, too.
type Phase string

// The phases of a migration.
const (
	PhaseRehearsal Phase = "rehearsal" // already on the rehearsal's target
	PhaseBefore    Phase = "before"    // on the server that people will use, before the DNS change
	PhaseAfterDNS  Phase = "after-dns" // only once DNS leads there
)

// How says who finds out whether a rule holds.
type How string

// Who looks: bmsync, or a person whose answer is recorded.
const (
	Automatic How = "automatic"
	Operator  How = "operator"
)

// Rule is one line of the preflight table: a sentence of BlueMind's roll-out
// guide, or what is known of BlueMind beside it. ID is stable: answers are
// recorded under it.
type Rule struct {
	ID     string `json:"id"`
	Number int    `json:"number,omitempty"` // in the preflight table; 0: not in it
	Name   string `json:"name"`             // as findings are headed
	Phase  Phase  `json:"phase"`
	How    How    `json:"how"`
	Only   int    `json:"only,omitempty"`  // major version of BlueMind that it concerns; 0: all
	Probe  bool   `json:"probe,omitempty"` // looked at with --probe only
	Asks   string `json:"asks"`            // what must be so, as a sentence
}

// RuleResult is what came of a rule. Outcome is the worst of its findings;
// each rule of the table has one, so that nobody takes silence for a yes.
type RuleResult struct {
	Rule
	Outcome Severity `json:"outcome"`
	Text    string   `json:"text,omitempty"`  // of the worst finding, or why there is none
	Count   int      `json:"count,omitempty"` // accounts for which it doesn't hold

	// Of rules that a person answers.
	Answer string `json:"answer,omitempty"`
	By     string `json:"by,omitempty"`
	At     string `json:"at,omitempty"` // RFC 3339
	Note   string `json:"note,omitempty"`
}

// checkRule is the ID of a rule.
type checkRule string

// The rules, by what they are about.
const (
	// The installation.
	checkAPI           checkRule = "target"
	checkCertificate   checkRule = "certificate"
	checkVersion       checkRule = "version"
	checkRunning       checkRule = "running"
	checkUpgrade       checkRule = "upgrade"
	checkAdmin         checkRule = "administrator"
	checkState         checkRule = "state"
	checkPlan          checkRule = "plan"
	checkRehearsal     checkRule = "rehearsal"
	checkSecondPass    checkRule = "second-pass"
	checkSubscription  checkRule = "subscription"
	checkUserCount     checkRule = "user-count"
	checkNoVirtual     checkRule = "virtual-folders"
	checkMailServers   checkRule = "mail-servers"
	checkCleanServer   checkRule = "clean-server"
	checkArchives      checkRule = "archives-3.5"
	checkDisk          checkRule = "disk"
	checkMemory        checkRule = "memory"
	checkTree          checkRule = "cyrus-tree"
	checkDirectoryLink checkRule = "directory-link"

	// Objects that must be there before the mail.
	checkNames     checkRule = "addresses"
	checkTwice     checkRule = "duplicates"
	checkDomain    checkRule = "domain"
	checkMailbox   checkRule = "mailbox"
	checkLoginName checkRule = "login"
	checkElsewhere checkRule = "elsewhere"
	checkAliases   checkRule = "aliases"
	checkDirectory checkRule = "directory"
	checkGroups    checkRule = "groups"
	checkRights    checkRule = "rights"
	checkShares    checkRule = "shares"
	checkRouting   checkRule = "routing"
	checkUsable    checkRule = "usable"
	checkQuota     checkRule = "quota"
	checkSize      checkRule = "message-size"
	checkBlank     checkRule = "blank-target"

	// How the target takes mail.
	checkPartition   checkRule = "partition"
	checkReplication checkRule = "replication"
	checkReplWatch   checkRule = "replication-console"
	checkIdle        checkRule = "idle-mailboxes"
	checkSpoolCount  checkRule = "spool-count"
	checkThrottle    checkRule = "throttle"
	checkDates       checkRule = "dates"
	checkHeaderBytes checkRule = "header-bytes"
	checkProcesses   checkRule = "imap-processes"
	checkMaxChild    checkRule = "max-child"

	// The sources, and what they hold.
	checkSource       checkRule = "source-login"
	checkOwnMigrator  checkRule = "own-migrator"
	checkNoPST        checkRule = "no-pst"
	checkFolderNames  checkRule = "folder-names"
	checkInboxFolders checkRule = "inbox-subfolders"
	checkOutbox       checkRule = "outbox"
	checkStubs        checkRule = "archive-stubs"
	checkNotMail      checkRule = "not-mail"

	// Outlook and the DNS change.
	checkAutodiscover  checkRule = "autodiscover"
	checkConnectivity  checkRule = "connectivity"
	checkMAPIFirst     checkRule = "mapi-first"
	checkMAPIRestart   checkRule = "mapi-restart"
	checkConnector     checkRule = "outlook-connector"
	checkProfile       checkRule = "outlook-profile"
	checkRegistry      checkRule = "outlook-registry"
	checkWorkstation   checkRule = "workstation-urls"
	checkCompatibility checkRule = "compatibility"
)

// ruleTable is the one table of all rules, in the order of the result. A rule
// that asks a person and its automatic neighbour share a number.
var ruleTable = [...]Rule{
	{ID: "target", Name: "target", Phase: PhaseRehearsal, How: Automatic, Asks: "The API of BlueMind answers at the target's url."},
	{ID: "certificate", Name: "certificate", Phase: PhaseRehearsal, How: Automatic, Asks: "Its certificates, of the API and of IMAP, are trusted."},
	{ID: "version", Number: 1, Name: "version", Phase: PhaseRehearsal, How: Automatic, Asks: "BlueMind is 4.5 or later."},
	{ID: "running", Number: 25, Name: "running", Phase: PhaseRehearsal, How: Automatic, Asks: "BlueMind's core is running, and IMAP greets."},
	{ID: "administrator", Name: "administrator", Phase: PhaseRehearsal, How: Automatic, Asks: "The administrator may log in, and may provision."},
	{ID: "upgrade", Name: "upgrade", Phase: PhaseRehearsal, How: Automatic, Asks: "No upgrade of BlueMind is left half done."},
	{ID: "subscription", Name: "subscription", Phase: PhaseBefore, How: Automatic, Asks: "The BlueMind subscription is valid until after the migration, and for enough users."},
	{ID: "user-count", Name: "user count", Phase: PhaseRehearsal, How: Automatic, Asks: "No domain gets more users than its own limit allows."},
	{ID: "state", Name: "state", Phase: PhaseRehearsal, How: Automatic, Asks: "What earlier runs have noted belongs to this installation."},
	{ID: "plan", Name: "plan", Phase: PhaseRehearsal, How: Automatic, Asks: "The plan was made under the policy that is configured."},
	{ID: "rehearsal", Number: 12, Name: "rehearsal", Phase: PhaseBefore, How: Automatic, Asks: "The migration was tried on a test server before, under this policy."},
	{ID: "second-pass", Number: 24, Name: "second pass", Phase: PhaseBefore, How: Automatic, Asks: "The last run on the rehearsal's target found nothing left to copy."},
	{ID: "clean-server", Number: 12, Name: "clean server", Phase: PhaseBefore, How: Operator, Asks: "The test server is reinstalled or destroyed, and production bears no trace of the tests."},
	{ID: "virtual-folders", Number: 3, Name: "virtual folders", Phase: PhaseBefore, How: Operator, Only: 4, Asks: "Before an update from 4.0.x, folders that Outlook made inside the inbox were moved out of it."},
	{ID: "directory-link", Number: 24, Name: "directory link", Phase: PhaseRehearsal, How: Operator, Asks: "The LDAP or AD connection, where there is one, was tried on the test server and set up again here."},
	{ID: "mail-servers", Number: 15, Name: "mail servers", Phase: PhaseRehearsal, How: Operator, Only: 4, Asks: "There is one replication for each mail server; where mail lies elsewhere, bm-cyrus-imapd and bm-lmtpd are disabled on the main server."},
	{ID: "cyrus-tree", Number: 23, Name: "cyrus tree", Phase: PhaseRehearsal, How: Operator, Only: 4, Asks: "The core log of the last start reports no unknown folders of Cyrus."},
	{ID: "archives-3.5", Number: 19, Name: "3.5 archives", Phase: PhaseBefore, How: Operator, Asks: "Archives of a BlueMind 3.5 were brought back into its mailboxes."},
	{ID: "disk", Number: 17, Name: "disk", Phase: PhaseBefore, How: Operator, Asks: "The disks have room for the mail, its replication, index and database."},
	{ID: "memory", Number: 18, Name: "memory", Phase: PhaseBefore, How: Operator, Asks: "During an upgrade from 3.5, Elasticsearch has 1.5 GB of memory more."},

	{ID: "addresses", Number: 4, Name: "addresses", Phase: PhaseRehearsal, How: Automatic, Asks: "Nobody's mail is copied as an administrator, and each address is one that BlueMind takes."},
	{ID: "duplicates", Name: "duplicates", Phase: PhaseRehearsal, How: Automatic, Asks: "Each account and each address stands in one row."},
	{ID: "domain", Number: 5, Name: "domain", Phase: PhaseRehearsal, How: Automatic, Asks: "Domains exist before they are filled, or a run creates them first."},
	{ID: "mailbox", Number: 6, Name: "mailbox", Phase: PhaseRehearsal, How: Automatic, Asks: "Mailboxes exist before they are filled, or a run creates them first."},
	{ID: "login", Name: "login", Phase: PhaseRehearsal, How: Automatic, Asks: "The login of each user that is created is one that BlueMind takes, and free."},
	{ID: "elsewhere", Name: "elsewhere", Phase: PhaseRehearsal, How: Automatic, Asks: "No address is the main one of somebody in another domain of the installation."},
	{ID: "aliases", Name: "aliases", Phase: PhaseRehearsal, How: Automatic, Asks: "Each alias lies in its mailbox's domain, and is free."},
	{ID: "directory", Name: "directory", Phase: PhaseRehearsal, How: Automatic, Asks: "Users that an LDAP or AD directory owns are imported, with mail address, aliases and roles."},
	{ID: "groups", Name: "groups", Phase: PhaseRehearsal, How: Automatic, Asks: "Every group and every member is known, or is created first."},
	{ID: "rights", Name: "rights", Phase: PhaseRehearsal, How: Automatic, Asks: "Everybody who gets a right is known, and on a mailbox that is."},
	{ID: "shares", Number: 32, Name: "shares", Phase: PhaseRehearsal, How: Automatic, Asks: "Each shared mailbox has a user who may write to it."},
	{ID: "routing", Number: 8, Name: "routing", Phase: PhaseRehearsal, How: Automatic, Asks: "Mail of each user is delivered to BlueMind."},
	{ID: "usable", Number: 9, Name: "usable", Phase: PhaseRehearsal, How: Automatic, Asks: "No user is suspended, and each can be logged in by a key of their own."},
	{ID: "quota", Number: 10, Name: "quota", Phase: PhaseRehearsal, How: Automatic, Asks: "Each quota is large enough for what the source holds."},
	{ID: "message-size", Number: 11, Name: "message size", Phase: PhaseRehearsal, How: Automatic, Asks: "BlueMind takes the largest messages."},
	{ID: "blank-target", Number: 12, Name: "blank target", Phase: PhaseRehearsal, How: Automatic, Asks: "Each mailbox is empty when it is first filled."},

	{ID: "partition", Number: 7, Name: "partition", Phase: PhaseRehearsal, How: Automatic, Only: 4, Probe: true, Asks: "Mailboxes lie in the partition of their domain, or replication ignores them."},
	{ID: "replication", Number: 14, Name: "replication", Phase: PhaseRehearsal, How: Automatic, Only: 4, Probe: true, Asks: "What changes over IMAP is seen by BlueMind's core within seconds."},
	{ID: "replication-console", Number: 14, Name: "replication watch", Phase: PhaseBefore, How: Operator, Only: 4, Asks: "In the monitoring console, messages are being replicated, and replication.log shows a change at once."},
	{ID: "idle-mailboxes", Number: 16, Name: "idle mailboxes", Phase: PhaseBefore, How: Automatic, Only: 4, Probe: true, Asks: "BlueMind's core knows every folder that is there over IMAP; idle ones are not replicated by themselves."},
	{ID: "spool-count", Number: 16, Name: "spool count", Phase: PhaseBefore, How: Operator, Only: 4, Asks: "After the copy, the spool and the message table hold about as many messages."},
	{ID: "throttle", Number: 26, Name: "throttle", Phase: PhaseRehearsal, How: Automatic, Only: 5, Asks: "The upload limit of 1 MiB/s for each mailbox leaves enough time, or is lifted."},
	{ID: "dates", Number: 27, Name: "dates", Phase: PhaseRehearsal, How: Automatic, Probe: true, Asks: "The arrival date of a message comes back as it was sent."},
	{ID: "header-bytes", Number: 28, Name: "header bytes", Phase: PhaseRehearsal, How: Automatic, Probe: true, Asks: "Header lines with bytes above 127 are stored unchanged."},
	{ID: "imap-processes", Number: 30, Name: "IMAP processes", Phase: PhaseRehearsal, How: Automatic, Only: 4, Asks: "The configured connections leave IMAP processes for the people."},
	{ID: "max-child", Number: 30, Name: "Max child", Phase: PhaseBefore, How: Operator, Only: 4, Asks: "Max child of BlueMind's IMAP is high enough for connections and people together."},

	{ID: "source-login", Name: "source login", Phase: PhaseRehearsal, How: Automatic, Asks: "Every account can be entered at its source."},
	{ID: "own-migrator", Name: "own migrator", Phase: PhaseRehearsal, How: Automatic, Asks: "From Exchange and Domino, BlueMind's own migrator was considered: over IMAP, calendars, contacts and rules stay behind."},
	{ID: "no-pst", Number: 13, Name: "no PST", Phase: PhaseBefore, How: Operator, Asks: "Nobody loads PST files into BlueMind by way of Outlook."},
	{ID: "folder-names", Number: 29, Name: "folder names", Phase: PhaseRehearsal, How: Automatic, Asks: "Folders keep their names."},
	{ID: "inbox-subfolders", Number: 2, Name: "inbox subfolders", Phase: PhaseRehearsal, How: Automatic, Asks: "BlueMind 4.0.x can't hold folders inside INBOX."},
	{ID: "outbox", Number: 31, Name: "outbox", Phase: PhaseRehearsal, How: Automatic, Asks: "Nothing is put into an Outbox, from which BlueMind can send."},
	{ID: "archive-stubs", Number: 19, Name: "archive stubs", Phase: PhaseRehearsal, How: Automatic, Asks: "The source holds whole messages, not stubs of archived ones."},
	{ID: "not-mail", Name: "not mail", Phase: PhaseRehearsal, How: Automatic, Asks: "Calendars, contacts, tasks and notes of the sources are moved by other means."},

	{ID: "autodiscover", Number: 20, Name: "autodiscover", Phase: PhaseAfterDNS, How: Automatic, Asks: "Autodiscover leads to this server for every domain and alias."},
	{ID: "connectivity", Number: 20, Name: "connectivity", Phase: PhaseAfterDNS, How: Operator, Asks: "Microsoft's connectivity test finds the server from outside."},
	{ID: "mapi-first", Number: 21, Name: "MAPI first", Phase: PhaseBefore, How: Operator, Asks: "bm-mapi is installed before the users of Outlook are created."},
	{ID: "mapi-restart", Number: 20, Name: "MAPI restart", Phase: PhaseAfterDNS, How: Operator, Asks: "bm-mapi was restarted after the DNS change."},
	{ID: "outlook-connector", Number: 22, Name: "Outlook connector", Phase: PhaseBefore, How: Operator, Asks: "Without MAPI: the Outlook connector is provided to the workstations, and people know that its default folders have English names."},
	{ID: "outlook-profile", Number: 22, Name: "Outlook profile", Phase: PhaseAfterDNS, How: Operator, Asks: "Each Outlook gets a blank profile, without any other Exchange or Office 365 account."},
	{ID: "outlook-registry", Number: 22, Name: "Outlook registry", Phase: PhaseAfterDNS, How: Operator, Asks: "The registry keys of BlueMind's documentation are set for Outlook."},
	{ID: "workstation-urls", Number: 22, Name: "workstation URLs", Phase: PhaseAfterDNS, How: Operator, Asks: "The server's addresses are reached from the workstations."},
	{ID: "compatibility", Name: "compatibility", Phase: PhaseBefore, How: Operator, Asks: "The known limits on BlueMind's compatibility page were read."},
}

// Rules is the preflight table: every rule that check applies or asks about.
func Rules() []Rule { return slices.Clone(ruleTable[:]) }

// table finds a rule, and its place in the order of the result.
func (r checkRule) table() (Rule, int) {
	at := slices.IndexFunc(ruleTable[:], func(t Rule) bool { return t.ID == string(r) })
	return ruleTable[at], at
}
