package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bmsync/migrate"

	"go.yaml.in/yaml/v3"
)

// read understands the file, block by block.
func (c *Config) read(r *reader, root *yaml.Node) {
	m := r.mapping("", root)
	if len(m.keys) == 0 {
		if len(r.problems) == 0 {
			r.add("", "is empty", "bmsync init writes one with comments")
		}
		return
	}
	var version int
	if !m.has("version") {
		m.get("version")
		m.add("version", "is missing", "write version: 1 on the first line")
	} else if convert(m, "version", &version, parseNumber) && version != configVersion {
		m.add("version", fmt.Sprintf("is %d, and this release reads version %d", version, configVersion), "")
	}
	c.flatten(m)
	c.readSources(m)
	c.readTargets(m)
	for _, item := range m.items("domains") {
		c.Domains = append(c.Domains, readDomain(item))
	}
	c.readPolicy(m.sub("policy"))
	for _, item := range m.items("exceptions") {
		c.Exceptions = append(c.Exceptions, readException(item))
	}
	log := m.sub("log")
	c.flatten(log)
	log.done()
	m.done()
}

func (c *Config) readSources(m *mapping) {
	sources := m.sub("sources")
	for _, name := range sources.keys {
		s := Source{Name: name, Auth: authLogin, LoginTemplate: loginPlaceholder}
		b := sources.sub(name)
		b.readConnection(c, &s.Connection, "")
		convert(b, "auth", &s.Auth, words(authLogin, authPlainAuthz))
		b.text("admin_login", &s.AdminLogin)
		s.Secret = b.secret()
		s.Secret.File = c.path(s.Secret.File)
		b.text("login_template", &s.LoginTemplate)
		b.done()
		c.Sources = append(c.Sources, s)
	}
}

func (c *Config) readTargets(m *mapping) {
	targets := m.sub("targets")
	for _, name := range targets.keys {
		t := Target{Name: name, Admin: "admin0@global.virt"}
		b := targets.sub(name)
		host := ""
		if b.text("url", &t.URL) {
			var err error
			if t.URL, host, err = parseURL(t.URL); err != nil {
				b.r.fault(join(b.path, "url"), err)
			}
		} else {
			b.add("url", "is missing", "write the address of BlueMind, as in https://mail.example.org")
		}
		b.readConnection(c, &t.Connection, host)
		b.text("admin", &t.Admin)
		t.Secret = b.secret()
		t.Secret.File = c.path(t.Secret.File)
		convert(b, "rehearsal", &t.Rehearsal, parseBool)
		convert(b, "version", &t.Version, words("4", "5"))
		t.DomainMap = b.readDomainMap()
		b.done()
		c.Targets = append(c.Targets, t)
	}
}

// readConnection reads what sources and targets share. A target's host is
// where IMAP is unless said otherwise.
func (m *mapping) readConnection(c *Config, into *Connection, host string) {
	into.TLS, into.Connections, into.IdleTimeout = tlsImplicit, 10, 2*time.Minute
	convert(m, "tls", &into.TLS, words(tlsImplicit, tlsStartTLS, tlsNone))
	port := 993
	if into.TLS != tlsImplicit {
		port = 143
	}
	var written string
	if m.text("imap", &written) {
		h, p, err := splitHostPort(written, port)
		if err != nil {
			m.r.fault(join(m.path, "imap"), err)
		} else {
			into.Addr, host = net.JoinHostPort(h, p), h
			if p == "143" && into.TLS == tlsImplicit || p == "993" && into.TLS == tlsStartTLS {
				m.add("imap", fmt.Sprintf("port %s and tls: %s don't go together", p, into.TLS), "port 993 is tls: implicit, port 143 is tls: starttls")
			}
		}
	} else if host != "" {
		into.Addr = net.JoinHostPort(host, strconv.Itoa(port))
	} else if !slices.Contains(m.known, "url") {
		m.add("imap", "is missing", "write the server's host, as in mail.old.example:993")
	}
	plaintext := false
	convert(m, "allow_plaintext", &plaintext, parseBool)
	if into.TLS == tlsNone && host != "" && !loopback(host) && !plaintext {
		m.add("tls", "none would send passwords and mail in clear text over the network", "use implicit or starttls; if there is no other way, add allow_plaintext: true")
	}
	m.text("ca_file", &into.CAFile)
	into.CAFile = c.path(into.CAFile)
	if text := readCAFile(m.r, join(m.path, "ca_file"), into.CAFile); text != nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		m.add("ca_file", "holds no certificate", "give a PEM file, with -----BEGIN CERTIFICATE-----")
	}
	into.InsecureSkipVerify = m.list("insecure_skip_verify")
	if into.TLS == tlsNone && !slices.Contains(m.known, "url") && (into.CAFile != "" || len(into.InsecureSkipVerify) > 0) {
		m.add("tls", "none shows no certificate that ca_file or insecure_skip_verify could be about", "use implicit or starttls, or take that key out")
	}
	convert(m, "connections", &into.Connections, parseNumber)
	if into.Connections < 1 || into.Connections > 1000 {
		m.add("connections", "must be between 1 and 1000", "")
	}
	convert(m, "idle_timeout", &into.IdleTimeout, parseDuration)
	if into.IdleTimeout < 10*time.Second || into.IdleTimeout > time.Hour {
		m.add("idle_timeout", "must be between 10s and 1h", "a server may be busy for a minute without a word")
	}
}

