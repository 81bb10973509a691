package main

import (
	"context"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/migrate"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this test's own binary be bmsync, in a process of its own: in
// scripts by that name, elsewhere with "bmsync" as argument zero.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bmsync": func() { os.Exit(mainWith(testNetwork(os.Getenv("TEST_HTTPS")))) }})
}

// testNetwork is a network without names, so that no test leaves the machine;
// or, where a server's address is given, one in which every name leads there.
func testNetwork(server string) migrate.Network {
	const address = "192.0.2.1" // of every name
	return migrate.Network{
		LookupHost: func(_ context.Context, host string) ([]string, error) {
			switch {
			case net.ParseIP(host) != nil:
				return []string{host}, nil
			case server != "":
				return []string{address}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		LookupSRV: func(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
			return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		},
		Dial: func(ctx context.Context, network, to string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(to); host == address {
				to = server
			}
			return (&net.Dialer{}).DialContext(ctx, network, to)
		},
	}
}

// TestImportsGoOneWay holds cmd → migrate → {bmapi, imap, state}: the three
// leaves never import each other, nor anything above them.
func TestImportsGoOneWay(t *testing.T) {
	leaves := []string{"bmapi", "imap", "state"}
	forbidden := func(dir, path string) bool {
		first := strings.Split(dir, "/")[0]
		target := strings.Split(strings.TrimPrefix(path, "bmsync/"), "/")[0]
		switch first {
		case "cmd":
			return false
		case "migrate":
			return target == "cmd" || strings.HasSuffix(path, "/bmsim") || strings.HasSuffix(path, "/imaptest")
		}
		for _, leaf := range leaves {
			if first == leaf {
				return target != leaf
			}
		}
		return false
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		dir = filepath.ToSlash(dir)
		for _, imp := range f.Imports {
			name := strings.Trim(imp.Path.Value, `"`)
			if strings.HasPrefix(name, "bmsync/") && forbidden(dir, name) {
				t.Errorf("%s imports %s", path, name)
			}
			if name == "testing" && !strings.HasPrefix(dir, "examples") {
				t.Errorf("%s imports testing", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
