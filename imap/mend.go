package imap

// Repairs are the changes that make a message acceptable which a target has
// refused by name.
type Repairs struct {
	BareLF bool // a CR before each LF that has none
	NUL    bool // NUL octets are left out
	Header bool // lines that are no header fields are put into one
	Date   bool // INTERNALDATE is taken from the header, or brought to the nearest that the target can hold
}
