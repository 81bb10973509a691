package cyrus

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// AuthConfig says who may enter Cyrus.
type AuthConfig struct {
	// Auth judges a secret. The domain is the realm that Cyrus cut off the login,
	// lower-cased; nil lets in. It is not asked for the administrator.
	Auth func(ctx context.Context, login, domain, secret string) error
	// Admin and AdminSecret are Cyrus's administrator.
	Admin, AdminSecret string
	// Remember is how long a secret found right is right without asking again, as
	// BlueMind 4's cache has it for 10 minutes: a deleted key works on. Zero: not.
	Remember time.Duration
	// Journal hears each answer, from several goroutines. Nil: nobody.
	Journal func(AuthEvent)
}

// AuthEvent is one question of Cyrus and its answer.
type AuthEvent struct {
	Time          time.Time
	Login, Domain string
	OK            bool
	Remembered    bool // answered from the cache
	Err           error
}

// ListenAuth opens the socket where Cyrus asks (its sasl_saslauthd_path), for
// every user of the machine, in place of one that nobody serves any more. One
// process at a time holds it, by a lock beside it: ListenAuth waits for its turn
// until the context ends. Closing the listener removes the socket and passes the
// turn on.
func ListenAuth(ctx context.Context, path string) (net.Listener, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("saslauthd: %w", err)
	}
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			lock.Close()
			return nil, fmt.Errorf("saslauthd: lock %s: %w", lock.Name(), err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			lock.Close()
			return nil, fmt.Errorf("saslauthd: %s is in use: %w", path, context.Cause(ctx))
		}
	}
	ln, err := listen(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("saslauthd: %w", err)
	}
	return &lockedListener{Listener: ln, lock: lock}, nil
}

func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// To connect is to write: Cyrus runs as a user of its own.
	if err := os.Chmod(path, 0o666); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// lockedListener gives its lock back when it is closed.
type lockedListener struct {
	net.Listener
	lock *os.File
}

func (l *lockedListener) Close() error {
	err := l.Listener.Close()
	if err2 := l.lock.Close(); err == nil && !errors.Is(err2, fs.ErrClosed) {
		err = err2
	}
	return err
}

// ServeAuth answers Cyrus's questions on ln until the context ends, and returns
// when all are answered. It closes ln.
func ServeAuth(ctx context.Context, ln net.Listener, cfg AuthConfig) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer ln.Close()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	s := &authServer{cfg: cfg, good: map[[sha256.Size]byte]time.Time{}}
	var questions sync.WaitGroup
	defer questions.Wait()
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			cancel()
			return fmt.Errorf("saslauthd: %w", err)
		}
		questions.Go(func() {
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			if err := s.answer(ctx, conn); err != nil && cfg.Journal != nil {
				cfg.Journal(AuthEvent{Time: time.Now(), Err: err})
			}
		})
	}
}

type authServer struct {
	cfg AuthConfig

	mu   sync.Mutex
	good map[[sha256.Size]byte]time.Time // login, domain and secret → until when
}

// answer reads one question, four strings with 16-bit lengths (login, secret,
// service, realm), and writes one string that begins with OK or NO.
func (s *authServer) answer(ctx context.Context, conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	var parts [4]string
	for i := range parts {
		var err error
		if parts[i], err = readCounted(r); err != nil {
			return fmt.Errorf("question: %w", err)
		}
	}
	verdict := "NO"
	if s.ask(ctx, parts[0], parts[3], parts[1]) {
		verdict = "OK"
	}
	return writeCounted(conn, verdict)
}

func (s *authServer) ask(ctx context.Context, login, domain, secret string) bool {
	e := AuthEvent{Login: login, Domain: domain}
	key := sha256.Sum256([]byte(login + "\x00" + domain + "\x00" + secret))
	switch {
	case login == s.cfg.Admin && s.cfg.Admin != "":
		e.OK = s.cfg.AdminSecret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.AdminSecret)) == 1
	case s.remembered(key):
		e.OK, e.Remembered = true, true
	default:
		e.Err = s.cfg.Auth(ctx, login, domain, secret)
		e.OK = e.Err == nil
		if e.OK && s.cfg.Remember > 0 {
			s.mu.Lock()
			s.good[key] = time.Now().Add(s.cfg.Remember)
			s.mu.Unlock()
		}
	}
	if s.cfg.Journal != nil {
		e.Time = time.Now()
		s.cfg.Journal(e)
	}
	return e.OK
}

func (s *authServer) remembered(key [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, known := s.good[key]
	if known && time.Now().After(until) {
		delete(s.good, key)
		return false
	}
	return known
}

func readCounted(r io.Reader) (string, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint16(n[:]))
	_, err := io.ReadFull(r, text)
	return string(text), err
}

func writeCounted(w io.Writer, s string) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...))
	return err
}
