package bmsim

import (
	"encoding/json"
	"fmt"

	"bmsync/bmapi/bmsim/internal/directory"
)

// SetItems says how many items a container of a user holds: one that came with
// him or another, which is made. kind is calendar, addressbook, todolist or notes.
func (s *Sim) SetItems(userUID, kind, containerUID string, n int) error {
	return s.dir.SetHome(userUID, directory.Home{UID: containerUID, Type: kind, Items: n})
}

// AddEntry makes an entry of a domain's directory that bmsim only lists: kind is
// ADDRESSBOOK, CALENDAR, RESOURCE or ORG_UNIT.
func (s *Sim) AddEntry(domainUID, uid, kind, name string) error {
	return s.dir.AddPlain(directory.AdminUID, domainUID, uid, kind, name)
}

// SetFilter gives a mailbox the rules, forwarding and vacation that the API's
// POST _filter would have as its body.
func (s *Sim) SetFilter(domainUID, uid, body string) error {
	var f directory.Filter
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		return err
	}
	e, ok := s.dir.Entry(domainUID, uid)
	if !ok {
		return fmt.Errorf("no entry %s in %s", uid, domainUID)
	}
	return s.dir.SetFilter(uid, e, func(have *directory.Filter) { *have = f })
}
