package imap

import "strconv"

// maxSet bounds a UID set in one command, in octets: servers cap command
// lines, the strictest at 8 KiB.
const maxSet = 4000

// uidChunk is one command's share of a list of UIDs.
type uidChunk struct {
	set  string
	uids []uint32
}

// uidChunks writes sorted UIDs as sets (RFC 9051 §9, sequence-set), each of
// at most maxSet octets and count UIDs (0: any number). Repeated UIDs count
// once.
func uidChunks(uids []uint32, count int) []uidChunk {
	var chunks []uidChunk
	for len(uids) > 0 {
		set, n := uidSet(uids, count)
		chunks = append(chunks, uidChunk{set, uids[:n]})
		uids = uids[n:]
	}
	return chunks
}

// uidSet writes as many UIDs as fit, and says how many these are.
func uidSet(uids []uint32, count int) (string, int) {
	if count <= 0 || count > len(uids) {
		count = len(uids)
	}
	const widest = len(",4294967295:4294967295")
	var b []byte
	i := 0
	for i < count && len(b)+widest <= maxSet {
		j := i + 1
		for j < count && uids[j]-uids[j-1] <= 1 {
			j++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(uids[i]), 10)
		if uids[j-1] != uids[i] {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(uids[j-1]), 10)
		}
		i = j
	}
	return string(b), i
}

// parseUIDs reads a uid-set as in APPENDUID (RFC 4315 §3): `1:2`, `3,5:6`. It
// gives nothing if the set isn't of exactly want UIDs.
func parseUIDs(set string, want int) []uint32 {
	var uids []uint32
	for len(set) > 0 {
		first, rest, ok := leadingNumber(set)
		if !ok {
			return nil
		}
		last := first
		if len(rest) > 0 && rest[0] == ':' {
			if last, rest, ok = leadingNumber(rest[1:]); !ok {
				return nil
			}
		}
		if last < first {
			first, last = last, first
		}
		if uint64(last-first)+1+uint64(len(uids)) > uint64(want) {
			return nil
		}
		for u := uint64(first); u <= uint64(last); u++ {
			uids = append(uids, uint32(u))
		}
		if len(rest) > 0 {
			if rest[0] != ',' || len(rest) == 1 {
				return nil
			}
			rest = rest[1:]
		}
		set = rest
	}
	if len(uids) != want {
		return nil
	}
	return uids
}

// leadingNumber reads a 32-bit number that isn't 0.
func leadingNumber(s string) (n uint32, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	v, err := strconv.ParseUint(s[:i], 10, 32)
	if err != nil || v == 0 {
		return 0, s, false
	}
	return uint32(v), s[i:], true
}
