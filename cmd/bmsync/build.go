package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"

	"bmsync/imap"
	"bmsync/migrate"

	"github.com/spf13/cobra"
)

// isCertificate says whether a server's certificate was the trouble.
func isCertificate(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verify || unknown || host || invalid
}

func gateHint(e *migrate.GateError) string {
	if len(e.Seen) == 0 {
		return ""
	}
	return "; bmsync status --target " + e.Seen[0] + " shows how far the rehearsal is"
}

// tlsConfig makes the settings of a connection to one host.
func tlsConfig(caFile string, insecure []string, host string) (*tls.Config, error) {
	// TLS 1.0 and 1.1 are what Go refuses by default; old sources that know
	// nothing else have to be put behind a proxy that does.
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, migrate.Problem{File: caFile, Text: cause(err).Error(), Mend: "ca_file names a certificate authority in PEM form", Err: err}
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, migrate.Problem{File: caFile, Text: "holds no certificate in PEM form", Mend: "ca_file names a certificate authority in PEM form"}
		}
	}
	if slices.Contains(insecure, host) {
		t.InsecureSkipVerify = true // asked for, for this host, in the configuration; every report says so
	}
	return t, nil
}

var securityOf = map[string]imap.Security{tlsImplicit: imap.ImplicitTLS, tlsStartTLS: imap.StartTLS, tlsNone: imap.Plaintext}

func (c Connection) server() (imap.Server, error) {
	t, err := tlsConfig(c.CAFile, c.InsecureSkipVerify, c.Host())
	return imap.Server{Addr: c.Addr, Security: securityOf[c.TLS], TLS: t}, err
}

// buildSources makes what migrate dials from the configuration. Each row's
// secret is looked up when it is needed, and not kept.
func buildSources(c *Config, rows []migrate.Row) (map[string]migrate.Source, error) {
	refs := map[[2]string]SecretRef{}
	for _, row := range rows {
		refs[[2]string{row.Source, row.Login}] = rowSecret(c, row)
	}
	out := map[string]migrate.Source{}
	var problems []migrate.Problem
	for _, s := range c.Sources {
		server, err := s.server()
		if err != nil {
			problems = append(problems, migrate.Problem{}.At(err))
			continue
		}
		out[s.Name] = migrate.Source{Name: s.Name, Server: server, Idle: s.IdleTimeout, Connections: s.Connections, Insecure: s.InsecureSkipVerify, Admin: s.AdminLogin,
			Shared: s.Auth == authPlainAuthz || s.Secret.Given() && s.LoginTemplate != loginPlaceholder,
			Credentials: func(ctx context.Context, login string) (imap.Credentials, error) {
				ref, ok := refs[[2]string{s.Name, login}]
				if !ok {
					return imap.Credentials{}, migrate.ErrNoRow
				}
				if s.Auth == authPlainAuthz {
					secret, err := s.Secret.Resolve(ctx)
					return imap.Credentials{Login: s.AdminLogin, AuthzID: login, Secret: secret}, err
				}
				secret, err := ref.Resolve(ctx)
				return imap.Credentials{Login: s.Login(login), Secret: secret}, err
			}}
	}
	return out, migrate.NewInputError(problems)
}

// buildTarget makes what migrate fills from the configuration.
func buildTarget(t Target) (migrate.Target, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return migrate.Target{}, err
	}
	api, err := tlsConfig(t.CAFile, t.InsecureSkipVerify, u.Hostname())
	if err != nil {
		return migrate.Target{}, migrate.NewInputError([]migrate.Problem{migrate.Problem{}.At(err)})
	}
	server, err := t.server()
	if err != nil {
		return migrate.Target{}, migrate.NewInputError([]migrate.Problem{migrate.Problem{}.At(err)})
	}
	return migrate.Target{Name: t.Name, URL: t.URL, TLS: api, IMAP: server, Idle: t.IdleTimeout, Connections: t.Connections,
		Insecure: t.InsecureSkipVerify, Admin: t.Admin, AdminSecret: t.Secret.Resolve, Rehearsal: t.Rehearsal, Version: t.Version, DomainMap: t.DomainMap}, nil
}

// pickTarget finds the target that --target names; it may be left out where
// there is one only.
func pickTarget(c *Config, name string) (Target, error) {
	if name == "" {
		if len(c.Targets) == 1 {
			return c.Targets[0], nil
		}
		return Target{}, &usageError{fmt.Errorf("which target? --target %s", targetNames(c))}
	}
	t, ok := c.Target(name)
	if !ok {
		return Target{}, &usageError{fmt.Errorf("%s has no target %q; it has %s", c.Path, name, targetNames(c))}
	}
	return t, nil
}

func targetNames(c *Config) string {
	text := ""
	for i, t := range c.Targets {
		if i > 0 {
			text += " or "
		}
		text += t.Name
	}
	return text
}

// job is what commands that look at sources or targets start from.
type job struct {
	config  *Config
	inputs  migrate.Inputs
	rows    []migrate.Row // of inputs
	sources map[string]migrate.Source
	target  migrate.Target
	plan    *migrate.Plan
	opts    migrate.RunOptions
	close   func() error
}

// what a command needs of a job.
const (
	needTarget = 1 << iota
	needPlan
)

// job reads and checks everything that a command needs, before anything is
// touched.
func (a *app) job(cmd *cobra.Command, target string, needs int) (*job, error) {
	c, err := a.load(cmd)
	if err != nil {
		return nil, err
	}
	j := &job{config: c}
	if j.inputs, err = loadInputs(c); err != nil {
		return nil, err
	}
	j.rows = j.inputs.Rows
	if j.sources, err = buildSources(c, j.rows); err != nil {
		return nil, err
	}
	if needs&needTarget != 0 {
		t, err := pickTarget(c, target)
		if err != nil {
			return nil, err
		}
		if j.target, err = buildTarget(t); err != nil {
			return nil, err
		}
	}
	if needs&needPlan != 0 {
		if j.plan, err = migrate.OpenPlan(c.Plan); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return nil, migrate.NewInputError([]migrate.Problem{{File: c.Plan, Text: "there is no plan yet", Mend: "bmsync plan makes it"}})
			}
			return nil, err
		}
	}
	log, closeLog, err := a.logger(c)
	if err != nil {
		return nil, err
	}
	j.close = closeLog
	j.opts = migrate.RunOptions{Plan: j.plan, Sources: j.sources, Target: j.target, StateDir: c.State, Limits: c.Limits, Logger: log, Stop: a.stop,
		NewPassword: newPasswords(c, j.rows), Quarantine: c.Quarantine}
	return j, nil
}
