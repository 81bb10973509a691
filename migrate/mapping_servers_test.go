package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMapServers maps the folder lists of real servers, one file each in
// testdata/folders: a head of settings, then "source \Attr → target", in which
// "!rule" is a rule that excludes.
func TestMapServers(t *testing.T) {
	files, err := filepath.Glob("testdata/folders/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tree, want := readFolderList(t, string(text))
			for _, version := range []TargetVersion{Target4, Target5, TargetBoth} {
				p := DefaultPolicy()
				p.TargetVersion = version
				out, err := MapFolders(tree, p)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range out {
					got := m.Target
					if m.Rule != "" {
						got = "!" + m.Rule
					}
					if got != want[m.Source] {
						t.Errorf("for %s: %q goes to %q, want %q (%s)", version, m.Source, got, want[m.Source], m.Reason)
					}
					if why := badTargetFolder(m.Target, version); m.Rule == "" && why != "" {
						t.Errorf("for %s: %q %s", version, m.Target, why)
					}
				}
				if len(out) != len(want) {
					t.Errorf("%d of %d folders are decided", len(out), len(want))
				}
			}
		})
	}
}

func readFolderList(t *testing.T, text string) (SourceTree, map[string]string) {
	t.Helper()
	var tree SourceTree
	delim, want := '/', map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		left, target, ok := strings.Cut(line, "→")
		if !ok {
			key, value, ok := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			switch {
			case !ok:
				t.Fatalf("can't read %q", line)
			case key == "delimiter":
				delim = []rune(value)[0]
			case key == "personal":
				tree.Spaces.Personal = value
			case key == "foreign":
				tree.Spaces.Foreign = strings.Split(value, ",")
			case key == "virtual":
				tree.Spaces.Virtual = strings.Split(value, ",")
			case key == "rest":
				tree.Spaces.Rest = value == "true"
			default:
				t.Fatalf("unknown setting %q", key)
			}
			continue
		}
		name, attrs, _ := strings.Cut(strings.TrimSpace(left), `  \`)
		f := SourceFolder{Name: strings.TrimSpace(name), Delim: delim}
		if attrs != "" {
			f.Attrs = strings.Fields(`\` + attrs)
		}
		tree.Folders = append(tree.Folders, f)
		want[f.Name] = strings.TrimSpace(target)
	}
	return tree, want
}