func (m *mapping) readDomainMap() map[string]string {
	pairs := m.pairs("domain_map")
	if len(pairs) == 0 {
		return nil
	}
	out := make(map[string]string, len(pairs))
	sub := m.r.mapping(join(m.path, "domain_map"), m.values["domain_map"])
	seen := map[string]string{}
	for _, from := range sub.keys {
		to, ok := pairs[from]
		if !ok {
			continue
		}
		key, err := migrate.ParseDomain(from)
		if err == nil {
			to, err = migrate.ParseDomain(to)
		}
		if err != nil {
			sub.r.fault(join(sub.path, from), err)
			continue
		}
		if other, taken := seen[to]; taken {
			sub.add(from, fmt.Sprintf("goes to %s like %s, and two mailboxes could meet there", to, other), "map each domain to one of its own")
		}
		seen[to] = from
		out[key] = to
	}
	return out
}

func readDomain(m *mapping) Domain {
	var d Domain
	if !convert(m, "name", &d.Name, migrate.ParseDomain) && !m.has("name") {
		m.add("name", "is missing", "write the domain, as in example.org")
	}
	for i, alias := range m.list("aliases") {
		parsed, err := migrate.ParseDomain(alias)
		if err != nil {
			m.r.fault(join(join(m.path, "aliases"), strconv.Itoa(i)), err)
			continue
		}
		d.Aliases = append(d.Aliases, parsed)
	}
	if convert(m, "default_alias", &d.DefaultAlias, migrate.ParseDomain) && d.DefaultAlias != d.Name && !slices.Contains(d.Aliases, d.DefaultAlias) {
		m.add("default_alias", "is neither the domain's name nor one of its aliases", "add it to aliases")
	}
	convert(m, "create", &d.Create, parseBool)
	for _, q := range []struct {
		key  string
		into *migrate.Quota
	}{{"user_quota", &d.UserQuota}, {"user_quota_max", &d.UserQuotaMax}, {"share_quota", &d.ShareQuota}, {"share_quota_max", &d.ShareQuotaMax}} {
		convert(m, q.key, q.into, migrate.ParseQuota)
	}
	convert(m, "language", &d.Language, words("de", "en", "es", "fr", "hu", "it", "pl", "sl", "zh"))
	m.text("mail_server", &d.MailServer)
	m.done()
	return d
}

func (c *Config) readPolicy(m *mapping) {
	c.flatten(m)
	folders := m.sub("folders")
	c.flatten(folders)
	readFolderNames(folders, &c.Policy.Folders)
	folders.done()
	users := m.sub("users")
	c.flatten(users)
	c.Policy.Users.Groups = users.list("groups")
	users.done()
	shares := m.sub("shares")
	c.flatten(shares)
	c.Policy.Shares.Writers = shares.list("writers")
	shares.done()
	for _, r := range m.list("repairs") {
		c.Policy.Repairs = append(c.Policy.Repairs, migrate.Repair(r))
	}
	flags := m.sub("flags")
	c.flatten(flags)
	c.Policy.Flags.Map = flags.pairs("map")
	flags.done()
	for _, name := range []string{"messages", "presync", "limits"} {
		sub := m.sub(name)
		c.flatten(sub)
		sub.done()
	}
	m.done()
}

