package migrate_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/examples/lab/labtest"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
)

// weeks is a mailbox in use at the source while its user already looks around on
// the target. Messages are known by numbers, read from both servers by a client
// that shares no code with bmsync.
type weeks struct {
	*world
	source  *labtest.Session
	numbers map[string]int // SHA-256 → number
	next    int            // number of the next message that comes in

	deleted map[int]bool     // by the target's user, there
	moved   map[int]string   // where he moved it there
	marked  map[int][]string // what he added to its flags there
	own     map[int]string   // his own mail there
	twice   map[int]string   // stays in a folder of the target since he touched it, beside its copy elsewhere
	left    map[int]string   // the same, and the source has it no more
}

// spot is where and how a mailbox has a message.
type spot struct {
	folder, flags string
	date          int64
	uid           uint32
}

func newWeeks(w *world) *weeks {
	s := &weeks{world: w, numbers: map[string]int{}, deleted: map[int]bool{}, moved: map[int]string{}, marked: map[int][]string{},
		own: map[int]string{}, twice: map[int]string{}, left: map[int]string{}}
	src := w.opts.Sources["old"]
	cred, err := src.Credentials(w.t.Context(), w.rows[0].Login)
	w.must(err)
	s.source, err = labtest.Enter(w.t.Context(), labtest.Login{Addr: src.Server.Addr, Security: labtest.TLS, TLS: src.Server.TLS, User: cred.Login, Secret: cred.Secret})
	w.must(err)
	w.t.Cleanup(s.source.Close)
	return s
}

func (s *weeks) letter(n int) labtest.Message {
	m := message(n)
	sum := sha256.Sum256(m.Body)
	s.numbers[hex.EncodeToString(sum[:])] = n
	out := labtest.Message{Body: m.Body, InternalDate: m.InternalDate}
	if n%3 == 0 {
		out.Flags = []string{`\Seen`}
	}
	if n%7 == 0 {
		out.Flags = append(out.Flags, "Projet")
	}
	return out
}

// comes lets mail come in at the source.
func (s *weeks) comes(folder string, count int) {
	s.t.Helper()
	for range count {
		s.must(s.source.Append(folder, s.letter(s.next)))
		s.next++
	}
}

func (s *weeks) do(format string, args ...any) {
	s.t.Helper()
	for i, a := range args {
		if name, ok := a.(string); ok {
			args[i] = labtest.Mailbox(name)
		}
	}
	if err := s.source.Do(format, args...); err != nil {
		s.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// spots reads a mailbox by the messages' numbers; each may be in several places.
func (s *weeks) spots(a labtest.Account) map[int][]spot {
	s.t.Helper()
	out := map[int][]spot{}
	for folder, items := range a {
		for _, i := range items {
			n, ok := s.numbers[i.SHA256]
			if !ok {
				s.t.Fatalf("folder %q, UID %d: a message that nobody wrote", folder, i.UID)
			}
			out[n] = append(out[n], spot{folder, flagText(i.Flags), i.InternalDate.Unix(), i.UID})
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b spot) int { return strings.Compare(a.folder, b.folder) })
	}
	return out
}

func flagText(flags []string) string {
	var out []string
	for _, f := range flags {
		out = append(out, strings.ToLower(f))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), " ")
}

// atSource gives the numbers that a folder of the source holds, ascending, and
// their UIDs.
func (s *weeks) atSource(folder string) (numbers []int, uid map[int]uint32) {
	s.t.Helper()
	return s.in(s.readSource(s.rows[0]), folder)
}

func (s *weeks) in(a labtest.Account, folder string) (numbers []int, uid map[int]uint32) {
	uid = map[int]uint32{}
	for n, list := range s.spots(labtest.Account{folder: a[folder]}) {
		numbers = append(numbers, n)
		uid[n] = list[0].uid
	}
	slices.Sort(numbers)
	return numbers, uid
}

func uidList(numbers []int, uid map[int]uint32) string {
	var out []string
	for _, n := range numbers {
		out = append(out, fmt.Sprint(uid[n]))
	}
	return strings.Join(out, ",")
}

// moves moves the oldest messages of a folder at the source.
func (s *weeks) moves(from, to string, count int) []int {
	s.t.Helper()
	numbers, uid := s.atSource(from)
	numbers = numbers[:count]
	s.do("SELECT %s", from)
	if err := s.source.Do("UID MOVE %s %s", uidList(numbers, uid), labtest.Mailbox(to)); err != nil {
		s.t.Fatal(err)
	}
	s.do("UNSELECT")
	return numbers
}

