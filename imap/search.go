package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// SearchHeader gives the UIDs, ascending, of the messages of the examined
// mailbox whose header field holds value, whatever its case (UID SEARCH
// HEADER, RFC 9051 §6.4.4). Servers match parts of the field's text: a
// Message-ID is looked for best with its brackets. An empty value finds all
// messages that have the field.
func (s *Source) SearchHeader(ctx context.Context, field, value string) ([]uint32, error) {
	const verb = "UID SEARCH"
	if !isFieldName(field) {
		return nil, s.c.refusal(&Error{Kind: KindRefused, Command: verb, Err: fmt.Errorf("%q is no header field", field)})
	}
	if !isPrintable(value) {
		return nil, s.c.refusal(&Error{Kind: KindRefused, Command: verb, Err: fmt.Errorf("%q holds more than printable US-ASCII", value)})
	}
	var uids []uint32
	_, err := s.exchange(ctx, verb+" HEADER "+quote(field)+" "+quote(value), named("SEARCH", func(r *response) error {
		for word := range strings.FieldsSeq(string(r.rest())) {
			uid, ok := number(word)
			if !ok { // "(MODSEQ 917162500)" ends the list, RFC 7162 §3.1.5
				break
			}
			if uid != 0 {
				uids = append(uids, uid)
			}
		}
		return nil
	}))
	if err != nil {
		return nil, err
	}
	slices.Sort(uids)
	return slices.Compact(uids), nil
}

// isFieldName follows RFC 5322 §2.2: printable US-ASCII without the colon.
func isFieldName(s string) bool {
	return s != "" && isPrintable(s) && !strings.ContainsAny(s, " :")
}

// isPrintable says whether a text can be sent between quotes and means the
// same to every server, without a charset.
func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
