package bmsim

import (
	"slices"

	"bmsync/bmapi/bmsim/internal/directory"
)

// aclType is the type of the containers that hold the rights on mailboxes. Of the
// others there are only a user's own, and those are only listed and counted.
const aclType = "mailboxacl"

// descriptor is ContainerDescriptor.
type descriptor struct {
	UID              string            `json:"uid"`
	Name             string            `json:"name"`
	Owner            string            `json:"owner"`
	Type             string            `json:"type"`
	DefaultContainer bool              `json:"defaultContainer"`
	ReadOnly         bool              `json:"readOnly"`
	DomainUID        string            `json:"domainUid"`
	OwnerName        directory.Text    `json:"ownerDisplayname"`
	OwnerPath        string            `json:"ownerDirEntryPath"`
	Settings         map[string]string `json:"settings"`
	Deleted          bool              `json:"deleted"`
	DataLocation     directory.Text    `json:"datalocation"`
	InternalID       int64             `json:"internalId"`
	Writable         bool              `json:"writable"`
	Verbs            []directory.Verb  `json:"verbs"` // what the caller may do
	OfflineSync      bool              `json:"offlineSync"`
	Automount        bool              `json:"automount"`
}

func (s *Sim) descriptor(c *call, e *directory.Entry) descriptor {
	d := e.DirEntry()
	x := descriptor{
		UID: directory.ACLContainer(e.UID), Name: e.MailboxName(), Owner: e.UID, Type: aclType, DefaultContainer: e.User != nil,
		DomainUID: e.Domain, OwnerName: e.DisplayName, OwnerPath: d.Path, Settings: map[string]string{},
		DataLocation: d.DataLocation, InternalID: e.InternalID, Verbs: []directory.Verb{}, Automount: true,
	}
	for _, v := range s.dir.Expand("All") {
		if c.session.Admin() || c.session.Domain == e.Domain && s.dir.Allowed(c.session.UID, c.session.Groups, e, v) {
			x.Verbs = append(x.Verbs, v)
		}
	}
	x.Writable = slices.Contains(x.Verbs, "Write")
	return x
}

// descriptorRoutes tell of containers, and who may do what in them.
func (s *Sim) descriptorRoutes() {
	const path = "/containers/_manage/"
	read := func(pattern string, answer func(*call, *directory.Entry) any, missing any) {
		s.router.add("GET", path+pattern, func(c *call) (any, error) {
			if err := c.known(); err != nil {
				return nil, err
			}
			e, err := s.dir.Container(c.p("container"))
			if err != nil && missing != nil {
				return missing, nil
			}
			if err != nil {
				return nil, err
			}
			return answer(c, e), nil
		})
	}
	whole := func(c *call, e *directory.Entry) any { return s.descriptor(c, e) }
	read("{container}", whole, nil)
	read("{container}/_descriptor", whole, nil)
	read("_ifPresent/{container}", whole, null{})
	if s.level >= 5 {
		read("_light/{container}", whole, nil)
		read("_ifPresentLight/{container}", whole, null{})
	}
	read("{container}/_subscription", func(_ *call, e *directory.Entry) any {
		return s.dir.Subscribers(e.Domain, directory.ACLContainer(e.UID))
	}, nil)
	s.router.add("POST", path+"{container}/_canAccess", s.canAccess)
	s.router.add("POST", path+"_mget", func(c *call) (any, error) {
		uids, err := need[[]string](c)
		if err != nil {
			return nil, err
		}
		if err := c.known(); err != nil {
			return nil, err
		}
		all := []descriptor{}
		for _, uid := range uids {
			if e, err := s.dir.Container(uid); err == nil {
				all = append(all, s.descriptor(c, e))
			}
		}
		return all, nil
	})
	s.router.add("POST", path+"_list", func(c *call) (any, error) {
		if err := c.known(); err != nil {
			return nil, err
		}
		return s.listContainers(c, c.session.Domain, c.session.UID)
	})
	s.router.add("POST", path+"_listforuser", func(c *call) (any, error) {
		if err := c.self(c.q("domainUid"), c.q("userUid")); err != nil {
			return nil, err
		}
		return s.listContainers(c, c.q("domainUid"), c.q("userUid"))
	})
}

// canAccess tells whether the caller has one of some rights.
func (s *Sim) canAccess(c *call) (any, error) {
	verbs, err := need[[]directory.Verb](c)
	if err != nil {
		return nil, err
	}
	if err := c.known(); err != nil {
		return nil, err
	}
	e, err := s.dir.Container(c.p("container"))
	if err != nil {
		return nil, err
	}
	has := s.descriptor(c, e).Verbs
	return slices.ContainsFunc(verbs, func(v directory.Verb) bool { return slices.Contains(has, v) }), nil
}

// listContainers lists what a user may read and a query selects.
func (s *Sim) listContainers(c *call, domainUID, userUID string) (any, error) {
	q, err := need[struct {
		Type, Name, Owner string
		Verb              []directory.Verb
	}](c)
	if err != nil {
		return nil, err
	}
	groups := s.dir.MemberOf(domainUID, userUID)
	all := []descriptor{}
	if q.Owner != "" && q.Type != "" && q.Type != aclType { // whoever asks, and of any domain
		for _, h := range s.dir.Homes(q.Owner) {
			if h.Type == q.Type {
				all = append(all, descriptor{UID: h.UID, Name: h.UID, Owner: q.Owner, Type: h.Type, DomainUID: s.dir.DomainOf(q.Owner), Settings: map[string]string{}})
			}
		}
		return all, nil
	}
	for _, e := range s.dir.Entries(domainUID) {
		box, err := s.dir.Container(directory.ACLContainer(e.UID))
		if err != nil || q.Type != "" && q.Type != aclType || q.Owner != "" && q.Owner != box.UID || q.Name != "" && q.Name != box.MailboxName() {
			continue
		}
		allowed := func(v directory.Verb) bool { return s.dir.Allowed(userUID, groups, box, v) }
		if allowed("Read") && (len(q.Verb) == 0 || slices.ContainsFunc(q.Verb, allowed)) {
			all = append(all, s.descriptor(c, box))
		}
	}
	return all, nil
}