// deletes deletes the newest messages of a folder at the source.
func (s *weeks) deletes(from string, count int) []int {
	s.t.Helper()
	numbers, uid := s.atSource(from)
	numbers = numbers[len(numbers)-count:]
	s.do("SELECT %s", from)
	s.must(s.source.Do(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uidList(numbers, uid)))
	s.do("EXPUNGE")
	s.do("UNSELECT")
	return numbers
}

// marks changes flags of messages at the source.
func (s *weeks) marks(folder string, numbers []int, change string) {
	s.t.Helper()
	_, uid := s.atSource(folder)
	s.do("SELECT %s", folder)
	s.must(s.source.Do("UID STORE %s %s", uidList(numbers, uid), change))
	s.do("UNSELECT")
}

// onTarget works on the target as its user does, with what it holds.
func (s *weeks) onTarget(do func(u *labtest.Session, a labtest.Account)) {
	s.t.Helper()
	a := s.read(s.opts.Target, s.rows[0].Address)
	s.withKey(s.opts.Target, s.rows[0].Address, func(ctx context.Context, secret string) {
		u, err := labtest.Enter(ctx, labtest.Login{Addr: s.opts.Target.IMAP.Addr, Security: labtest.TLS, TLS: s.opts.Target.IMAP.TLS, User: s.rows[0].Address, Secret: secret})
		s.must(err)
		defer u.Close()
		do(u, a)
	})
}

// works is a day of the target's user: he reads, marks, deletes and moves some of
// the newest mail of INBOX, and files a message of his own.
func (s *weeks) works(day int) {
	s.t.Helper()
	s.onTarget(func(u *labtest.Session, a labtest.Account) {
		if day == 3 {
			s.must(u.Do(`CREATE "Mine"`))
		}
		numbers, uid := s.in(a, "INBOX")
		numbers = slices.DeleteFunc(numbers, func(n int) bool { return s.own[n] != "" || s.marked[n] != nil })
		newest := numbers[len(numbers)-6:]
		s.must(u.Do(`SELECT "INBOX"`))
		mark := func(list []int, flag string) {
			s.must(u.Do("UID STORE %s +FLAGS.SILENT (%s)", uidList(list, uid), flag))
			for _, n := range list {
				s.marked[n] = append(s.marked[n], flag)
			}
		}
		mark(newest[:3], `\Seen`)
		mark(newest[2:4], `\Flagged`)
		gone := newest[4:5]
		s.must(u.Do(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uidList(gone, uid)))
		s.deleted[gone[0]] = true
		there := newest[5:]
		s.must(u.Do(`UID COPY %s "Mine"`, uidList(there, uid)))
		s.must(u.Do(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uidList(there, uid)))
		s.moved[there[0]] = "Mine"
		if day == 6 { // some that the source moves the same day
			mark(numbers[:2], `\Flagged`)
			for _, n := range numbers[:2] {
				s.twice[n] = "INBOX"
			}
			early := numbers[2:4]
			s.must(u.Do(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uidList(early, uid)))
			for _, n := range early {
				s.deleted[n] = true
			}
		}
		s.must(u.Do("EXPUNGE"))
		for _, folder := range []string{"INBOX", "Mine"} {
			n := 100_000 + 10*day + len(folder)
			s.must(u.Append(folder, s.letter(n)))
			s.own[n] = folder
		}
	})
}

