package bmsim

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bmsync/bmapi/bmsim/internal/directory"
	"bmsync/bmapi/bmsim/internal/mail"
)

// hiddenAdmin is the user that BlueMind 4 has in each domain and that is also an
// administrator of Cyrus.
const hiddenAdmin = directory.HiddenAdmin

// Sim is a running BlueMind. Close ends it.
type Sim struct {
	cfg     Config
	level   int             // version whose REST calls are served: 3, 4 or 5
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    *errgroup.Group
	scratch string // a folder of our own, removed by Close; "": Config.Dir is used

	dir     *directory.Store
	view    mail.View
	boxes   mail.Boxes
	back    backend
	journal *Journal
	faults  *Faults
	tasks   *tasks
	cached  *keyCache
	router  router
	ca      *authority
	caFile  string
	addrs   struct{ rest, imap, imaps string }

	state     atomic.Value // string
	sizeLimit atomic.Int64
}

// backend is what keeps the mail: version 5's store and endpoint, Cyrus, or a
// store that nobody reads over IMAP.
type backend interface {
	// start makes view and boxes and serves until the context ends; addr is where
	// the proxy finds it, "" nowhere.
	start(ctx context.Context, s *Sim) (addr string, err error)
	// granted is told when the rights on a box have changed.
	granted(ctx context.Context, s *Sim, e *directory.Entry, before []directory.ACE) error
	close() error
}

