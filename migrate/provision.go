package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bmsync/bmapi"
)

// entry is what the API has shown of an account's place on the target.
type entry struct {
	Domain  *bmapi.Domain
	UID     string
	Login   string
	Address string // any address of the user: what IMAP is entered with
	Created bool
	Would   string // dry run: what would be done, "" for nothing
	Version int
	Limit   int64 // largest message, octets; 0: not known
	Quota   int64 // KiB; 0: none

	Share  bool   // a shared mailbox: nobody logs in as it
	Writer *entry // of a share: the user whose key fills it, with Write on it; nil in a dry run that would create him
	Label  string // of a share: what address books show
}

// provisioner makes sure of objects before mail: domain, entry, mailbox,
// routing, default folders. It looks, compares, and creates only what lacks.
// It is safe for concurrent use; a domain is made by one account only.
type provisioner struct {
	p       *platform
	plan    *Plan
	domains sync.Map // name → *domainOnce
	sleep   func(context.Context, time.Duration) error
}

type domainOnce struct {
	once   sync.Once
	domain *bmapi.Domain
	err    error
}

// domain finds the domain of an address, or makes it where the plan says so. A
// domain that the plan knows by several names is one.
func (v *provisioner) domain(ctx context.Context, name string, dry bool) (*bmapi.Domain, error) {
	name = v.planned(name).Name
	slot, _ := v.domains.LoadOrStore(name, &domainOnce{})
	d := slot.(*domainOnce)
	d.once.Do(func() { d.domain, d.err = v.findDomain(ctx, name, dry) })
	if d.err != nil && judge(d.err).scope != accountHalt {
		v.domains.CompareAndDelete(name, slot) // to be asked again
	}
	return d.domain, d.err
}

func (v *provisioner) findDomain(ctx context.Context, name string, dry bool) (*bmapi.Domain, error) {
	want := v.planned(name)
	target := v.p.target.domain(name)
	found, err := v.p.admin.LookupDomain(ctx, target)
	if err == nil {
		err = refuseAdministrators("@" + found.UID)
	}
	switch {
	case err == nil && want.Create && !dry:
		return found, v.p.admin.AssignServers(ctx, found.UID, "") // mends an interrupted creation
	case err == nil:
		return found, nil
	case !errors.Is(err, bmapi.ErrNotFound):
		return nil, fmt.Errorf("look for domain %s: %w", target, err)
	case !want.Create:
		return nil, blocked(fmt.Sprintf("create the domain in BlueMind, or allow it in bmsync.yaml: domains: [{name: %s, create: true}]", name),
			"domain %s is unknown to target %s", target, v.p.target.Name)
	case dry:
		return nil, nil
	}
	made := bmapi.NewDomain{UID: target, DefaultAlias: target, Description: "made by bmsync"}
	for _, alias := range want.Aliases {
		made.Aliases = append(made.Aliases, v.p.target.domain(alias))
	}
	if want.DefaultAlias != "" {
		made.DefaultAlias = v.p.target.domain(want.DefaultAlias)
	}
	return v.p.admin.CreateDomain(ctx, made)
}

// planned finds what the plan says of a domain, by its name or an alias.
func (v *provisioner) planned(name string) PlanDomain {
	for _, d := range v.plan.Domains {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			return d
		}
	}
	return PlanDomain{Name: name}
}

// ensure looks for an account's mailbox, and makes it where the policy says
// so. With dry it only says what it would do, and writes nothing.
func (v *provisioner) ensure(ctx context.Context, a *PlanAccount, dry bool) (*entry, error) {
	address := v.p.target.Address(a.Address)
	local, _, _ := strings.Cut(address, "@")
	_, planDomain, _ := strings.Cut(a.Address, "@")
	if err := refuseAdministrators(a.Address, address); err != nil {
		return nil, err
	}
	d, err := v.domain(ctx, planDomain, dry)
	if err != nil {
		return nil, err
	}
	e := &entry{Domain: d, Address: address, Login: local, Version: v.p.version.Major}
	if d == nil {
		e.Would = "create domain " + v.p.target.domain(planDomain) + ", create user " + address
		return e, nil
	}
	box, err := v.p.admin.MailboxByEmail(ctx, d.UID, address)
	if errors.Is(err, bmapi.ErrNotFound) {
		if err := v.free(ctx, d, address, local); err != nil {
			return nil, err
		}
		if !v.plan.Header.Policy.Users.Create {
			return nil, blocked("create the user in BlueMind, or set policy.users.create: true", "%s has no mailbox in BlueMind", address)
		}
		if dry {
			e.Would = "create user " + address
			return e, nil
		}
		e.Created = true
		if err := v.create(ctx, d, a, address, local); err != nil {
			return nil, fmt.Errorf("create user %s: %w", address, err)
		}
		box, err = v.p.admin.MailboxByEmail(ctx, d.UID, address)
	}
	if err != nil {
		return nil, fmt.Errorf("look for the mailbox of %s: %w", address, err)
	}
	if err := refuseAdministrators(box.Name, box.Name+"@"+d.UID); err != nil {
		return nil, err
	}
	if err := usable(box, address); err != nil {
		return nil, err
	}
	e.UID, e.Login = box.UID, box.Name
	if !dry {
		if err := v.folders(ctx, e); err != nil {
			return nil, err
		}
	}
	return e, v.limits(ctx, e)
}

