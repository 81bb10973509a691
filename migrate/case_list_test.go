package migrate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fieldCases are the failures seen in the field that the copy engine must stand.
// The tests of case n are named TestC<n>… and lie wherever the case does.
var fieldCases = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27, 29}

// TestEachFieldCaseHasATest reads the test files of the module: a case's test
// that was renamed, or got lost in a merge, is missed. A test that only a lab
// of real servers runs doesn't count.
func TestEachFieldCaseHasATest(t *testing.T) {
	name := regexp.MustCompile(`^TestC(\d+)[A-Z]`)
	found := map[string][]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != ".." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			if m := name.FindStringSubmatch(fn.Name.Name); m != nil {
				found[m[1]] = append(found[m[1]], fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range fieldCases {
		names := found[fmt.Sprint(n)]
		if len(names) == 0 {
			t.Errorf("case C%d has no test: none is named TestC%d…", n, n)
		}
		slices.Sort(names)
		t.Logf("C%d: %s", n, strings.Join(names, ", "))
	}
}
