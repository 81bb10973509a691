package migrate_test

import (
	"slices"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/migrate/objects"
)

// filled is the small estate with some mail at its sources.
func filled(t *testing.T, conf bmsim.Config) *estate {
	t.Helper()
	e := small(t, conf)
	for i, row := range e.rows {
		box := e.source.User(row.Login).Mailbox("INBOX")
		for n := range 3 {
			box.Append(message(10*i + n))
		}
		e.source.User(row.Login).CreateMailbox("Work", imaptest.MailboxOptions{}).Append(message(10*i + 5))
	}
	e.replan()
	return e
}

func (e *estate) final() migrate.RunResult {
	e.t.Helper()
	opts := e.opts
	opts.Final = true
	res, err := migrate.Run(e.t.Context(), opts)
	if err != nil {
		e.t.Fatalf("run --final: %v", err)
	}
	return res
}

// rightsOn are the rights on a mailbox, as "subject: verb", and those who are
// subscribed to it.
func (e *estate) rightsOn(address string) (rights, subscribed []string) {
	e.t.Helper()
	admin := e.admin()
	_, name, _ := strings.Cut(address, "@")
	d, err := admin.LookupDomain(e.t.Context(), name)
	if err != nil {
		e.t.Fatal(err)
	}
	box, err := admin.MailboxByEmail(e.t.Context(), d.UID, address)
	if err != nil {
		e.t.Fatal(err)
	}
	called := func(uid string) string {
		entry, err := admin.Entry(e.t.Context(), d.UID, uid)
		if err != nil {
			e.t.Fatal(err)
		}
		return strings.TrimSuffix(entry.Email, "@"+name)
	}
	acl, err := admin.ACL(e.t.Context(), box.UID)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, a := range acl {
		if a.Subject != box.UID && slices.Contains([]string{bmapi.VerbRead, bmapi.VerbWrite}, a.Verb) {
			rights = append(rights, called(a.Subject)+": "+a.Verb)
		}
	}
	uids, err := admin.Subscribers(e.t.Context(), d.UID, box.UID)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, uid := range uids {
		if uid != box.UID {
			subscribed = append(subscribed, called(uid))
		}
	}
	slices.Sort(rights)
	slices.Sort(subscribed)
	return rights, subscribed
}

func (e *estate) wantRights(address string, rights, subscribed []string) {
	e.t.Helper()
	gotRights, gotSubscribed := e.rightsOn(address)
	if !slices.Equal(gotRights, rights) || !slices.Equal(gotSubscribed, subscribed) {
		e.t.Errorf("%s: rights %q, want %q; subscribed %q, want %q", address, gotRights, rights, gotSubscribed, subscribed)
	}
}

// TestFinalRun sets rights when the mail is there, takes the writer's back, and
// does nothing the second time; new mail is still taken.
func TestFinalRun(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.complete()
	e.wantRights("support@a.example", []string{"robot: Read", "robot: Write"}, []string{"robot"})
	var said []migrate.Event
	e.opts.Events = func(ev migrate.Event) {
		if ev.Kind == migrate.EventRights {
			said = append(said, ev)
		}
	}
	e.opts.Limits.Accounts, e.opts.Limits.Provision = 1, 1
	opts := e.opts
	opts.Final = true
	e.quiet("a dry run", func() {
		dry, err := migrate.DryRun(t.Context(), opts)
		if err != nil || dry.Objects.Mailed != 3 || dry.Objects.Count(objects.KindRight, objects.Created) != 3 {
			t.Errorf("dry run: %+v, %v", dry.Objects, err)
		}
	})
	notices, before := len(e.sim.Journal().Notices()), len(said)
	res := e.final()
	if res.Outcome() != migrate.Complete || res.Objects.Mailed != 3 || len(said) != before+1 || said[before].Messages != 3 {
		t.Errorf("ended with %v: %+v, said %+v", res.Outcome(), res.Objects, said)
	}
	// The writer is told that his right is gone, which isn't counted.
	if got := len(e.sim.Journal().Notices()) - notices - 1; got != 3 {
		t.Errorf("BlueMind sends %d mails, and 3 were told", got)
	}
	e.wantRights("support@a.example", []string{"ada: Read", "ada: Write", "staff: Read"}, []string{"ada", "bruno"})
	e.wantRights("bruno@a.example", []string{"ada: Read"}, []string{"ada"})
	e.quiet("the second final run", func() {
		if again := e.final(); again.Outcome() != migrate.Complete || again.Objects.Mailed != 0 {
			t.Errorf("again: %+v", again)
		}
	})
	e.quiet("a run after the final one", func() { e.complete() })
	if proof := e.verify(migrate.RereadNone); proof.OK != 4 {
		t.Errorf("verify after the final run: %+v", proof.Failed)
	}

	e.source.User("support").Mailbox("INBOX").Append(message(99))
	if late := e.final(); late.Copied != 1 || late.Outcome() != migrate.Complete {
		t.Errorf("new mail: %+v", late)
	}
	e.wantRights("support@a.example", []string{"ada: Read", "ada: Write", "staff: Read"}, []string{"ada", "bruno"})
	e.byKeysOnly()
}

