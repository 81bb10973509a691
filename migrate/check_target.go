package migrate

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// open looks at the installation as a whole and enters it. What it finds wrong
// may make all else moot; then it is false.
func (c *checkup) open(ctx context.Context) bool {
	t := c.Target
	client, err := bmapi.New(bmapi.Options{BaseURL: t.URL, TLS: t.TLS, Origin: "bmsync", Logger: c.Logger})
	if err != nil {
		c.found.add(checkAPI, Blocker, err.Error(), "correct url of target "+t.Name+" in bmsync.yaml")
		return false
	}
	c.platform = &platform{target: t, client: client, log: c.Logger}
	entered := c.installation(ctx) && c.enter(ctx)
	if !entered {
		client.Close()
	}
	return entered
}

// installation asks what needs no login: version and state.
func (c *checkup) installation(ctx context.Context) bool {
	p := c.platform
	version, err := p.client.Installation(ctx)
	_, tooOld := errors.AsType[*bmapi.VersionError](err)
	switch {
	case untrusted(err):
		c.found.add(checkCertificate, Blocker, fmt.Sprintf("%s shows a certificate that isn't trusted: %v", c.Target.URL, reason(err)), certificateMend(c.Target.URL))
		return false
	case err != nil && !tooOld:
		c.unreached(err)
		return false
	}
	c.found.add(checkAPI, Ok, c.Target.URL+" answers", "")
	c.trusted()
	p.version, c.version = version, version.ReleaseName
	if tooOld {
		c.found.add(checkVersion, Blocker, err.Error(), "upgrade BlueMind before migrating into it")
		return false
	}
	c.judgeVersion(version)
	state, err := p.client.State(ctx)
	switch {
	case err != nil:
		c.found.add(checkRunning, Blocker, "its state could not be asked: "+err.Error(), "run bmsync check again")
	case state != bmapi.Running:
		c.found.add(checkRunning, Blocker, notRunning(state), notRunningMend)
	default:
		c.found.add(checkRunning, Ok, state, "")
	}
	return true
}

func (c *checkup) unreached(err error) {
	mend := "see whether the host is right, whether it is reached from here, and whether a firewall lies between"
	if _, fault := errors.AsType[*bmapi.Fault](err); fault {
		mend = "something answers there, but not as BlueMind does: correct url of target " + c.Target.Name + " in bmsync.yaml, or see whether BlueMind is up"
	}
	c.found.add(checkAPI, Blocker, err.Error(), mend)
}

// trusted tells of the certificate that was shown by the call before.
func (c *checkup) trusted() {
	u, err := url.Parse(c.Target.URL)
	switch {
	case err != nil || u.Scheme != "https":
		c.found.add(checkCertificate, Warning, "the API is not reached by https: the administrator's secret travels in clear text", "write https:// in url of target "+c.Target.Name)
	case slices.Contains(c.Target.Insecure, u.Hostname()):
		c.unchecked(u.Hostname())
	default:
		c.found.add(checkCertificate, Ok, "valid for "+u.Hostname(), "")
	}
}

// judgeVersion goes by the release name alone: the software version of the
// whole 4.x line begins with 4.1.
func (c *checkup) judgeVersion(v bmapi.Version) {
	major := fmt.Sprint(v.Major)
	name := "BlueMind " + v.ReleaseName
	switch policy := c.Policy.TargetVersion; {
	case c.Target.Version != "" && c.Target.Version != major:
		c.found.add(checkVersion, Blocker, fmt.Sprintf("%s, and bmsync.yaml says version %s for target %s", name, c.Target.Version, c.Target.Name),
			"correct version of the target, or its url")
	case policy != "" && policy != TargetBoth && string(policy) != major:
		c.found.add(checkVersion, Blocker, fmt.Sprintf("%s, and policy.target_version says %s", name, policy), "correct policy.target_version, then bmsync plan")
	case !strings.ContainsAny(v.ReleaseName, "0123456789"):
		c.found.add(checkVersion, Warning, fmt.Sprintf("BlueMind says no release, only software version %s", v.SoftwareVersion), "make sure that it is 4.5 or later")
	case v.Major == 4 && v.Minor < 5:
		c.found.add(checkVersion, Blocker, name+": all versions before 4.5 must be upgraded, says BlueMind's guide", "upgrade to 4.5 or later before migrating")
	default:
		c.found.add(checkVersion, Ok, name, "")
	}
}

