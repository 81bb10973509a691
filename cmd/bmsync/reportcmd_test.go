package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bmsync/migrate"
)

func TestReportCommand(t *testing.T) {
	d := newDesk(t)
	d.fill()
	for name, args := range map[string][]string{
		"report": {"report", "--target", "live"}, "report-json": {"report", "--target", "live", "--json"},
		"report-only": {"report", "--target", "live", "--only", "cleo@example.org", "--format", "text"},
	} {
		code, out, errs := d.bmsync(args...)
		if code != 0 {
			t.Errorf("%s: exit %d: %s", name, code, errs)
		}
		d.golden(name, out)
	}
}

// TestReportJSONIsOneDocument reads back what is written piece by piece.
func TestReportJSONIsOneDocument(t *testing.T) {
	d := newDesk(t)
	d.fill()
	path := filepath.Join(d.dir, "report.json")
	code, out, errs := d.bmsync("report", "--target", "live", "--format", "json", "-o", path)
	if code != 0 || out != "" {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	info, err := os.Stat(path)
	d.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others can read it: %v", info.Mode())
	}
	text, err := os.ReadFile(path)
	d.must(err)
	var doc struct {
		Report   migrate.ReportHeader
		Accounts []struct {
			migrate.Certificate
			Refusals []migrate.Refusal `json:"refused"`
		}
	}
	d.must(json.Unmarshal(text, &doc))
	if doc.Report.Total != 3 || len(doc.Accounts) != 3 || len(doc.Accounts[0].Refusals) != 2 || doc.Accounts[0].Refusals[1].Words != "Message contains invalid header" {
		t.Errorf("got %+v", doc)
	}
}

func TestReportCommandRefuses(t *testing.T) {
	d := newDesk(t)
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no state":       {[]string{"--target", "live"}, "nothing was run on target live yet"},
		"another format": {[]string{"--target", "live", "--format", "html"}, "--format is text or json"},
		"an argument":    {[]string{"--target", "live", "ada@example.org"}, "takes no argument"},
		"another target": {[]string{"--target", "none"}, "has no target"},
	} {
		code, out, errs := d.bmsync(append([]string{"report"}, tc.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, tc.want) {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, errs)
		}
	}
	d.fill()
	path := filepath.Join(d.dir, "out")
	if code, _, errs := d.bmsync("report", "--target", "live", "--only", "dora@example.org", "-o", path); code != exitUsage || !strings.Contains(errs, "no run has met account dora@example.org") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a report that could not be written left a file: %v", err)
	}
}

// TestWriteFileLeavesTheOldOneWhereTheNewOneFails holds that a file is never
// half a report.
func TestWriteFileLeavesTheOldOneWhereTheNewOneFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "report.txt")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, broken := &app{}, errors.New("no more")
	err := a.writeFile(path, func(w io.Writer) error {
		io.WriteString(w, "new")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	text, err := os.ReadFile(path)
	list, dirErr := os.ReadDir(dir)
	if err != nil || dirErr != nil || string(text) != "old" || len(list) != 1 {
		t.Errorf("left %q, %v, %v, %v", text, list, err, dirErr)
	}
}
