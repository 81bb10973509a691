package migrate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi"
	"bmsync/imap"
)

// Source is a server that mail comes from.
type Source struct {
	Name        string
	Server      imap.Server
	Idle        time.Duration // 0: the session's default
	Connections int           // sessions at a time; 0: 10
	Insecure    []string      // hosts whose certificate isn't checked: in every report
	Admin       string        // login that acts as every user; "": each has a login of its own
	Shared      bool          // one secret opens every mailbox: an administrator's, a master user's
	// Credentials gives what opens the mailbox of a login.
	Credentials func(ctx context.Context, login string) (imap.Credentials, error)
}

// Target is a BlueMind that mail goes to.
type Target struct {
	Name        string
	URL         string // https://host[:port]
	TLS         *tls.Config
	IMAP        imap.Server
	Idle        time.Duration
	Connections int
	Insecure    []string
	Admin       string // for the API alone
	AdminSecret func(ctx context.Context) (string, error)
	Rehearsal   bool
	Version     string // "4", "5", or "": what the server says
	DomainMap   map[string]string
}

// Address is where the mailbox for address is on this target.
func (t Target) Address(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if mapped, ok := t.DomainMap[domain]; ok {
		return local + "@" + mapped
	}
	return address
}

// goesBy says whether an account of this target is the one that was asked for,
// by its address here or by that of the plan.
func (t Target) goesBy(address, asked string) bool {
	return strings.EqualFold(address, asked) || strings.EqualFold(address, t.Address(asked))
}

// domain is the target's name for a domain of the plan.
func (t Target) domain(name string) string {
	if mapped, ok := t.DomainMap[name]; ok {
		return mapped
	}
	return name
}

// dialSource opens a session on a source for one login.
func dialSource(ctx context.Context, s Source, login string, log *slog.Logger) (*imap.Source, error) {
	cred, err := s.Credentials(ctx, login)
	if err != nil {
		return nil, &SecretError{Source: s.Name, Login: login, Err: err}
	}
	return imap.DialSource(ctx, s.Server, cred, imap.Options{Idle: s.Idle, Logger: log, Name: "source " + s.Name})
}

// ErrNoRow is what [Source].Credentials answers of a login that is in the plan
// and in no row any more.
var ErrNoRow = errors.New("accounts.csv has no row for it any more")

// SecretError says that the secret of a source login could not be had.
type SecretError struct {
	Source, Login string
	Err           error
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("secret of %s at source %s: %v", e.Login, e.Source, e.Err)
}
func (e *SecretError) Unwrap() error { return e.Err }

// platform is a target after the administrator has logged in to its API.
type platform struct {
	target  Target
	client  *bmapi.Client
	admin   *bmapi.Session
	version bmapi.Version
	id      string // of the installation
	log     *slog.Logger

	mu     sync.Mutex
	secret [sha256.Size]byte // digest of what the administrator logged in with last
}

// adminSecret asks for the administrator's secret, and remembers its digest.
func (p *platform) adminSecret(ctx context.Context) (string, error) {
	secret, err := p.target.AdminSecret(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secret = sha256.Sum256([]byte(secret))
	return secret, err
}

// administrators says whether a secret opens the API for the administrator.
func (p *platform) administrators(secret string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.secret == sha256.Sum256([]byte(secret)) || p.admin.Holds(secret)
}

// openPlatform logs in to the API and finds out which BlueMind it is. One that is
// not running, or whose administrator may not provision, blocks what was asked
// for.
func openPlatform(ctx context.Context, t Target, log *slog.Logger) (*platform, error) {
	client, err := bmapi.New(bmapi.Options{BaseURL: t.URL, TLS: t.TLS, Origin: "bmsync", Logger: log})
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	p := &platform{target: t, client: client, log: log}
	if p.version, err = client.Installation(ctx); err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	if t.Version != "" && t.Version != fmt.Sprint(p.version.Major) {
		return nil, &VersionMismatchError{Target: t.Name, Want: t.Version + ", as bmsync.yaml says", Have: p.version.ReleaseName}
	}
	if err := p.running(ctx); err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	secret, err := p.adminSecret(ctx)
	if err != nil {
		return nil, fmt.Errorf("target %s: secret of %s: %w", t.Name, t.Admin, err)
	}
	session, err := client.Login(ctx, t.Admin, secret)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	p.admin = session.WithRenew(p.adminSecret)
	if p.id, err = p.admin.Identity(ctx); err != nil {
		p.close(ctx)
		if errors.Is(err, bmapi.ErrPermission) {
			err = &BlockedError{Reason: noAdministrator(t), Mend: "write admin: admin0@global.virt under target " + t.Name + " in bmsync.yaml", Err: err}
		}
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	return p, nil
}

// running refuses a BlueMind whose core answers, and is not there to be worked
// on: in maintenance administrators may log in and write, and nobody else may.
func (p *platform) running(ctx context.Context) error {
	state, err := p.client.State(ctx)
	if err != nil {
		return err
	}
	if state != bmapi.Running {
		return blocked(notRunningMend, "%s", notRunning(state))
	}
	return nil
}

// What is said of a target that can't be worked on, here and in check.
const notRunningMend = "wait until it is running; bmctl status on the server says more"

func notRunning(state string) string { return "BlueMind is in state " + state }

func noAdministrator(t Target) string {
	return t.Admin + " has not the rights that provisioning needs"
}

// close ends the administrator's session.
func (p *platform) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	if err := p.admin.Logout(ctx); err != nil {
		p.log.Warn("the administrator's session could not be ended", "target", p.target.Name, "error", err)
	}
	p.client.Close()
}

// cleanUpTime bounds what is still done after a run was interrupted.
const cleanUpTime = 20 * time.Second

// VersionMismatchError says that a target is another BlueMind than configured.
type VersionMismatchError struct{ Target, Want, Have string }

func (e *VersionMismatchError) Error() string {
	return fmt.Sprintf("target %s is BlueMind %s, and not %s", e.Target, e.Have, e.Want)
}