// enter logs in to the API as the administrator.
func (c *checkup) enter(ctx context.Context) bool {
	p, t := c.platform, c.Target
	mend := fmt.Sprintf("correct admin or its secret under target %s in bmsync.yaml", t.Name)
	secret, err := t.AdminSecret(ctx)
	if err != nil {
		c.found.add(checkAdmin, Blocker, fmt.Sprintf("the secret of %s could not be had: %v", t.Admin, err), mend)
		return false
	}
	session, err := p.client.Login(ctx, t.Admin, secret)
	if refused, ok := errors.AsType[*bmapi.AuthError](err); ok {
		text := fmt.Sprintf("BlueMind refuses the login of %s: wrong name or secret (it says %s)", t.Admin, refused.Status)
		if refused.Status == "Expired" {
			text, mend = fmt.Sprintf("the password of %s has expired", t.Admin), "log in to BlueMind's console as "+t.Admin+" and change it"
		}
		c.found.add(checkAdmin, Blocker, text, mend)
		return false
	}
	if err != nil {
		c.found.add(checkAdmin, Blocker, fmt.Sprintf("login of %s: %v", t.Admin, err), "run bmsync check again")
		return false
	}
	p.admin = session.WithRenew(t.AdminSecret)
	if p.id, err = p.admin.Identity(ctx); err != nil {
		text, mend := fmt.Sprintf("the installation could not be identified: %v", err), "run bmsync check again"
		if errors.Is(err, bmapi.ErrPermission) {
			text, mend = noAdministrator(t), "write admin: admin0@global.virt under target "+t.Name+" in bmsync.yaml"
		}
		c.found.add(checkAdmin, Blocker, text, mend)
		p.close(ctx)
		return false
	}
	if c.roles(); c.found.blocks(checkAdmin) {
		p.close(ctx)
		return false
	}
	c.maker = &objects.Maker{Admin: p.admin, Version: p.version, Dry: true, Update: c.Policy.Users.Update, Log: c.Logger}
	c.settings(ctx)
	return true
}

// adminRole lets somebody provision everything; admin0 has it.
const adminRole = "systemManagement"

// roles tells of an administrator who may not do all that a migration asks:
// each domain, user, group and key.
func (c *checkup) roles() {
	who, t := c.platform.admin.Who(), c.Target
	if !slices.Contains(who.Roles, adminRole) {
		c.found.add(checkAdmin, Blocker, fmt.Sprintf("%s may log in, and has not the role %s (it has: %s)", t.Admin, adminRole, cmp.Or(few(who.Roles, 5), "none")),
			"write admin: admin0@global.virt under target "+t.Name+" in bmsync.yaml")
		return
	}
	c.found.add(checkAdmin, Ok, t.Admin+" may log in, and provision", "")
}

// settings asks for what the installation as a whole says.
func (c *checkup) settings(ctx context.Context) {
	switch half, err := c.platform.admin.NeedsUpgrade(ctx); {
	case err != nil:
		c.found.add(checkUpgrade, Skipped, "BlueMind doesn't tell: "+err.Error(), "")
	case half:
		c.found.add(checkUpgrade, Blocker, "the upgrade of BlueMind isn't finished", "finish it in BlueMind's setup wizard before migrating")
	default:
		c.found.add(checkUpgrade, Ok, "none is left half done", "")
	}
	conf, err := c.platform.admin.Configuration(ctx)
	if err == nil { // each mailbox says it, too
		c.limit = conf.MessageSizeLimit()
	}
	if c.platform.version.Major == 4 {
		c.processes(conf)
	}
	c.subscription(ctx)
}

// openState opens what earlier runs have noted of this target, if there is
// any, and makes sure that it is of this installation.
func (c *checkup) openState(ctx context.Context) {
	if c.StateDir == "" {
		return
	}
	path := StatePath(c.StateDir, c.Target.Name)
	store, err := state.OpenReadOnly(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		c.found.add(checkState, Ok, "nothing was run on this target yet", "")
		return
	}
	var id state.Identity
	if err == nil {
		if id, err = store.Identity(ctx); err != nil {
			store.Close() // the error that counts is told
		}
	}
	switch {
	case err != nil:
		c.found.add(checkState, Blocker, err.Error(), "put back the state file of earlier runs, or take this one away")
		return
	case id.Target != c.Target.Name || id.Installation != c.platform.id || id.Version != c.platform.version.Major || id.Rehearsal != c.Target.Rehearsal:
		c.found.add(checkState, Blocker, path+" belongs to another target: another installation, version, or kind (rehearsal or not)",
			"give the target another name in bmsync.yaml, or correct its url")
		store.Close() // nothing in it is of use here
		return
	}
	c.found.add(checkState, Ok, path, "")
	c.store = store
}

