package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteTemplates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "project")
	written, err := writeTemplates(dir, false)
	if err != nil || len(written) != 4 {
		t.Fatalf("written %v, error %v", written, err)
	}
	c, err := loadConfig(filepath.Join(dir, "bmsync.yaml"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if in, err := loadInputs(c); err != nil || len(in.Rows) != 3 {
		t.Errorf("%d rows, error %v", len(in.Rows), err)
	}
}

func TestWriteTemplatesOverwritesOnlyByForce(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "accounts.csv")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	written, err := writeTemplates(dir, false)
	if !errors.Is(err, fs.ErrExist) || len(written) != 0 {
		t.Errorf("written %v, error %v, want fs.ErrExist", written, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bmsync.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half was written: %v", err)
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("accounts.csv is %q, %v", text, err)
	}
	if written, err := writeTemplates(dir, true); err != nil || len(written) != 4 {
		t.Errorf("by force: written %v, error %v", written, err)
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) == "mine" {
		t.Errorf("accounts.csv is still %q, %v", text, err)
	}
}