// usable says why a mailbox can't be filled as its user.
func usable(box *bmapi.Mailbox, address string) error {
	switch {
	case box.Type != "user":
		return blocked("only users' mailboxes are filled in this release; correct the address", "%s belongs to a %s in BlueMind", address, box.Type)
	case box.Archived:
		return blocked("reactivate the user in BlueMind", "%s is suspended", address)
	case box.Routing != bmapi.RoutingInternal:
		return blocked("set the mail routing of the user to internal", "%s: routing %s: its mail is not stored in BlueMind", address, box.Routing)
	}
	return nil
}

// free makes sure that nobody else has the address or the login.
func (v *provisioner) free(ctx context.Context, d *bmapi.Domain, address, login string) error {
	other, err := v.p.admin.EntryByEmail(ctx, d.UID, address)
	if err == nil {
		return blocked("give the entry another address, or the row", "%s is the address of a %s in BlueMind", address, strings.ToLower(string(other.Kind)))
	}
	if !errors.Is(err, bmapi.ErrNotFound) {
		return fmt.Errorf("look for %s in the directory: %w", address, err)
	}
	box, err := v.p.admin.MailboxByName(ctx, d.UID, login)
	if err == nil {
		return blocked("add the address to the user in BlueMind, or correct the row", "%q is the name of another mailbox in BlueMind, which has not the address %s (its own is %s)", login, address, box.DefaultEmail())
	}
	if !errors.Is(err, bmapi.ErrNotFound) {
		return fmt.Errorf("look for mailbox %s: %w", login, err)
	}
	return nil
}

func (v *provisioner) create(ctx context.Context, d *bmapi.Domain, a *PlanAccount, address, login string) error {
	u := &bmapi.User{Login: login, Routing: bmapi.RoutingInternal, GivenNames: a.FirstName, FamilyNames: a.LastName, DisplayName: a.DisplayName,
		Emails: []bmapi.Email{{Address: address, IsDefault: true}}}
	for _, alias := range a.Aliases {
		u.Emails = append(u.Emails, bmapi.Email{Address: v.p.target.Address(alias)})
	}
	if u.FamilyNames == "" {
		u.FamilyNames = cmp.Or(a.DisplayName, login)
		u.GivenNames = ""
	}
	if v.plan.Header.Policy.Users.Password == GeneratedPassword {
		u.Password = bmapi.GeneratePassword() // known to nobody
	}
	if a.QuotaKiB > 0 {
		u.Quota = &a.QuotaKiB
	}
	uid := bmapi.UserUID(d.UID, address)
	err := v.p.admin.CreateUser(ctx, d.UID, uid, u)
	if errors.Is(err, bmapi.ErrAlreadyExists) {
		// A try of ours whose answer was lost, now or in an earlier run: the
		// uid tells.
		if _, lookErr := v.p.admin.User(ctx, d.UID, uid); lookErr == nil {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return v.p.admin.AddToGroup(ctx, d.UID, bmapi.UsersGroup, uid)
}

// folders waits for the default folders, which BlueMind makes with the user;
// a hook that failed is swallowed there, so they are asked for, and repaired
// once if they don't come.
func (v *provisioner) folders(ctx context.Context, e *entry) error {
	for try := range 12 {
		list, err := v.p.admin.Folders(ctx, e.Domain.UID, e.UID, true)
		if err == nil && hasDefaults(list) {
			return nil
		}
		if err != nil && !errors.Is(err, bmapi.ErrNotFound) && bmapi.CodeOf(err) != "UNKNOWN" {
			return fmt.Errorf("folders of %s: %w", e.Address, err)
		}
		if try == 4 {
			if _, err := v.p.admin.Repair(ctx, e.Domain.UID, e.UID, []string{"mailboxAclsContainer", "replication.subtree", "mailboxDefaultFolders"}, false); err != nil {
				v.p.log.Warn("repair of default folders", "account", e.Address, "error", err)
			}
		}
		if err := v.sleep(ctx, time.Duration(try+1)*100*time.Millisecond); err != nil {
			return err
		}
	}
	return blocked("bm-cli maintenance repair --ops mailboxDefaultFolders "+e.Address, "the mailbox of %s has no default folders", e.Address)
}

func hasDefaults(list []bmapi.MailFolder) bool {
	have := map[string]bool{}
	for _, f := range list {
		have[f.FullName] = !f.Deleted
	}
	return have["INBOX"] && have["Sent"] && have["Trash"] && have["Drafts"] && have["Junk"]
}

// defaultMessageLimit is BlueMind's where none was configured (bluemind/imap.md §1.6).
const defaultMessageLimit = 20_000_000

func (v *provisioner) limits(ctx context.Context, e *entry) error {
	c, err := v.p.admin.MailboxConfig(ctx, e.Domain.UID, e.UID)
	if err != nil {
		return fmt.Errorf("limits of %s: %w", e.Address, err)
	}
	e.Limit = c.MessageMaxSize
	if e.Limit == 0 {
		e.Limit = defaultMessageLimit
	}
	if c.Quota != nil {
		e.Quota = *c.Quota
	}
	return nil
}