// greeting makes sure that the IMAP server is there. It logs in nowhere.
func (c *checkup) greeting(ctx context.Context) {
	err := greet(ctx, c.Target.IMAP)
	addr := c.Target.IMAP.Addr
	switch {
	case ctx.Err() != nil:
	case untrusted(err):
		c.found.add(checkCertificate, Blocker, fmt.Sprintf("%s shows a certificate that isn't trusted: %v", addr, reason(err)), certificateMend(addr))
	case err != nil:
		c.found.add(checkRunning, Blocker, fmt.Sprintf("IMAP at %s: %v", addr, err), "see whether imap and tls of target "+c.Target.Name+" are right, and whether BlueMind is up")
	default:
		c.found.add(checkRunning, Ok, "IMAP at "+addr+" greets", "")
	}
	if host, _, splitErr := net.SplitHostPort(addr); splitErr == nil && slices.Contains(c.Target.Insecure, host) {
		c.unchecked(host)
	}
}

func (c *checkup) unchecked(host string) {
	c.found.add(checkCertificate, Warning, "the certificate of "+host+" isn't checked (insecure_skip_verify)", "name its authority as ca_file instead")
}

// greetingSize bounds the line that a server begins with.
const greetingSize = 1 << 10

// certified refuses a target whose IMAP server shows a certificate that isn't
// trusted, before anything is made there. Any other trouble is the accounts',
// who try again.
func (p *platform) certified(ctx context.Context) error {
	if err := greet(ctx, p.target.IMAP); untrusted(err) {
		return fmt.Errorf("target %s: IMAP at %s: %w", p.target.Name, p.target.IMAP.Addr, err)
	}
	return nil
}

// greet connects as far as the server's first line (RFC 3501 §7.1), and through
// STARTTLS where that is what secures the connection.
func greet(ctx context.Context, s imap.Server) error {
	ctx, cancel := context.WithTimeout(ctx, cleanUpTime)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if s.Security == imap.ImplicitTLS {
		conn = tls.Client(conn, clientTLS(s))
	}
	line, err := firstLine(ctx, conn)
	if err != nil {
		return fmt.Errorf("no greeting: %w", err)
	}
	if !strings.HasPrefix(strings.ToUpper(line), "* OK") {
		return fmt.Errorf("not the greeting of an IMAP server that is ready: %s", quoteShort(line))
	}
	if s.Security != imap.StartTLS {
		return nil
	}
	if _, err := conn.Write([]byte("a STARTTLS\r\n")); err != nil { // RFC 3501 §6.2.1
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if line, err = firstLine(ctx, conn); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}
	if !strings.HasPrefix(strings.ToUpper(line), "A OK") {
		return fmt.Errorf("STARTTLS refused: %s", quoteShort(line))
	}
	return tls.Client(conn, clientTLS(s)).HandshakeContext(ctx)
}

// firstLine reads to the end of a line, which is short and the last that the
// server sends for now.
func firstLine(ctx context.Context, conn net.Conn) (string, error) {
	var line []byte
	for chunk := make([]byte, 256); !strings.Contains(string(line), "\n") && len(line) < greetingSize; {
		n, err := conn.Read(chunk)
		line = append(line, chunk[:n]...)
		if err != nil && n == 0 {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return "", err
		}
	}
	return strings.TrimSpace(string(line)), nil
}

// clientTLS is a server's settings, with the name that its certificate must
// have.
func clientTLS(s imap.Server) *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		conf = s.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(s.Addr) // a bad address was not dialled
	}
	return conf
}

// untrusted says whether a server's certificate was the trouble.
func untrusted(err error) bool { return reason(err) != nil }

// reason finds what is wrong with a certificate, nil if nothing is.
func reason(err error) error {
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return e
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return e
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return e
	}
	return nil
}

func certificateMend(where string) string {
	return "name the authority that signed it as ca_file in bmsync.yaml, or put the right certificate on " + where
}
