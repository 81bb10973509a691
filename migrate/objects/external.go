package objects

import (
	"context"
	"fmt"

	"bmsync/bmapi"
)

// externalUser finds the external user of an address that is outside of
// BlueMind, or makes him. One with an address of this installation is not made:
// BlueMind would then refuse every later change of whoever has that address.
func (m *Maker) externalUser(ctx context.Context, r *realm, address string) (memberFound, *refusal, error) {
	if bad := badAddress(address); bad != nil {
		return memberFound{}, bad, nil
	}
	o := Outcome{Kind: KindExternal, Name: address, Domain: r.uid, UID: bmapi.ExternalUID(r.uid, address)}
	defer m.memory.locks.lock("entry " + o.UID)()
	e, err := m.find(ctx, r, Ref{Name: address})
	if err != nil {
		return memberFound{}, nil, err
	}
	made := Made{Kind: KindExternal, DomainUID: r.uid, UID: o.UID, Name: address, Detail: "address=" + address}
	if e != nil {
		if e.Kind != KindExternal {
			return memberFound{}, because("name it without marking it as external", "%s is a %s of BlueMind's own", address, e.Kind), nil
		}
		if e.Existing && e.UID == o.UID {
			err = m.confirm(ctx, made)
		}
		o.UID, o.Action = e.UID, AsWanted
		if _, told := m.memory.told.LoadOrStore(e.UID, true); told {
			return memberFound{Entry: *e}, nil, err // by another group
		}
		return memberFound{Entry: *e, external: &o}, nil, err
	}
	if bad, err := m.notExternal(ctx, address); err != nil || bad != nil {
		return memberFound{}, bad, err
	}
	o.Action = Created
	m.memory.told.Store(o.UID, true)
	fresh := Entry{Domain: r.is(), Kind: KindExternal, UID: o.UID, Name: address, Address: address}
	if m.Dry {
		bad := r.would.take(&fresh, "", []bmapi.Email{{Address: address}})
		return memberFound{Entry: fresh, external: &o}, bad, nil
	}
	x := &bmapi.ExternalUser{Address: address}
	if able, err := m.mailServers(ctx, r); err != nil {
		return memberFound{}, nil, err
	} else if len(able) > 0 {
		x.DataLocation = able[0] // nothing is kept there, but BlueMind wants one
	}
	refused, err := m.create(ctx, made, func() error { return m.Admin.CreateExternalUser(ctx, r.uid, o.UID, x) }, func() (bool, error) {
		_, ok, err := found(m.Admin.ExternalUser(ctx, r.uid, o.UID))
		return ok, err
	})
	if err != nil {
		return memberFound{}, nil, fmt.Errorf("create external user %s: %w", address, err)
	}
	if refused != nil {
		return memberFound{}, said(refused), nil
	}
	return memberFound{Entry: fresh, external: &o}, nil, nil
}

// notExternal says that an address is of this installation.
func (m *Maker) notExternal(ctx context.Context, address string) (*refusal, error) {
	d, ok, err := found(m.Admin.LookupDomain(ctx, domainOf(address)))
	if err != nil {
		return nil, fmt.Errorf("look for domain %s: %w", domainOf(address), err)
	}
	if ok {
		return because("leave the address out of the group, or correct it", "%s is in a domain of BlueMind, %s: no external user is made of it", address, d.UID), nil
	}
	return nil, nil
}
