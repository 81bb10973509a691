package main

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"bmsync/migrate"
)

// check looks for what is sound by itself and contradicts something else.
func (c *Config) check(r *reader) {
	if len(c.Sources) == 0 {
		r.add("sources", "no source is given", "name at least one server that mail comes from")
	}
	if len(c.Targets) == 0 {
		r.add("targets", "no target is given", "name at least one BlueMind that mail goes to")
	}
	checkNames(r, "sources", c.Sources, func(s Source) string { return s.Name })
	checkNames(r, "targets", c.Targets, func(t Target) string { return t.Name })
	for _, s := range c.Sources {
		c.checkSource(r, s)
	}
	c.checkTargets(r)
	checkDomains(r, c.Domains)
	for _, problems := range []struct {
		path string
		list []migrate.Problem
	}{{"policy", c.Policy.Problems()}, {"policy::limits", c.Limits.Problems()}} {
		for _, p := range problems.list {
			r.fault(join(problems.path, p.Field), p)
		}
	}
	c.checkExceptions(r)
	c.checkSecretFiles(r)
}

// name becomes a file name, on systems where case doesn't count too.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func checkNames[T any](r *reader, path string, list []T, nameOf func(T) string) {
	seen := map[string]string{}
	for _, item := range list {
		n := nameOf(item)
		if !name.MatchString(n) {
			r.add(join(path, n), "isn't a name that can be used", "use letters, digits and . _ -, at most 63")
		}
		if other, taken := seen[strings.ToLower(n)]; taken {
			r.add(join(path, n), fmt.Sprintf("differs from %s by case alone", quoted(other)), "give one of them another name")
		}
		seen[strings.ToLower(n)] = n
	}
}

