package migrate

import (
	"cmp"
	"strings"

	"bmsync/imap"
)

// productOf finds out which server a source is, where that makes a difference:
// by what it calls itself in ID (RFC 2971), else by its greeting, since old
// Exchange and Domino know no ID. It also gives the name as a person reads it.
func productOf(src *imap.Source) (product, id string) {
	said := src.ServerID()
	id = strings.TrimSpace(cmp.Or(said["name"], said["vendor"]) + " " + said["version"])
	if product = productNamed(id + " " + said["vendor"]); product == "" {
		product = productNamed(src.Greeting())
	}
	return product, id
}

func productNamed(text string) string {
	text = strings.ToLower(text)
	for _, known := range []struct{ word, product string }{
		{"exchange", ServerExchange}, {"domino", ServerDomino}, {"zimbra", ServerZimbra}, {"gimap", ServerGmail}, {"google", ServerGmail},
		{"bluemind", ServerBlueMind}, {"dovecot", ServerDovecot}, {"cyrus", ServerCyrus},
	} {
		if strings.Contains(text, known.word) {
			return known.product
		}
	}
	return ""
}
