package imap

import "fmt"

// appendDate is how INTERNALDATE is written in APPEND (RFC 9051 §9,
// date-time): always 26 characters, for BlueMind 5 refuses shorter ones.
const appendDate = "_2-Jan-2006 15:04:05 -0700"

// appendHead writes a message's flags, always as a list, and its date.
// BlueMind 5 drops the date where there is no list.
func appendHead(m Append) (string, error) {
	head, err := flagList(m.Flags)
	if err != nil {
		return "", err
	}
	if m.Size < 0 {
		return "", fmt.Errorf("a message of %d octets", m.Size)
	}
	if !m.InternalDate.IsZero() {
		date := m.InternalDate.Format(appendDate)
		if len(date) != len(appendDate) {
			return "", fmt.Errorf("INTERNALDATE %q can't be sent", date)
		}
		head += ` "` + date + `"`
	}
	return head, nil
}
