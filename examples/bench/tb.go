package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
)

// tb lets package labtest, which is made for tests, work here: what would fail
// a test becomes an error.
type tb struct {
	testing.TB
	ctx context.Context
}

type failed struct{ error }

func (t *tb) Helper()                  {}
func (t *tb) Context() context.Context { return t.ctx }
func (t *tb) Name() string             { return "bench" }
func (t *tb) Fatal(args ...any)        { panic(failed{errors.New(fmt.Sprint(args...))}) }
func (t *tb) Fatalf(format string, args ...any) {
	panic(failed{fmt.Errorf(format, args...)})
}
func (t *tb) Skip(args ...any) { t.Fatal(args...) }
func (t *tb) Skipf(format string, args ...any) {
	t.Fatalf(format, args...)
}

// try does what may fail like a test.
func (t *tb) try(do func()) (err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case failed:
			err = x.error
		default:
			panic(x)
		}
	}()
	do()
	return nil
}

func trust(pem []byte) (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("the simulator's certificate can't be read")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