// Start makes or reopens a BlueMind and serves it until Close, or until the
// context ends.
func Start(ctx context.Context, cfg Config) (*Sim, error) {
	s := &Sim{cfg: cfg.withDefaults()}
	s.level = s.cfg.level()
	s.sizeLimit.Store(s.cfg.MessageSizeLimit)
	s.state.Store(Running)
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.work, s.ctx = errgroup.WithContext(s.ctx)
	if err := s.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("bmsim: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sim) start() error {
	if v := s.cfg.Version; v < 3 || v > 5 {
		return fmt.Errorf("version %d is none of 3, 4 and 5", v)
	}
	if err := s.open(); err != nil {
		return err
	}
	backendAddr, err := s.back.start(s.ctx, s)
	if err != nil {
		return err
	}
	if s.cfg.Version < 5 {
		s.view = late(s.view, s.cfg.ReplicationLag, s.cfg.Now)
	}
	for _, d := range s.cfg.Domains {
		if err := s.seed(d); err != nil {
			return err
		}
	}
	conf, err := s.ca.server()
	if err != nil {
		return err
	}
	if err := s.serveREST(conf); err != nil {
		return err
	}
	return s.serveIMAP(conf, backendAddr)
}

// open reads what is kept, or makes it.
func (s *Sim) open() error {
	dir := s.cfg.Dir
	certs := dir
	if dir == "" {
		var err error
		if s.scratch, err = os.MkdirTemp("", "bmsim-"); err != nil {
			return err
		}
		certs = s.scratch
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	sub := func(name string) string {
		if dir == "" {
			return ""
		}
		return filepath.Join(dir, name)
	}
	var err error
	if s.ca, err = openAuthority(certs); err != nil {
		return err
	}
	s.caFile = filepath.Join(certs, "ca.pem")
	if s.journal, err = openJournal(sub("journal.jsonl"), s.cfg.Now); err != nil {
		return err
	}
	s.dir, err = directory.Open(sub("directory"), directory.Options{
		Version: s.level, Idle: s.cfg.SessionIdle, Now: s.cfg.Now, AdminSecret: s.cfg.AdminPassword,
		Servers: s.servers(),
		OnNotify: func(entry, subject, kind string) {
			s.journal.add(Event{Notice: &Notice{Entry: entry, Subject: subject, Kind: kind}})
		},
	})
	if err != nil {
		return err
	}
	s.journal.keys, s.journal.sessions = s.dir.KeysAlive, s.dir.Sessions
	s.faults = &Faults{now: s.cfg.Now}
	s.tasks = newTasks(s.ctx)
	s.cached = &keyCache{good: map[[sha256.Size]byte]time.Time{}}
	if s.cfg.Version < 5 {
		s.cached.life = s.cfg.KeyCache
	}
	switch {
	case s.cfg.Version >= 5:
		s.back = &core{dir: sub("mail")}
	case s.cfg.Cyrus == nil:
		s.back = &shelf{dir: sub("mail"), before47: before47(s.cfg.ReleaseName)}
	default:
		s.back = &behind{cfg: *s.cfg.Cyrus}
	}
	s.routes()
	return nil
}

func (s *Sim) routes() {
	s.authRoutes()
	s.domainRoutes()
	s.serverRoutes()
	s.systemRoutes()
	s.userRoutes()
	s.directoryRoutes()
	s.mailshareRoutes()
	s.mailboxRoutes()
	s.filterRoutes()
	s.groupRoutes()
	s.containerRoutes()
	s.subscriptionRoutes()
	s.taskRoutes()
	if s.level < 5 {
		s.oldRepairRoutes()
	}
	if s.level >= 4 { // 3.5 tells nothing about mail
		s.externalRoutes()
		s.maintenanceRoutes()
		s.folderRoutes()
		s.itemRoutes()
	}
}

func (s *Sim) listen(addr string, kept *string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", addr)
	if err == nil {
		*kept = ln.Addr().String()
	}
	return ln, err
}

func (s *Sim) serveREST(conf *tls.Config) error {
	ln, err := s.listen(s.cfg.ListenREST, &s.addrs.rest)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: time.Minute,
		ErrorLog:    slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return s.ctx },
	}
	s.work.Go(func() error {
		if err := srv.Serve(tls.NewListener(ln, conf)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	s.work.Go(func() error {
		<-s.ctx.Done()
		// Handlers notice the context; a second is ample.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Second)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			return srv.Close()
		}
		return nil
	})
	return nil
}

// Close ends all listeners and connections, waits for them, and closes what is
// kept.
func (s *Sim) Close() error {
	s.cancel()
	err := s.work.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if s.tasks != nil {
		s.tasks.wg.Wait()
		s.tasks.cancel()
	}
	if s.back != nil {
		err = errors.Join(err, s.back.close())
	}
	if s.journal != nil {
		err = errors.Join(err, s.journal.close())
	}
	if s.scratch != "" {
		err = errors.Join(err, os.RemoveAll(s.scratch))
	}
	return err
}

// Wait returns when the simulator has ended, by Close, its context or a fault.
func (s *Sim) Wait() error { return s.work.Wait() }

// URL is the address of the installation; the API is below it, at /api.
func (s *Sim) URL() string { return "https://" + s.addrs.rest }

// IMAPAddr is the proxy's plain listener, for STARTTLS.
func (s *Sim) IMAPAddr() string { return s.addrs.imap }

// IMAPSAddr is the proxy's TLS listener.
func (s *Sim) IMAPSAddr() string { return s.addrs.imaps }

// CAFile holds the certificate of the simulator's authority. In memory it is a
// temporary file, removed by Close.
func (s *Sim) CAFile() string { return s.caFile }

// CAPEM is the same certificate.
func (s *Sim) CAPEM() []byte { return s.ca.pem }

// Journal tells what clients did.
func (s *Sim) Journal() *Journal { return s.journal }

// Faults switches what goes wrong.
func (s *Sim) Faults() *Faults { return s.faults }

// State is the state of bm-core.
func (s *Sim) State() string { return s.state.Load().(string) }

// SetState changes it. Entering maintenance ends all sessions.
func (s *Sim) SetState(state string) {
	s.state.Store(state)
	if state == Maintenance {
		s.dir.EndSessions()
	}
}

// ExpireSessions ends all REST sessions, as after an idle time; API keys get a
// new one with their next call.
func (s *Sim) ExpireSessions() { s.dir.EndSessions() }

// Restart does to what bm-core keeps in memory what its restart does: tasks are
// forgotten, those that run are lost before they did their work, and failed
// logins are no longer remembered. Sessions and keys stay, as they are on disk.
func (s *Sim) Restart() {
	s.tasks.restart()
	s.dir.ForgetNobody()
}

// MessageSizeLimit is message_size_limit, in bytes.
func (s *Sim) MessageSizeLimit() int64 { return s.sizeLimit.Load() }

// SetMessageSizeLimit changes it, for logins from now on.
func (s *Sim) SetMessageSizeLimit(n int64) { s.sizeLimit.Store(n) }
