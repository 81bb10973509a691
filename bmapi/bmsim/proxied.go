package bmsim

import (
	"context"
	"crypto/tls"

	"bmsync/bmapi/bmsim/internal/proxy"
)

// serveIMAP puts the mail proxy in front of the backend, on both ports.
func (s *Sim) serveIMAP(conf *tls.Config, backend string) error {
	cfg := proxy.Config{
		TLS: conf, RefusalDelay: s.cfg.RefusalDelay,
		Decide: func(ctx context.Context, address, secret string) (proxy.Decision, error) {
			name, err := s.admit(ctx, address, secret)
			return proxy.Decision{Login: name, Backend: backend}, err
		},
		Journal: func(e proxy.Event) {
			s.cfg.Logger.Debug("proxy", "kind", e.Kind, "client", e.Client, "address", e.Address, "login", e.Login, "err", e.Err)
		},
	}
	plain, err := s.listen(s.cfg.ListenIMAP, &s.addrs.imap)
	if err != nil {
		return err
	}
	s.work.Go(func() error { return proxy.ServeStartTLS(s.ctx, plain, cfg) })
	implicit, err := s.listen(s.cfg.ListenIMAPS, &s.addrs.imaps)
	if err != nil {
		return err
	}
	s.work.Go(func() error { return proxy.ServeTLS(s.ctx, implicit, cfg) })
	return nil
}
