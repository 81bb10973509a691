package migrate

// CSVCell returns s as it may stand in a CSV that somebody opens in a
// spreadsheet: what would be a formula there gets an apostrophe in front,
// which spreadsheets take for "this is text". ReadAccounts takes it off again.
func CSVCell(s string) string {
	if formula(s) {
		return "'" + s
	}
	return s
}

// formula says whether a spreadsheet would calculate s rather than show it: by
// its first character, a tab and a CR being passed over by some.
func formula(s string) bool {
	if s == "" {
		return false
	}
	switch s[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return true
	}
	return false
}