// readFolderNames reads what policy and exceptions say of folders by name.
func readFolderNames(m *mapping, into *migrate.FolderPolicy) {
	into.Map = m.pairs("map")
	into.Exclude = m.list("exclude")
	into.Include = m.list("include")
	into.SplitByYear = m.list("split_by_year")
	for _, item := range m.items("rules") {
		var rule migrate.FolderRule
		item.text("match", &rule.Match)
		item.text("to", &rule.To)
		convert(item, "exclude", &rule.Exclude, parseBool)
		item.done()
		into.Rules = append(into.Rules, rule)
	}
}

func readException(m *mapping) migrate.Exception {
	var e migrate.Exception
	if m.text("address", &e.Address) {
		e.Address = strings.ToLower(e.Address)
	}
	m.text("reason", &e.Reason)
	convert(m, "skip", &e.Skip, parseBool)
	folders := m.sub("folders")
	readFolderNames(folders, &e.Folders)
	convert(folders, "junk", &e.Folders.Junk, named(migrate.Exclude, migrate.Copy))
	convert(folders, "trash", &e.Folders.Trash, named(migrate.Copy, migrate.Exclude))
	convert(folders, "subscribed_only", &e.Folders.SubscribedOnly, optionalBool)
	folders.text("into", &e.Folders.Into)
	folders.done()
	messages := m.sub("messages")
	convert(messages, "deleted", &e.Messages.Deleted, named(migrate.Exclude, migrate.Copy))
	convert(messages, "absurd_dates", &e.Messages.AbsurdDates, named(migrate.KeepDates, migrate.HeaderDates))
	messages.done()
	m.done()
	return e
}

// splitHostPort reads host, host:port, or [address]:port.
func splitHostPort(s string, port int) (host, p string, err error) {
	wrong := migrate.Problem{Text: "isn't a server's host", Mend: "write host or host:port, as in mail.old.example:993"}
	if strings.ContainsAny(s, "@/ ") || s == "" {
		return "", "", wrong // not quoted: it may hold a password
	}
	host, p = s, strconv.Itoa(port)
	if bare := strings.Trim(s, "[]"); net.ParseIP(bare) != nil {
		return bare, p, nil
	}
	if strings.Contains(s, ":") {
		if host, p, err = net.SplitHostPort(s); err != nil {
			return "", "", wrong
		}
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return "", "", migrate.Problem{Text: quoted(p) + " is not a port", Mend: "write a number from 1 to 65535"}
	}
	if net.ParseIP(host) == nil && !hostName(host) {
		return "", "", wrong
	}
	return strings.ToLower(host), p, nil
}

func hostName(s string) bool {
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		}) {
			return false
		}
	}
	return len(s) <= 253
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// parseURL checks the address of a BlueMind and returns it in one form, and
// its host. It never quotes it: an address can hold a password.
func parseURL(s string) (normal, host string, err error) {
	const mend = "write scheme and host alone, as in https://mail.example.org"
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.Opaque != "":
		return "", "", migrate.Problem{Text: "isn't the address of a server", Mend: mend}
	case u.User != nil:
		return "", "", migrate.Problem{Text: "holds a login, and that is kept elsewhere", Mend: "use admin and secret_file"}
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return "", "", migrate.Problem{Text: "isn't https, and keys would travel in clear text", Mend: mend}
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", "", migrate.Problem{Text: "has more than scheme and host", Mend: mend}
	}
	if host, _, err = splitHostPort(strings.TrimSuffix(u.Host, ":"), 443); err != nil {
		return "", "", err
	}
	normal = u.Scheme + "://" + strings.ToLower(u.Host)
	if u.Scheme == "https" {
		normal = strings.TrimSuffix(normal, ":443")
	}
	return normal, host, nil
}