func checkSkipVerify(r *reader, path string, hosts []string, used ...string) {
	for i, host := range hosts {
		if !slices.Contains(used, strings.ToLower(host)) {
			r.add(fmt.Sprintf("%s::insecure_skip_verify::%d", path, i), fmt.Sprintf("%s isn't a host of this block", quoted(host)), "name the host as in "+migrate.Alternatives(used))
		}
	}
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

func (c *Config) checkSource(r *reader, s Source) {
	path := join("sources", s.Name)
	checkSkipVerify(r, path, s.InsecureSkipVerify, s.Host())
	const never = "BlueMind's administrator never logs in over IMAP"
	switch s.Auth {
	case authPlainAuthz:
		if s.AdminLogin == "" {
			r.add(join(path, "admin_login"), "is missing, and auth: plain-authzid needs it", "write the login that may act as every user")
		}
		if !s.Secret.Given() {
			r.add(join(path, "secret_file"), "the administrator's secret is missing", "add secret_file, secret_env or secret_command")
		}
		if s.LoginTemplate != loginPlaceholder {
			r.add(join(path, "login_template"), "is for auth: login", "remove it: plain-authzid sends the row's login as it is")
		}
	case authLogin:
		if s.AdminLogin != "" {
			r.add(join(path, "admin_login"), "is for auth: plain-authzid", `remove it, or write a login_template such as "{login}*master"`)
		}
	}
	if migrate.IsAdministrator(s.AdminLogin) {
		r.add(join(path, "admin_login"), never, "use another account of the source")
	}
	template := join(path, "login_template")
	if !strings.Contains(s.LoginTemplate, loginPlaceholder) {
		r.add(template, "has no "+loginPlaceholder+", so that every row would log in alike", `write for instance "{login}*master"`)
	}
	for _, p := range placeholder.FindAllString(s.LoginTemplate, -1) {
		if p != loginPlaceholder {
			r.add(template, fmt.Sprintf("has %s, and only %s is known", quoted(p), loginPlaceholder), "")
		}
	}
	if slices.ContainsFunc(strings.FieldsFunc(s.LoginTemplate, func(c rune) bool { return strings.ContainsRune("*%+!{}/ ", c) }), migrate.IsAdministrator) {
		r.add(template, never, "use another master user")
	}
}

func (c *Config) checkTargets(r *reader) {
	byURL, rehearsals := map[string]string{}, 0
	for _, t := range c.Targets {
		path := join("targets", t.Name)
		if other, taken := byURL[t.URL]; taken && t.URL != "" {
			r.add(join(path, "url"), fmt.Sprintf("is the address of target %s too", quoted(other)), "one BlueMind is one target: its state is kept by target")
		}
		byURL[t.URL] = t.Name
		_, urlHost, _ := parseURL(t.URL)
		checkSkipVerify(r, path, t.InsecureSkipVerify, t.Host(), urlHost)
		if !t.Secret.Given() {
			r.add(join(path, "secret_file"), "the administrator's secret is missing", "add secret_file, secret_env or secret_command")
		}
		if login, domain, ok := strings.Cut(t.Admin, "@"); !ok || login == "" || domain == "" {
			r.add(join(path, "admin"), "isn't login@domain", "write admin0@global.virt, or an administrator of the domain")
		}
		if v := string(c.Policy.TargetVersion); t.Version != "" && (v == "4" || v == "5") && v != t.Version {
			r.add(join(path, "version"), fmt.Sprintf("is %s, and the policy is for %s alone", t.Version, v), "set policy.target_version to both")
		}
		if t.Rehearsal {
			rehearsals++
		} else if len(t.DomainMap) > 0 {
			r.add(join(path, "domain_map"), "is for rehearsals: production keeps its domains", "remove it, or add rehearsal: true")
		}
	}
	if rehearsals == 0 && len(c.Targets) > 0 {
		w := r.at("targets")
		w.Text, w.Mend = "no target has rehearsal: true", "production is refused without a rehearsal, unless --without-rehearsal gives a reason"
		c.Warnings = append(c.Warnings, w)
	}
}

func checkDomains(r *reader, domains []Domain) {
	seen := map[string]string{}
	claim := func(path, domain, owner string) {
		if other, taken := seen[domain]; taken {
			r.add(path, fmt.Sprintf("%s is a name or an alias of %s already", domain, other), "keep one")
		}
		seen[domain] = owner
	}
	for i, d := range domains {
		path := fmt.Sprintf("domains::%d", i)
		checkQuotas(r, path, "user_quota", d.UserQuota, d.UserQuotaMax)
		checkQuotas(r, path, "share_quota", d.ShareQuota, d.ShareQuotaMax)
		if d.Name != "" {
			claim(join(path, "name"), d.Name, d.Name)
		}
		for _, alias := range d.Aliases {
			claim(join(path, "aliases"), alias, d.Name)
		}
	}
}

// checkQuotas compares what a new mailbox gets with the most it may have. With
// a maximum BlueMind refuses no limit, too.
func checkQuotas(r *reader, path, key string, quota, most migrate.Quota) {
	if most.Bytes > 0 && quota.Stated && (quota.Bytes == 0 || quota.Bytes > most.Bytes) {
		r.add(join(path, key), fmt.Sprintf("%s is more than %s_max, %s", quota, key, most), "lower it, or raise "+key+"_max")
	}
}

func (c *Config) checkExceptions(r *reader) {
	seen := map[string]bool{}
	for i, e := range c.Exceptions {
		path := fmt.Sprintf("exceptions::%d", i)
		spoiled := slices.ContainsFunc(r.problems, func(p migrate.Problem) bool { return strings.HasPrefix(p.Field, shown(path)+".") })
		for _, p := range e.Problems(c.Policy.TargetVersion) {
			switch {
			case p.Field != "":
				r.fault(join(path, p.Field), p)
			case !spoiled: // what changes nothing may be what couldn't be read
				r.fault(path, p)
			}
		}
		if seen[e.Address] && e.Address != "" {
			r.add(join(path, "address"), fmt.Sprintf("%s has an exception already", e.Address), "put both in one")
		}
		seen[e.Address] = true
	}
}

// checkSecretFiles warns of files that others on the machine can read. It
// doesn't require them: a machine that only plans has no target's secret.
func (c *Config) checkSecretFiles(r *reader) {
	look := func(path string, ref SecretRef) {
		if ref.File == "" {
			return
		}
		info, err := os.Stat(ref.File)
		if err != nil || info.Mode()&fs.FileMode(0o004) == 0 {
			return
		}
		w := r.at(join(path, "secret_file"))
		w.Text, w.Mend = "every user of this machine can read it", "chmod 600 "+ref.File
		c.Warnings = append(c.Warnings, w)
	}
	for _, s := range c.Sources {
		look(join("sources", s.Name), s.Secret)
	}
	for _, t := range c.Targets {
		look(join("targets", t.Name), t.Secret)
	}
}
