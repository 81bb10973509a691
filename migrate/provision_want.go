package migrate

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bmsync/bmapi"
	"bmsync/migrate/objects"
	"bmsync/state"
)

// wanted says, from the plan's decisions, what a target must hold: under the
// target's names, where domain_map gives others.
type wanted struct {
	target   Target
	plan     *Plan
	password func(ctx context.Context, address string) (string, error) // of users whose row refers to one
}

// planned finds what the plan says of a domain, by its name or an alias.
func (w wanted) planned(name string) PlanDomain {
	for _, d := range w.plan.Domains {
		if d.Name == name || slices.Contains(d.Aliases, name) {
			return d
		}
	}
	return PlanDomain{Name: name}
}

func (w wanted) domain(d PlanDomain) objects.Domain {
	out := objects.Domain{Name: w.target.domain(d.Name), UserQuota: d.UserQuotaKiB, UserQuotaMax: d.UserQuotaMaxKiB,
		ShareQuota: d.ShareQuotaKiB, ShareQuotaMax: d.ShareQuotaMaxKiB, Language: d.Language, MailServer: d.MailServer, Create: d.Create}
	for _, alias := range d.Aliases {
		if alias = w.target.domain(alias); alias != out.Name && !slices.Contains(out.Aliases, alias) {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	if d.DefaultAlias != "" {
		out.DefaultAlias = w.target.domain(d.DefaultAlias)
	}
	return out
}

// user is what an account of kind user needs. d is its domain; nil where a dry
// run finds none.
func (w wanted) user(d *bmapi.Domain, a *PlanAccount) objects.User {
	policy := w.plan.Header.Policy.Users
	address := w.target.Address(a.Address)
	return objects.User{Address: address, Login: a.Login, Aliases: w.addresses(a.Aliases, address), AllAliases: policy.AllAliases && w.severalNames(d, a.Address),
		FirstName: a.FirstName, LastName: a.LastName, DisplayName: a.DisplayName, Quota: quotaOf(a), DataLocation: a.DataLocation,
		AccountType: a.AccountType, Groups: a.Groups, Password: w.newPassword(a), Create: policy.Create}
}

// share is what an account of kind share needs.
func (w wanted) share(d *bmapi.Domain, a *PlanAccount) objects.Share {
	policy := w.plan.Header.Policy
	address := w.target.Address(a.Address)
	return objects.Share{Address: address, Name: a.Login, Label: a.Label, Aliases: w.addresses(a.Aliases, address),
		AllAliases: policy.Users.AllAliases && w.severalNames(d, a.Address), Quota: quotaOf(a), DataLocation: a.DataLocation, Create: policy.Shares.Create}
}

// technical is a user who is nobody, and by whose key shares are filled.
func (w wanted) technical(address string) objects.User {
	address = w.target.Address(address)
	local, _, _ := strings.Cut(address, "@")
	return objects.User{Address: address, LastName: local, DisplayName: "bmsync " + local, Hidden: true, Create: w.plan.Header.Policy.Shares.Create}
}

// group is a group without its members, which may not be there yet.
func (w wanted) group(g PlanGroup) objects.Group {
	out := objects.Group{Name: g.Name, Domain: w.target.domain(g.Domain), Description: g.Description, Hidden: g.Hidden, Create: g.Create}
	if g.Address != "" {
		out.Address = w.target.Address(g.Address)
	}
	return out
}

// ref is somebody under the target's names.
func (w wanted) ref(r PlanRef) objects.Ref {
	if r.Kind == RefGroup {
		return objects.Ref{Kind: objects.RefGroup, Name: r.Name}
	}
	return objects.Ref{Kind: r.Kind, Name: w.target.Address(r.Name)}
}

// addresses are those on the target, but for the default one.
func (w wanted) addresses(plan []string, but string) []string {
	var out []string
	for _, address := range plan {
		if address = w.target.Address(address); address != but && !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	return out
}

// severalNames says whether mail for a domain comes under more than one name,
// BlueMind's internal one left out: only then does it matter that an address
// is valid under all of them.
func (w wanted) severalNames(d *bmapi.Domain, address string) bool {
	_, name, _ := strings.Cut(address, "@")
	names := map[string]bool{}
	if d == nil {
		planned := w.planned(name)
		for _, n := range append(slices.Clone(planned.Aliases), planned.Name) {
			names[w.target.domain(n)] = true
		}
		return len(names) > 1
	}
	for _, n := range append(slices.Clone(d.Aliases), d.Name) {
		if !strings.HasSuffix(n, ".internal") {
			names[strings.ToLower(n)] = true
		}
	}
	return len(names) > 1
}

// quotaOf is nil where nothing is stated: BlueMind's default holds.
func quotaOf(a *PlanAccount) *int64 {
	if !a.QuotaStated && a.QuotaKiB == 0 {
		return nil
	}
	quota := a.QuotaKiB
	return &quota
}

// errNoPassword is a row's reference that nobody can follow here.
var errNoPassword = errors.New("nothing says where the first password is kept")

// newPassword gives what a new user's password comes from; nil for none.
func (w wanted) newPassword(a *PlanAccount) func(context.Context) (string, error) {
	kind := a.Password
	if kind == "" {
		kind = w.plan.Header.Policy.Users.Password
	}
	switch kind {
	case GeneratedPassword:
		return func(context.Context) (string, error) { return bmapi.GeneratePassword(), nil } // known to nobody
	case GivenPassword:
		return func(ctx context.Context) (string, error) {
			if w.password == nil {
				return "", &PasswordError{a.Address, errNoPassword}
			}
			secret, err := w.password(ctx, a.Address)
			if err != nil {
				return "", &PasswordError{a.Address, err}
			}
			return secret, nil
		}
	}
	return nil
}

// PasswordError says that the first password of a user could not be had.
type PasswordError struct {
	Address string // in the plan
	Err     error
}

func (e *PasswordError) Error() string {
	return "first password of " + e.Address + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *PasswordError) Unwrap() error { return e.Err }

// account is the key of an account's row in the state.
func (w wanted) account(a *PlanAccount) state.Account {
	return state.Account{Source: a.Source, SourceLogin: a.SourceLogin, SourceFolder: a.SourceFolder, Address: w.target.Address(a.Address), Kind: a.Kind}
}
