package directory

// Filter is what happens to mail that comes for a mailbox.
type Filter struct {
	Rules      []any      `json:"rules"` // kept as they came
	Forwarding Forwarding `json:"forwarding"`
	Vacation   Vacation   `json:"vacation"`
}

// Forwarding sends mail on to other addresses.
type Forwarding struct {
	Enabled   bool     `json:"enabled"`
	LocalCopy bool     `json:"localCopy"`
	Emails    []string `json:"emails"`
}

// Vacation answers mail while somebody is away.
type Vacation struct {
	Enabled  bool   `json:"enabled"`
	Start    *int64 `json:"start"` // epoch milliseconds
	End      *int64 `json:"end"`
	Subject  Text   `json:"subject"`
	Text     Text   `json:"text"`
	TextHTML Text   `json:"textHtml"`
}

// Filtering is the filter of an entry's mailbox, which may have none.
func (e *Entry) Filtering() Filter {
	f := Filter{}
	if e.Filter != nil {
		f = *e.Filter
	}
	f.Rules = append([]any{}, f.Rules...)
	f.Forwarding.Emails = append([]string{}, f.Forwarding.Emails...)
	return f
}

// SetFilter changes the filter of an entry's mailbox.
func (s *Store) SetFilter(by string, e *Entry, change func(*Filter)) error {
	return s.change(by, e.Domain, e.UID, e.Kind, func(e *Entry) error {
		f := e.Filtering()
		change(&f)
		e.Filter = &f
		return nil
	})
}
