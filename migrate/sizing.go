package migrate

// Sizing estimates what a plan takes of the target's disks and of time.
type Sizing struct {
	Version  int          `json:"version"` // of BlueMind: 4 or 5
	Accounts int          `json:"accounts"`
	Messages int64        `json:"messages"`
	Bytes    int64        `json:"bytes"`
	Disks    []SizingLine `json:"disks"`
	Low      int64        `json:"low"` // octets in all
	High     int64        `json:"high"`
}

// SizingLine is what one folder of BlueMind will need, in octets.
type SizingLine struct {
	Where string `json:"where"`
	Why   string `json:"why"`
	Low   int64  `json:"low"`
	High  int64  `json:"high"`
}
