package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"

	"github.com/spf13/cobra"
)

// simFlags are what bmsync sim can be told.
type simFlags struct {
	dir, rest, imap, imaps string
	version                int
	domains                []string
	rate, limit            string
	adminFile              string
	cyrusLab               string
	release, world         string
	refusal, lag           time.Duration
}

func newSimCmd(a *app) *cobra.Command {
	var s simFlags
	cmd := &cobra.Command{
		Use: "sim", Short: "Serve an embedded BlueMind on the loopback, to rehearse on",
		Long: simHelp,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sim(cmd.Context(), s) },
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "folder that keeps its store; empty: in memory")
	f.IntVar(&s.version, "bluemind", 5, "BlueMind's version: 3 (3.5), 4 or 5")
	f.StringVar(&s.release, "release", "", "release it calls itself (default 5.1, 4.6.2 or 3.5.15)")
	f.StringVar(&s.world, "world", "", "JSON file with domains, users, shares and directories to begin with")
	f.StringSliceVar(&s.domains, "domain", nil, "domain to make, with aliases after colons: example.org:example.com; may be repeated")
	f.StringVar(&s.rest, "listen-rest", "", "address of the REST interface (default: the one kept in --dir, or a free port)")
	f.StringVar(&s.imap, "listen-imap", "", "address of IMAP with STARTTLS")
	f.StringVar(&s.imaps, "listen-imaps", "", "address of IMAP with TLS")
	f.StringVar(&s.rate, "rate", "0", "what a user may upload in a second, such as 1MB, which BlueMind 5 has; 0: no limit")
	f.StringVar(&s.limit, "message-size-limit", "", "largest message, such as 20MB (default 10000000 bytes)")
	f.StringVar(&s.adminFile, "admin-secret-file", "", "file with the password of admin0 (default: the one kept in --dir, or admin)")
	f.StringVar(&s.cyrusLab, "cyrus", "", "lab.json of a running Cyrus, for --bluemind 4")
	f.DurationVar(&s.lag, "replication-lag", 0, "how late REST shows messages of version 4")
	f.DurationVar(&s.refusal, "refusal-delay", 0, "pause after a refused login (default 2s, as BlueMind has)")
	return cmd
}

func (s simFlags) config(ctx context.Context) (bmsim.Config, error) {
	c := bmsim.Config{Version: s.version, Dir: s.dir, ListenREST: s.rest, ListenIMAP: s.imap, ListenIMAPS: s.imaps, RefusalDelay: s.refusal,
		ReleaseName: s.release, ReplicationLag: s.lag}
	if s.version < 3 || s.version > 5 {
		return c, &usageError{fmt.Errorf("--bluemind is 3, 4 or 5, not %d", s.version)}
	}
	for _, d := range s.domains {
		name, aliases, _ := strings.Cut(d, ":")
		domain := bmsim.Domain{Name: strings.ToLower(name)}
		for alias := range strings.SplitSeq(aliases, ":") {
			if alias != "" {
				domain.Aliases = append(domain.Aliases, strings.ToLower(alias))
			}
		}
		c.Domains = append(c.Domains, domain)
	}
	var err error
	if s.world != "" {
		more, err := simWorld(s.world)
		if err != nil {
			return c, err
		}
		c.Domains = append(c.Domains, more...)
	}
	if c.RateLimit, err = sizeFlag("--rate", s.rate); err != nil {
		return c, err
	}
	if c.MessageSizeLimit, err = sizeFlag("--message-size-limit", s.limit); err != nil {
		return c, err
	}
	if s.adminFile != "" {
		if c.AdminPassword, err = (SecretRef{File: s.adminFile}).Resolve(ctx); err != nil {
			return c, &usageError{err}
		}
	}
	if s.cyrusLab != "" {
		if s.version != 4 {
			return c, &usageError{errors.New("--cyrus is for --bluemind 4")}
		}
		if c.Cyrus, err = cyrusOf(s.cyrusLab); err != nil {
			return c, err
		}
	}
	return c, nil
}

func sizeFlag(name, text string) (int64, error) {
	if text == "" || text == "0" {
		return 0, nil
	}
	n, err := migrate.ParseSize(text)
	if err != nil {
		return 0, &usageError{fmt.Errorf("%s: %w", name, err)}
	}
	return n, nil
}

func (a *app) sim(ctx context.Context, s simFlags) error {
	if err := simPorts(&s); err != nil {
		return err
	}
	c, err := s.config(ctx)
	if err != nil {
		return err
	}
	sim, err := bmsim.Start(ctx, c)
	if err != nil {
		return err
	}
	if err := keepPorts(s.dir, sim); err != nil {
		return errors.Join(err, sim.Close())
	}
	info := simInfo{Version: s.version, URL: sim.URL(), IMAP: sim.IMAPAddr(), IMAPS: sim.IMAPSAddr(), CAFile: absolute(sim.CAFile()), Dir: s.dir, SecretFile: absolute(s.adminFile), NoIMAP: c.Version < 5 && c.Cyrus == nil}
	if err := a.result(info, info.text); err != nil {
		sim.Close()
		return err
	}
	select {
	case <-a.stop:
	case <-ctx.Done():
	}
	return sim.Close()
}

// simInfo is how to reach a simulator.
type simInfo struct {
	Version int    `json:"version"`
	URL     string `json:"url"`
	IMAP    string `json:"imap"`
	IMAPS   string `json:"imaps"`
	CAFile  string `json:"ca_file"`
	Dir     string `json:"dir,omitempty"`

	SecretFile string `json:"secret_file,omitempty"` // of the administrator
	NoIMAP     bool   `json:"no_imap,omitempty"`     // before version 5, without a Cyrus
}

// absolute is a path that holds in any folder.
func absolute(path string) string {
	if path == "" {
		return ""
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func (i simInfo) text(w io.Writer) error {
	kept := "kept in memory; gone when this ends"
	if i.Dir != "" {
		kept = "kept in " + i.Dir
	}
	secret := "secret_file: " + strconv.Quote(i.SecretFile)
	if i.SecretFile == "" {
		secret = "secret_env: SIM_ADMIN   # export SIM_ADMIN=admin, unless it was begun with another password"
	}
	if i.NoIMAP {
		kept += ". Without a Cyrus it has no IMAP"
	}
	_, err := fmt.Fprintf(w, `An embedded BlueMind %d is served, %s. Ctrl-C ends it.
STARTTLS is on %s. As a target in bmsync.yaml:

  sim:
    url: %s
    imap: %s
    ca_file: %q
    %s
    rehearsal: true
`, i.Version, kept, i.IMAP, i.URL, i.IMAPS, i.CAFile, secret)
	return err
}

// writeSecret keeps a secret for secret_file.
func writeSecret(dir, name, secret string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600)
}

// simPorts keeps a simulator's addresses beside its store, and gives them back.
func simPorts(s *simFlags) error {
	if s.dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "ports.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept [3]string
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return fmt.Errorf("ports of the simulator: %w", err)
	}
	for i, flag := range []*string{&s.rest, &s.imap, &s.imaps} {
		if *flag == "" {
			*flag = kept[i]
		}
	}
	return nil
}

func keepPorts(dir string, sim *bmsim.Sim) error {
	if dir == "" {
		return nil
	}
	text, err := json.Marshal([3]string{strings.TrimPrefix(sim.URL(), "https://"), sim.IMAPAddr(), sim.IMAPSAddr()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ports.json"), text, 0o600)
}

// randomSecret is for an administrator that only the simulator logs in as.
func randomSecret() string { return rand.Text() }
