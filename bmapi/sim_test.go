package bmapi_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bmsync/bmapi"
	"bmsync/bmapi/bmsim"
)

const adminPassword = "an admin's pass"

func startSim(t *testing.T, cfg bmsim.Config) *bmsim.Sim {
	t.Helper()
	cfg.AdminPassword, cfg.RefusalDelay = adminPassword, -1
	sim, err := bmsim.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

func dialSim(t *testing.T, sim *bmsim.Sim) (*bmapi.Client, *bmapi.Session) {
	t.Helper()
	return dialSleeping(t, sim, func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
}

func dialSleeping(t *testing.T, sim *bmsim.Sim, sleep func(context.Context, time.Duration) error) (*bmapi.Client, *bmapi.Session) {
	t.Helper()
	c, err := bmapi.New(bmapi.Options{BaseURL: sim.URL(), TLS: simTLS(t, sim), Retry: bmapi.Retry{Sleep: sleep}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	admin, err := c.Login(t.Context(), "admin0@global.virt", adminPassword)
	if err != nil {
		t.Fatal(err)
	}
	return c, admin
}

func simTLS(t *testing.T, sim *bmsim.Sim) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(sim.CAPEM()) {
		t.Fatal("no authority")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSimAuthorityIsUnknown(t *testing.T) {
	sim := startSim(t, bmsim.Config{})
	c, err := bmapi.New(bmapi.Options{BaseURL: sim.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("got %v", err)
	}
}

func TestSimSystem(t *testing.T) {
	dir := t.TempDir()
	sim := startSim(t, bmsim.Config{Dir: dir})
	c, admin := dialSim(t, sim)
	ctx := t.Context()
	v := must[bmapi.Version](t)(c.Installation(ctx))
	if v.Major != 5 || v.Minor != 1 || must[string](t)(c.State(ctx)) != bmapi.Running || must[bool](t)(admin.NeedsUpgrade(ctx)) {
		t.Errorf("got %+v", v)
	}
	if must[bmapi.Configuration](t)(admin.Configuration(ctx)).MessageSizeLimit() != 10_000_000 {
		t.Error("message size limit")
	}
	if _, err := c.Login(ctx, "admin0@global.virt", "wrong"); !errors.As(err, new(*bmapi.AuthError)) {
		t.Errorf("got %v", err)
	}
	if u := must[bmapi.AuthUser](t)(admin.Whoami(ctx)); u.Login != "admin0" || u.DomainUID != bmapi.GlobalDomain {
		t.Errorf("got %+v", u)
	}
	first := must[string](t)(admin.Identity(ctx))
	if err := sim.Close(); err != nil {
		t.Fatal(err)
	}
	again := startSim(t, bmsim.Config{Dir: dir})
	_, admin = dialSim(t, again)
	if second := must[string](t)(admin.Identity(ctx)); first != second {
		t.Errorf("%s after a restart %s", first, second)
	}
	_, other := dialSim(t, startSim(t, bmsim.Config{}))
	if third := must[string](t)(other.Identity(ctx)); third == first {
		t.Error("another installation has the same identity")
	}
}

// TestSimProvision goes through the life of a user, twice, with answers lost.
func TestSimProvision(t *testing.T) {
	sim := startSim(t, bmsim.Config{})
	c, admin := dialSim(t, sim)
	ctx := t.Context()
	late := func(method, path string) {
		sim.Faults().Add(bmsim.Fault{Kind: bmsim.Late, Method: method, Path: path, Times: 1})
	}
	if _, err := admin.LookupDomain(ctx, "d.org"); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("domain before: %v", err)
	}
	late("PUT", "/domains/")
	nd := bmapi.NewDomain{UID: bmapi.InternalUID(time.Now()), DefaultAlias: "d.org", Aliases: []string{"e.org"}}
	d := must[*bmapi.Domain](t)(admin.CreateDomain(ctx, nd))
	if d.UID != nd.UID || !d.Has("d.org") || !d.Has("e.org") {
		t.Errorf("got %+v", d)
	}
	nd.UID = bmapi.InternalUID(time.Now().Add(time.Hour)) // a run without state would choose another
	if again := must[*bmapi.Domain](t)(admin.CreateDomain(ctx, nd)); again.UID != d.UID {
		t.Errorf("a second domain: %+v", again)
	}
	if len(must[[]string](t)(admin.MailServers(ctx, d.UID))) == 0 {
		t.Error("no mail server")
	}
	if err := admin.SetAliases(ctx, d.UID, []string{"d.org", "e.org", "F.org"}); err != nil {
		t.Error(err)
	}
	if err := admin.SetDefaultAlias(ctx, d.UID, "e.org"); err != nil {
		t.Error(err)
	}

	uid := bmapi.UserUID(d.UID, "ada+x@d.org")
	ada := &bmapi.User{Login: "ada", FamilyNames: "Martin", GivenNames: "Ada", Password: bmapi.GeneratePassword(),
		Emails: []bmapi.Email{{Address: "Ada+x@d.org", IsDefault: true}}}
	late("PUT", "/users/")
	if err := admin.CreateUser(ctx, d.UID, uid, ada); !errors.Is(err, bmapi.ErrAlreadyExists) || !bmapi.MaybeDone(err) {
		t.Errorf("lost answer: %v", err)
	}
	if err := admin.CreateUser(ctx, d.UID, uid, ada); !errors.Is(err, bmapi.ErrAlreadyExists) || bmapi.MaybeDone(err) {
		t.Errorf("again: %v", err)
	}
	u := must[*bmapi.User](t)(admin.UserByLogin(ctx, d.UID, "ADA"))
	if u.UID != uid || u.DefaultEmail() != "ada+x@d.org" || u.FamilyNames != "Martin" || u.Quota != nil || u.DataLocation == "" {
		t.Errorf("got %+v", u)
	}
	quota := int64(1 << 20)
	u.Quota = &quota
	if err := admin.UpdateUser(ctx, d.UID, u); err != nil {
		t.Error(err)
	}
	u = must[*bmapi.User](t)(admin.UserByEmail(ctx, "d.org", "ada+x@d.org"))
	if u.Quota == nil || *u.Quota != quota || u.UID != uid {
		t.Errorf("got %+v", u)
	}
	if e := must[*bmapi.DirEntry](t)(admin.EntryByEmail(ctx, d.UID, "ada+x@d.org")); e.EntryUID != uid || e.Kind != bmapi.KindUser {
		t.Errorf("got %+v", e)
	}
	if m := must[*bmapi.Mailbox](t)(admin.MailboxByEmail(ctx, d.UID, "ada+x@d.org")); m.UID != uid || m.Name != "ada" {
		t.Errorf("got %+v", m)
	}
	if conf := must[bmapi.MailboxConfig](t)(admin.MailboxConfig(ctx, d.UID, uid)); *conf.Quota != quota {
		t.Errorf("got %+v", conf)
	}
	if err := admin.AddToGroup(ctx, d.UID, bmapi.UsersGroup, uid); err != nil {
		t.Error(err)
	}
	if ran, err := admin.Repair(ctx, d.UID, uid, []string{bmapi.RepairFolders, bmapi.RepairParentUID}, true); err != nil || !slices.Equal(ran, []string{bmapi.RepairFolders}) {
		t.Errorf("repair: %v, %v", ran, err)
	}
	var kinds []string
	for e, err := range admin.Entries(ctx, d.UID, bmapi.DirQuery{Kinds: []string{bmapi.KindUser}}) {
		kinds = append(kinds, fmt.Sprint(e.EntryUID, e.Kind, err))
	}
	if !slices.Equal(kinds, []string{uid + "USER<nil>"}) {
		t.Errorf("entries %q", kinds)
	}
	if err := admin.DeleteUser(ctx, d.UID, uid); err != nil {
		t.Error(err)
	}
	if _, err := admin.User(ctx, d.UID, uid); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := admin.UserByLogin(ctx, "nowhere.org", "ada"); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("unknown domain: %v", err)
	}
	if _, err := c.WithKey("00000000-dead-0000-0000-000000000000").Domains(ctx); !errors.Is(err, bmapi.ErrUnauthenticated) || strings.Contains(err.Error(), "dead") {
		t.Errorf("dead key: %v", err)
	}
}

// TestSimShare gives a user a mailshare.
func TestSimShare(t *testing.T) {
	sim := startSim(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "d.org", Users: []bmsim.User{{Login: "ada", Password: "p"}}}}})
	_, admin := dialSim(t, sim)
	ctx := t.Context()
	uid := bmapi.UserUID("d.org", "support@d.org")
	err := admin.CreateMailshare(ctx, "d.org", uid, &bmapi.Mailshare{Name: "support", Label: "Support desk", Emails: []bmapi.Email{{Address: "support@d.org", IsDefault: true}}})
	if err != nil {
		t.Fatal(err)
	}
	ada := must[*bmapi.User](t)(admin.UserByLogin(ctx, "d.org", "ada"))
	want := []bmapi.AccessEntry{{Subject: ada.UID, Verb: bmapi.VerbWrite}}
	had := must[[]bmapi.AccessEntry](t)(admin.ACL(ctx, uid))
	if err := errors.Join(admin.SetACL(ctx, uid, bmapi.JoinACL(had, want)), admin.Subscribe(ctx, "d.org", ada.UID, uid)); err != nil {
		t.Fatal(err)
	}
	if acl := must[[]bmapi.AccessEntry](t)(admin.ACL(ctx, uid)); bmapi.Covers(had, want) || !bmapi.Covers(acl, want) {
		t.Errorf("had %v, has %v", had, acl)
	}
	subs := must[[]bmapi.Subscription](t)(admin.Subscriptions(ctx, "d.org", ada.UID))
	if !slices.ContainsFunc(subs, func(s bmapi.Subscription) bool { return s.ContainerUID == bmapi.ACLContainer(uid) }) {
		t.Errorf("subscribed to %v", subs)
	}
	folders := must[[]bmapi.MailFolder](t)(admin.Folders(ctx, "d.org", uid, false))
	if !slices.ContainsFunc(folders, func(f bmapi.MailFolder) bool { return f.FullName == "support/Sent" }) {
		t.Errorf("folders %v", folders)
	}
}

// TestSimMail takes a key as the user, stores a message over IMAP with it, and reads it
// back in each way.
func TestSimMail(t *testing.T) {
	sim := startSim(t, bmsim.Config{Domains: []bmsim.Domain{{Name: "d.org", Users: []bmsim.User{{Login: "ada", Password: "p"}}}}})
	c, admin := dialSim(t, sim)
	ctx := t.Context()
	ada := must[*bmapi.Session](t)(admin.Su(ctx, "ada", "d.org"))
	if ada.Who().DomainUID != "d.org" {
		t.Errorf("who: %+v", ada.Who())
	}
	if _, err := admin.Su(ctx, "nobody", "d.org"); !errors.As(err, new(*bmapi.AuthError)) {
		t.Errorf("su to nobody: %v", err)
	}
	sim.Faults().Add(bmsim.Fault{Kind: bmsim.Late, Method: "PUT", Path: "/auth/keys", Times: 1})
	key := must[bmapi.Key](t)(ada.CreateKey(ctx, "run 1"))
	if keys := must[[]bmapi.Key](t)(ada.Keys(ctx)); len(keys) != 1 || keys[0].SID != key.SID || keys[0].DisplayName != key.DisplayName || !key.Twins {
		t.Errorf("keys %v, ours %v", keys, key)
	}
	if kind := must[string](t)(c.Validate(ctx, "ada@d.org", key.SID)); kind != bmapi.ValidToken && kind != bmapi.ValidPassword {
		t.Errorf("validate: %s", kind)
	}
	message := "From: a@b.org\r\nSubject: two words\r\nMessage-ID: <1@b.org>\r\n\r\nhello\r\n"
	store(t, sim, key.SID, message)
	folders := must[[]bmapi.MailFolder](t)(admin.Folders(ctx, "d.org", ada.Who().UID, true))
	i := slices.IndexFunc(folders, func(f bmapi.MailFolder) bool { return f.FullName == "INBOX" })
	if i < 0 || len(folders) != 7 {
		t.Fatalf("folders %+v", folders)
	}
	inbox := folders[i]
	user := c.WithKey(key.SID)
	all, unseen := must[int64](t)(user.Count(ctx, inbox.UID, bmapi.AllMessages())), must[int64](t)(user.Count(ctx, inbox.UID, bmapi.UnseenMessages()))
	if all != 1 || unseen != 0 || inbox.LastUID != 1 || inbox.UIDValidity == 0 {
		t.Errorf("%d messages, %d unseen, %+v", all, unseen, inbox)
	}
	ids := must[[]int64](t)(user.SortedIDs(ctx, inbox.UID, bmapi.AllMessages()))
	items := must[[]bmapi.MailItem](t)(user.Items(ctx, inbox.UID, ids))
	sum := sha1.Sum([]byte(message))
	if len(items) != 1 || items[0].BodyGUID != hex.EncodeToString(sum[:]) || items[0].Size != int64(len(message)) || items[0].IMAPUID != 1 ||
		!slices.Contains(items[0].Flags, `\Seen`) || items[0].Subject != "two words" {
		t.Errorf("items %+v", items)
	}
	eml := must[io.ReadCloser](t)(user.EML(ctx, inbox.UID, 1))
	if data := must[[]byte](t)(io.ReadAll(eml)); string(data) != message || eml.Close() != nil {
		t.Errorf("read back %q", data)
	}
	if _, err := user.Count(ctx, "00000000-0000-0000-0000-000000000000", bmapi.Filter{}); !errors.Is(err, bmapi.ErrNotFound) {
		t.Errorf("unknown folder: %v", err)
	}
	if err := errors.Join(c.DropKey(ctx, key.SID), c.DropKey(ctx, key.SID), ada.Logout(ctx), ada.Logout(ctx)); err != nil {
		t.Errorf("end: %v", err)
	}
	if err := user.Ping(ctx); !errors.Is(err, bmapi.ErrUnauthenticated) || len(sim.Journal().KeysAlive()) != 0 {
		t.Errorf("the key lives: %v, %v", err, sim.Journal().KeysAlive())
	}
}

// store appends a message, seen, in few words of IMAP.
func store(t *testing.T, sim *bmsim.Sim, key, message string) {
	t.Helper()
	cfg := simTLS(t, sim)
	conn, err := tls.Dial("tcp", sim.IMAPSAddr(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	lines := bufio.NewScanner(conn)
	fmt.Fprintf(conn, "a LOGIN \"ada@d.org\" %q\r\n", key)
	await(t, lines, "a OK")
	fmt.Fprintf(conn, "b APPEND INBOX (\\Seen) {%d+}\r\n%s\r\n", len(message), message)
	await(t, lines, "b OK")
}

func await(t *testing.T, lines *bufio.Scanner, prefix string) {
	t.Helper()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			return
		}
		if strings.HasPrefix(lines.Text(), prefix[:2]) {
			t.Fatalf("%q: %s", prefix, lines.Text())
		}
	}
	t.Fatalf("%q: %v", prefix, lines.Err())
}

func TestSimSessionIsRenewed(t *testing.T) {
	var ahead atomic.Int64
	sim := startSim(t, bmsim.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	_, admin := dialSim(t, sim)
	asked := 0
	admin.WithRenew(func(context.Context) (string, error) { asked++; return adminPassword, nil })
	ahead.Add(int64(19 * time.Minute))
	if err := admin.Ping(t.Context()); err != nil || asked != 0 {
		t.Errorf("after 19 minutes: %v, asked %d times", err, asked)
	}
	ahead.Add(int64(21 * time.Minute))
	if _, err := admin.Domains(t.Context()); err != nil || asked != 1 {
		t.Errorf("after 21 more: %v, asked %d times", err, asked)
	}
}
