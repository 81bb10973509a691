package migrate

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestAutodiscoverEnds looks for many names behind a firewall that swallows
// everything.
func TestAutodiscoverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &autodiscoverer{net: Network{
			LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1", "192.0.2.2"}, nil },
			LookupSRV:  func(context.Context, string, string, string) (string, []*net.SRV, error) { return "", nil, nil },
			Dial: func(context.Context, string, string) (net.Conn, error) {
				near, far := net.Pipe()
				go io.Copy(io.Discard, far) // ends when near is closed
				return near, nil
			},
		}.withDefaults(), here: selfPortrait{hosts: map[string]bool{}, addresses: map[string]bool{}}}
		var names []string
		for i := range 500 {
			names = append(names, fmt.Sprintf("d%03d.example", i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), autodiscoverTime)
		defer cancel()
		began := time.Now()
		looks := a.lookAll(ctx, names)
		if took := time.Since(began); took > autodiscoverTime {
			t.Errorf("took %v", took)
		}
		untried := slices.IndexFunc(looks, func(l Autodiscover) bool { return len(l.URLs) == 0 })
		if untried < 80 || untried > 96 { // 16 at a time, 20 s each, and the last ones are cut short
			t.Errorf("the first one not looked at is number %d", untried)
		}
		for i, look := range looks {
			if look.Domain != names[i] || look.Leads || len(look.URLs) > 0 && look.URLs[0].Problem == "" {
				t.Errorf("%+v", look)
			}
		}
	})
}

func TestNamesOfTheDNS(t *testing.T) {
	for name, want := range map[string]bool{"bm.example.org": true, "18f.internal": false, "global.virt": false, "localhost": false} {
		if got := inDNS(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
