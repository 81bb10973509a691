package imap_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"bmsync/imap"
	"bmsync/imap/imaptest"
)

// oldServer serves one user with varied mail.
func oldServer(t *testing.T, opts imaptest.Options, quirks imaptest.Quirks) (srv *imaptest.Server, server imap.Server) {
	t.Helper()
	srv, err := imaptest.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	u := srv.AddUser("ada@old.example", "s3cret")
	u.Fill(imaptest.NewCorpus(imaptest.CorpusOptions{Seed: 1, Messages: 150, Emoji: true, OddNames: true}))
	srv.SetQuirks(quirks)
	addr, err := srv.Listen(t.Context(), imaptest.ImplicitTLS, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return srv, imap.Server{Addr: addr, TLS: srv.ClientTLS()}
}

var ada = imap.Credentials{Login: "ada@old.example", Secret: "s3cret"}

// However a server writes its answers, all of its mail arrives, and nothing
// that we say changes it.
func TestSourceReadsAllWhateverTheServersManner(t *testing.T) {
	oneByte := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return imaptest.NewFaultConn(nc, imaptest.Fault{OneByte: true}, imaptest.Fault{}), nil
	}
	for name, c := range map[string]struct {
		opts   imaptest.Options
		quirks imaptest.Quirks
		dial   imap.Options
		upTo   int64 // octets in the folders read; 0: all
	}{
		"by the book":         {},
		"UID after the body":  {quirks: imaptest.Quirks{UIDAfterBody: true}},
		"split answers":       {quirks: imaptest.Quirks{SplitFetch: true}},
		"unasked flags":       {quirks: imaptest.Quirks{UnsolicitedFlags: true}},
		"all of these":        {quirks: imaptest.Quirks{UIDAfterBody: true, SplitFetch: true, UnsolicitedFlags: true, ListLiterals: true}},
		"bare greeting":       {quirks: imaptest.Quirks{BareGreeting: true}},
		"no extensions":       {quirks: imaptest.Quirks{Without: []string{"LIST-EXTENDED", "SPECIAL-USE", "CONDSTORE", "LITERAL+", "NAMESPACE", "ID"}}},
		"dots and a prefix":   {opts: imaptest.Options{Delimiter: '.', Prefix: "INBOX."}},
		"octet by octet":      {dial: imap.Options{Dial: oneByte}, upTo: 20_000},
		"odd permanent flags": {quirks: imaptest.Quirks{PermanentFlags: []string{"[css3-page]", `\*`, "caf\u00e9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			srv, server := oldServer(t, c.opts, c.quirks)
			s, err := imap.DialSource(t.Context(), server, ada, c.dial)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			boxes, err := s.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range boxes {
				there := srv.User(ada.Login).Mailbox(b.Name)
				if b.Has(`\Noselect`) || there != nil && c.upTo > 0 && octets(there) > c.upTo {
					continue
				}
				sameMail(t, s, there, b)
			}
			if w := srv.Journal().Writes(); len(w) > 0 {
				t.Errorf("the source was written to: %v", w)
			}
		})
	}
}

func octets(m *imaptest.Mailbox) (n int64) {
	for _, msg := range m.Messages() {
		n += msg.Size
	}
	return n
}

func sameMail(t *testing.T, s *imap.Source, there *imaptest.Mailbox, b imap.Mailbox) {
	t.Helper()
	if there == nil {
		t.Errorf("listed %q (%s), which is not there", b.Name, b.Wire)
		return
	}
	st, err := s.Examine(t.Context(), b.Name)
	if err != nil || st.UIDValidity != there.UIDValidity() || int(st.Messages) != there.Len() || st.UIDNext != there.UIDNext() || !st.ReadOnly {
		t.Errorf("%q: got %+v, %v", b.Name, st, err)
	}
	listed := map[uint32]imap.Message{}
	err = s.Messages(t.Context(), 1, 0, func(m imap.Message) error {
		listed[m.UID] = m
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var uids []uint32
	for _, m := range there.Messages() {
		got := listed[m.UID]
		slices.Sort(m.Flags)
		slices.Sort(got.Flags)
		if !got.InternalDate.Equal(m.InternalDate) || got.Size != m.Size || !slices.Equal(got.Flags, m.Flags) {
			t.Errorf("%q: got %+v, want %v %d %q", b.Name, got, m.InternalDate, m.Size, m.Flags)
		}
		uids = append(uids, m.UID)
	}
	sums := map[uint32][20]byte{}
	err = s.Fetch(t.Context(), uids, func(uid uint32, size int64, body io.Reader) error {
		h := sha1.New()
		if n, err := io.Copy(h, body); err != nil || n != size {
			return fmt.Errorf("%d octets of %d: %w", n, size, err)
		}
		sums[uid] = [20]byte(h.Sum(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range there.Messages() {
		if sums[m.UID] != m.SHA1 {
			t.Errorf("%q: UID %d has other octets", b.Name, m.UID)
		}
	}
}

// Cut after any number of octets, a fetch gives whole messages and an error.
func TestSourceCutAnywhere(t *testing.T) {
	_, server := oldServer(t, imaptest.Options{}, imaptest.Quirks{})
	for cut := int64(1); cut < 200_000; cut = cut*5/4 + 101 {
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return imaptest.NewFaultConn(nc, imaptest.Fault{CutAfter: cut}, imaptest.Fault{}), nil
		}
		err := readInbox(t.Context(), server, imap.Options{Dial: dial})
		if err == nil {
			return // all of it passed before the cut
		}
		if strings.Contains(err.Error(), "short") {
			t.Fatalf("cut after %d: %v", cut, err)
		}
	}
}

func readInbox(ctx context.Context, server imap.Server, opts imap.Options) error {
	s, err := imap.DialSource(ctx, server, ada, opts)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, err := s.Examine(ctx, "INBOX"); err != nil {
		return err
	}
	var uids []uint32
	if err := s.Messages(ctx, 1, 0, func(m imap.Message) error { uids = append(uids, m.UID); return nil }); err != nil {
		return err
	}
	return s.Fetch(ctx, uids, func(uid uint32, size int64, body io.Reader) error {
		n, err := io.Copy(io.Discard, body)
		if err == nil && n != size {
			return fmt.Errorf("UID %d is short: %d of %d", uid, n, size)
		}
		return err
	})
}

// A target over TLS takes a batch; what it refuses is told message by message.
func TestTargetAppends(t *testing.T) {
	srv, server := oldServer(t, imaptest.Options{MaxLiteral: 1000}, imaptest.Quirks{})
	server.TLS = server.TLS.Clone()
	server.TLS.MinVersion = tls.VersionTLS13
	dst, err := imap.DialTarget(t.Context(), server, imap.Token{Address: ada.Login, Secret: ada.Secret}, imap.Options{SyncAbove: 500})
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := dst.Create(t.Context(), "Été/R&D"); err != nil {
		t.Fatal(err)
	}
	a, err := dst.Appender(t.Context(), "Été/R&D")
	if err != nil {
		t.Fatal(err)
	}
	var batch []imap.Append
	for _, size := range []int{10, 600, 2000, 400} {
		batch = append(batch, imap.Append{Flags: []string{`\Seen`, "$Label1"}, Size: int64(size), Body: strings.NewReader(strings.Repeat("x", size))})
	}
	if err := a.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	res, err := a.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for i, r := range res {
		if refused := i == 2; (r.Err != nil) != refused || (r.UID == 0) != refused || r.Unknown {
			t.Errorf("%d: %+v", i, r)
		}
	}
	there := srv.User(ada.Login).Mailbox("Été/R&D").Messages()
	if len(there) != 3 || there[2].UID != res[3].UID || there[1].Size != 600 || !slices.Contains(there[0].Flags, "$Label1") {
		t.Errorf("there are %+v", there)
	}
}
