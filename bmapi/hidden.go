package bmapi

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// hidden are the secrets of a call, in all the spellings in which a server may repeat
// them.
type hidden struct {
	forms []string
	short []string // too short to be cut out: the text that has one goes as a whole
}

func newHidden(key string, secrets []string) hidden {
	var h hidden
	if len(key) > 3 { // as every key is
		secrets = append([]string{key}, secrets...)
	}
	for _, s := range secrets {
		if s == "" {
			continue
		}
		if len(s) <= 3 {
			h.short = append(h.short, spellings(s)...)
		} else {
			h.forms = append(h.forms, spellings(s)...)
		}
	}
	return h
}

// spellings are a text as it is, as JSON has it, and each as a URL has it.
func spellings(s string) []string {
	plain, _ := encode(s) // of a string: never fails
	careful, _ := json.Marshal(s)
	var all []string
	for _, f := range []string{s, string(plain[1 : len(plain)-1]), string(careful[1 : len(careful)-1])} {
		all = append(all, f, url.QueryEscape(f), url.PathEscape(f), escape(f))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// clip is a server's text without secrets, on one line.
func (h hidden) clip(s string) string {
	for _, secret := range h.short {
		if strings.Contains(s, secret) {
			return "…"
		}
	}
	for _, secret := range h.forms {
		s = strings.ReplaceAll(s, secret, "…")
		// The text may have been cut in the middle of one.
		for n := len(secret) - 1; n > 3; n-- {
			if strings.HasSuffix(s, secret[:n]) {
				s = s[:len(s)-n] + "…"
				break
			}
		}
	}
	return clip(s)
}