// equal wants the target to be the source, but for what its user did: both read
// anew, message by message.
func (s *weeks) equal(when string) {
	s.t.Helper()
	src, dst := s.spots(s.readSource(s.rows[0])), s.spots(s.read(s.opts.Target, s.rows[0].Address))
	for n, list := range src {
		var want []string
		at := list[0]
		flags := flagText(append(strings.Fields(at.flags), s.marked[n]...))
		switch {
		case s.deleted[n]:
		case s.moved[n] != "":
			want = []string{s.moved[n]}
		case s.twice[n] != "":
			want = []string{at.folder, s.twice[n]}
			flags = "" // the old copy has his, the new one the source's
		default:
			want = []string{at.folder}
		}
		var got []string
		for _, there := range dst[n] {
			got = append(got, there.folder)
			if there.date != at.date {
				s.t.Errorf("%s: message %d in %q has date %d, want %d", when, n, there.folder, there.date, at.date)
			}
			if flags != "" && s.moved[n] == "" && there.flags != flags || flags == "" && s.twice[n] == "" && there.flags != "" {
				s.t.Errorf("%s: message %d in %q has flags %q, want %q", when, n, there.folder, there.flags, flags)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.t.Errorf("%s: message %d of %q is in %q, want %q", when, n, at.folder, got, want)
		}
		delete(dst, n)
	}
	for n, list := range dst {
		var got []string
		for _, there := range list {
			got = append(got, there.folder)
		}
		if want := s.own[n] + s.left[n]; len(got) != 1 || got[0] != want {
			s.t.Errorf("%s: message %d, which the source has not, is in %q, want %q", when, n, got, want)
		}
	}
	for n, folder := range s.own {
		if len(dst[n]) != 1 {
			s.t.Errorf("%s: his own message %d in %q: %v", when, n, folder, dst[n])
		}
	}
}

// day is one day at the source.
func (s *weeks) day(day int) {
	s.t.Helper()
	s.comes("INBOX", 10)
	s.comes("Sent", 2)
	s.moves("INBOX", "Archive", 10)
	numbers, _ := s.atSource("INBOX")
	s.marks("INBOX", numbers[20:25], `+FLAGS.SILENT (\Answered)`)
	archived, _ := s.atSource("Archive")
	s.marks("Archive", archived[day:day+2], `-FLAGS.SILENT (\Seen)`)
	if 5 <= day && day < 15 {
		s.deletes(map[bool]string{true: "News", false: "Archive"}[day < 9], 5)
	}
	switch day {
	case 7:
		s.do("RENAME %s %s", "Projets", "Chantiers")
	case 10:
		s.do("CREATE %s", "2026")
		s.do("CREATE %s", "2026/Été")
		s.comes("2026", 3)
		s.comes("2026/Été", 4)
	case 12:
		s.do("RENAME %s %s", "Chantiers/a", "Alpha")
	case 13:
		s.do("CREATE %s", "Projets") // another of that name
		s.comes("Projets", 2)
	case 15:
		s.do("DELETE %s", "News")
	}
}

// play runs three weeks of presync, then goes live.
func (s *weeks) play() (copied, moved, deleted int) {
	s.t.Helper()
	for _, name := range []string{"Archive", "Projets", "Projets/a", "Projets/b", "Projets/b/c", "News", "Sent"} {
		_ = s.source.Do("CREATE %s", labtest.Mailbox(name)) // Sent may be there
	}
	for i, name := range []string{"INBOX", "Archive", "Projets", "Projets/a", "Projets/b", "Projets/b/c", "News", "Sent"} {
		s.comes(name, []int{400, 50, 20, 5, 5, 5, 40, 10}[i])
	}
	s.plan()
	s.complete()
	for day := 1; day <= 21; day++ {
		if day >= 3 {
			s.works(day)
		}
		if day < 21 { // the last day is quiet
			s.day(day)
		}
		res := s.complete()
		copied += res.Copied
		moved += res.Moved
		deleted += res.Deleted
		if day%7 == 0 {
			s.equal(fmt.Sprintf("day %d", day))
		}
		if s.t.Failed() {
			s.t.FailNow()
		}
	}
	return copied, moved, deleted
}

// goesLive hands the account over. From then on the source moves, renames and
// deletes in vain, and new mail still comes.
func (s *weeks) goesLive() {
	s.t.Helper()
	s.opts.Final = true
	s.complete()
	s.opts.Final = false
	before := s.spots(s.read(s.opts.Target, s.rows[0].Address))
	names := s.folders()
	s.moves("INBOX", "Archive", 5)
	s.deletes("Archive", 5)
	s.do("RENAME %s %s", "Alpha", "Omega")
	s.do("DELETE %s", "2026/Été")
	numbers, _ := s.atSource("INBOX")
	quiet := slices.DeleteFunc(slices.Clone(numbers), func(n int) bool { return s.marked[n] != nil || s.deleted[n] || s.moved[n] != "" })[30]
	touched := numbers[slices.IndexFunc(numbers, func(n int) bool { return s.marked[n] != nil && !s.deleted[n] && s.moved[n] == "" && s.twice[n] == "" })]
	s.marks("INBOX", []int{quiet, touched}, `+FLAGS.SILENT (\Draft)`)
	first := s.next
	s.comes("INBOX", 3)
	s.comes("Omega", 1)
	if res := s.complete(); res.Copied != 4 {
		s.t.Errorf("live: copied %d, want the 4 new ones", res.Copied)
	}
	after := s.spots(s.read(s.opts.Target, s.rows[0].Address))
	for n := first; n < first+4; n++ {
		folder := map[bool]string{true: "INBOX", false: "Alpha"}[n < first+3]
		if len(after[n]) != 1 || after[n][0].folder != folder {
			s.t.Errorf("live: the new message %d is in %v, want %q", n, after[n], folder)
		}
		delete(after, n)
	}
	if got := after[quiet]; len(got) != 1 || !strings.Contains(got[0].flags, `\draft`) {
		s.t.Errorf("live: a flag that changed at the source: %v", got)
	}
	delete(before, quiet)
	delete(after, quiet)
	if !maps.EqualFunc(before, after, slices.Equal) {
		for n, list := range before {
			if !slices.Equal(list, after[n]) {
				s.t.Errorf("live: message %d was %v and is %v", n, list, after[n])
			}
		}
		s.t.Errorf("live: %d messages were there, and %d are", len(before), len(after))
	}
	if got := s.folders(); !slices.Equal(got, names) {
		s.t.Errorf("live: folders %q, were %q", got, names)
	}
	if res := s.complete(); res.Copied != 0 {
		s.t.Errorf("live: the next run copied %d", res.Copied)
	}
	s.balanced("live")
}

// closes leaves the account alone.
func (s *weeks) closes() {
	s.t.Helper()
	o := migrate.PhaseOptions{Target: s.opts.Target, StateDir: s.opts.StateDir, Phase: migrate.PhaseClosed, All: true, Do: true}
	if list, err := migrate.SetPhase(s.t.Context(), o); err != nil || len(list) != 1 || !list[0].Done || list[0].From != migrate.PhaseLive {
		s.t.Fatalf("closed %+v, %v", list, err)
	}
	s.comes("INBOX", 2)
	if res := s.run(); res.Copied != 0 || res.Accounts != 0 || len(res.Closed) != 1 || res.Outcome() != migrate.Complete {
		s.t.Errorf("closed: %+v", res)
	}
	o.Phase = migrate.PhaseLive
	if list, err := migrate.SetPhase(s.t.Context(), o); err != nil || len(list) != 1 || !list[0].Done {
		s.t.Fatalf("opened %+v, %v", list, err)
	}
	if res := s.complete(); res.Copied != 2 {
		s.t.Errorf("opened again: copied %d", res.Copied)
	}
}

// TestThreeWeeksOfPresync lives through three weeks with a source and a target
// that are both in use: every day moves, new mail and other flags, in between
// deletions, renamed, new and deleted folders. The target ends as the source,
// with nothing of its user's work undone, moves made there and not uploaded;
// then it goes live, and the source changes it no more; then it is closed.
func TestThreeWeeksOfPresync(t *testing.T) {
	t.Parallel()
	s := newWeeks(newWorldFrom(t, imaptest.Options{Delimiter: '/'}, bmsim.Config{}, "ada"))
	s.opts.Limits.Settle = 20 * time.Millisecond
	copied, moved, deleted := s.play()
	s.wantWork(copied, moved, deleted)
	uploads := map[string]int{}
	for _, a := range s.sim.Journal().Appends() {
		uploads[a.SHA1]++
	}
	twice := 0
	for _, n := range uploads {
		twice += n - 1
	}
	if twice != len(s.twice) { // which the user had touched
		t.Errorf("%d messages were uploaded more than once, want %d", twice, len(s.twice))
	}
	if res := s.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
	s.goesLive()
	s.closes()
	s.byKeysOnly()
}

// wantWork wants the moves done as moves, and as many copies as came in.
func (s *weeks) wantWork(copied, moved, deleted int) {
	s.t.Helper()
	came := 20*12 + 3 + 4 + 2
	if copied != came+len(s.twice) || moved != 200-len(s.twice)-2 {
		s.t.Errorf("%d were copied and %d moved, want %d and %d", copied, moved, came+len(s.twice), 200-len(s.twice)-2)
	}
	if deleted != 50+20 {
		s.t.Errorf("%d were deleted, want 70", deleted)
	}
	have := s.folders()
	for _, name := range []string{"Alpha", "Chantiers", "Chantiers/b", "Chantiers/b/c", "2026/Été", "Mine", "Projets"} {
		if !slices.Contains(have, name) {
			s.t.Errorf("no folder %q: %q", name, have)
		}
	}
	for _, name := range []string{"News", "Projets/a", "Projets/b", "Chantiers/a"} {
		if slices.Contains(have, name) {
			s.t.Errorf("folder %q is still there", name)
		}
	}
}

// TestLabThreeWeeksOfPresync is the same from a real Dovecot into a real Cyrus.
func TestLabThreeWeeksOfPresync(t *testing.T) {
	w, _ := labWorld(t, "ada")
	s := newWeeks(w)
	copied, moved, deleted := s.play()
	s.wantWork(copied, moved, deleted)
	if res := s.verify(migrate.RereadAll); res.OK != 1 {
		t.Errorf("verify: %+v", res.Failed)
	}
	s.goesLive()
	s.closes()
	s.byKeysOnly()
}
