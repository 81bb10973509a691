package migrate

import (
	"reflect"
	"testing"

	"bmsync/imap"
)

// TestNamespaces: which folders are the account's own, by what servers say.
func TestNamespaces(t *testing.T) {
	entries := func(prefixes ...string) (list []imap.NamespaceEntry) {
		for _, p := range prefixes {
			list = append(list, imap.NamespaceEntry{Prefix: p, Delim: '/'})
		}
		return list
	}
	for name, test := range map[string]struct {
		personal, other, shared []string
		want                    SourceNamespaces
	}{
		"no prefix":                 {[]string{""}, nil, nil, SourceNamespaces{}},
		"Courier":                   {[]string{"INBOX."}, nil, []string{"#shared."}, SourceNamespaces{Personal: "INBOX.", Foreign: []string{"#shared."}, Public: []string{"#shared."}}},
		"Cyrus, altnamespace":       {[]string{""}, []string{"Other Users/"}, []string{"Shared Folders/"}, SourceNamespaces{Foreign: []string{"Other Users/", "Shared Folders/"}, Public: []string{"Shared Folders/"}}},
		"Cyrus, without":            {[]string{"INBOX."}, []string{"user."}, []string{""}, SourceNamespaces{Personal: "INBOX.", Foreign: []string{"user."}, Rest: true}},
		"shared without any prefix": {[]string{""}, nil, []string{""}, SourceNamespaces{}}, // nothing tells the two apart
		"one prefix":                {[]string{"mail/"}, nil, nil, SourceNamespaces{Personal: "mail/"}},
		"views beside":              {[]string{"virtual/", "mail/"}, nil, nil, SourceNamespaces{Personal: "mail/", Virtual: []string{"virtual/"}}},
		"a second that holds mail":  {[]string{"", "Archive/"}, nil, nil, SourceNamespaces{}},
		"a second, prefixes both":   {[]string{"mail/", "Archive/"}, nil, nil, SourceNamespaces{}},
	} {
		got := namespacesOf(imap.Namespaces{Personal: entries(test.personal...), Other: entries(test.other...), Shared: entries(test.shared...)})
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// TestPublicWithoutPrefix: on a Cyrus without altnamespace everybody's mailboxes
// are named beside INBOX, and are told as what no row takes.
func TestPublicWithoutPrefix(t *testing.T) {
	tree := SourceTree{Folders: folders('.', "INBOX", "INBOX.A", "news.local", "news.world", "user.bob", "plain"),
		Spaces: SourceNamespaces{Personal: "INBOX.", Foreign: []string{"user."}, Rest: true}}
	if got, want := tree.publicRoots(), []string{"news", "plain"}; !reflect.DeepEqual(got, want) {
		t.Errorf("roots %q, want %q", got, want)
	}
}
