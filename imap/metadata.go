package imap

import (
	"context"
	"strings"
)

// kolabFolderType is where Kolab servers say what a folder holds.
const kolabFolderType = "/vendor/kolab/folder-type"

// FolderTypes asks the server what folders hold that aren't mail: "event",
// "contact.default", "task", "note" …, by the folder's decoded name. Servers
// that keep no such annotation (METADATA, RFC 5464, or its predecessor) give
// nothing; asking all folders at once is what Cyrus allows beyond the RFC.
func (s *Source) FolderTypes(ctx context.Context) (map[string]string, error) {
	types := map[string]string{}
	var err error
	switch {
	case s.Can("METADATA"):
		shared, private := "/shared"+kolabFolderType, "/private"+kolabFolderType
		err = s.annotations(ctx, `GETMETADATA "*" (`+shared+" "+private+")", "METADATA", []string{shared, private}, types)
	case s.Can("ANNOTATEMORE"):
		err = s.annotations(ctx, `GETANNOTATION "*" "`+kolabFolderType+`" ("value.shared" "value.priv")`, "ANNOTATION", []string{"value.shared", "value.priv"}, types)
	}
	if refusedAlone(err) {
		return nil, nil
	}
	return types, err
}

func (s *Source) annotations(ctx context.Context, command, answer string, keys []string, into map[string]string) error {
	_, err := s.exchange(ctx, command, named(answer, func(r *response) error { return r.annotations(keys, into) }))
	return err
}

// annotations reads what follows METADATA or ANNOTATION: a mailbox, then names
// and values, of which those of keys are kept. The older answer has the entry
// before the list.
func (r *response) annotations(keys []string, into map[string]string) error {
	wire, _, err := r.str()
	if err != nil {
		return err
	}
	mailbox, _ := DecodeUTF7(string(wire))
	if r.spaces(); r.peek() != '(' {
		if _, _, err := r.str(); err != nil { // the entry
			return err
		}
		r.spaces()
	}
	if !r.accept('(') {
		return nil
	}
	for r.spaces(); r.peek() != ')' && !r.over(); r.spaces() {
		name, _, err := r.str()
		if err != nil {
			return err
		}
		key := string(name)
		value, isNil, err := r.str()
		if err != nil || key == "" && len(value) == 0 { // not a list of strings
			return err
		}
		for _, k := range keys {
			if strings.EqualFold(k, key) && !isNil && len(value) > 0 {
				into[mailbox] = string(value)
			}
		}
	}
	return nil
}