// TestFinalRunLeavesWhatIsNotComplete sets no right on a mailbox whose mail is
// not there, and tells which; the writer keeps his.
func TestFinalRunLeavesWhatIsNotComplete(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.source.AddUser("support", "changed meanwhile")
	res := e.final()
	if res.Outcome() != migrate.Blocked || len(res.Objects.NotSet) != 2 {
		t.Fatalf("ended with %v: %+v", res.Outcome(), res.Objects)
	}
	for _, r := range res.Objects.NotSet {
		if r.Mailbox != "support@a.example" || !strings.Contains(r.Reason, "not complete") || r.Mend == "" || !strings.HasPrefix(r.From, "rights.csv:") {
			t.Errorf("not set: %+v", r)
		}
	}
	e.wantRights("support@a.example", []string{"robot: Read", "robot: Write"}, []string{"robot"})
	e.wantRights("bruno@a.example", []string{"ada: Read"}, []string{"ada"})
	e.source.AddUser("support", "pw-support")
	e.opts.Only = []string{"support@a.example"}
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Errorf("the rest: %+v", res)
	}
	e.wantRights("support@a.example", []string{"ada: Read", "ada: Write", "staff: Read"}, []string{"ada", "bruno"})
}

// TestFinalRunOfAWriterWhoStays: a writer whom the plan lets read goes on
// reading, and no more.
func TestFinalRunOfAWriterWhoStays(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.accounts = strings.Replace(e.accounts, "Aide & Support;;", "Aide & Support;bruno@a.example;", 1)
	e.rights = "support@a.example;bruno@a.example;read\n"
	e.replan()
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Fatalf("%+v", res)
	}
	e.wantRights("support@a.example", []string{"bruno: Read"}, []string{"bruno"})
	e.quiet("the second final run", func() { e.final() })
	e.byKeysOnly()
}

// TestFinalRunOfANamedWriter: a user whom the row names as the share's writer
// goes on writing where no right of the plan speaks of him.
func TestFinalRunOfANamedWriter(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.accounts = strings.Replace(e.accounts, "Aide & Support;;", "Aide & Support;bruno@a.example;", 1)
	e.rights = "support@a.example;ada@a.example;read\n"
	e.replan()
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Fatalf("%+v", res)
	}
	e.wantRights("support@a.example", []string{"ada: Read", "bruno: Read", "bruno: Write"}, []string{"ada", "bruno"})
	e.quiet("the second final run", func() { e.final() })
	e.byKeysOnly()
}

// TestFinalRunCutAtEachCall interrupts the final part at each call.
func TestFinalRunCutAtEachCall(t *testing.T) {
	e := filled(t, bmsim.Config{})
	e.opts.Limits.Accounts, e.opts.Limits.Provision = 1, 1
	e.complete()
	step := 3
	if testing.Short() {
		step = 20
	}
	calls := 0
	for at := 1; ; at += step {
		e.opts.Final = true
		if calls = e.cutRun(cut{at, []bmsim.FaultKind{bmsim.CutBefore, bmsim.CutAfter}[at%2]}); calls < at {
			break
		}
	}
	t.Logf("%d calls in the last run", calls)
	if res := e.final(); res.Outcome() != migrate.Complete {
		t.Errorf("ended with %v: %+v", res.Outcome(), res.Objects)
	}
	e.wantRights("support@a.example", []string{"ada: Read", "ada: Write", "staff: Read"}, []string{"ada", "bruno"})
	e.wantRights("bruno@a.example", []string{"ada: Read"}, []string{"ada"})
	e.quiet("after all", func() { e.final() })
	e.keyless()
}
