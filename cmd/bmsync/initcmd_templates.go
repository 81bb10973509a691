package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed templates/bmsync.yaml templates/accounts.csv templates/groups.csv templates/rights.csv
var templates embed.FS

// writeTemplates writes bmsync.yaml and the CSVs into dir, making it if need
// be, and returns their paths. Without force it writes nothing if one of them
// is there.
func writeTemplates(dir string, force bool) ([]string, error) {
	names := []string{"bmsync.yaml", "accounts.csv", "groups.csv", "rights.csv"}
	if !force {
		for _, name := range names {
			path := filepath.Join(dir, name)
			if _, err := os.Lstat(path); err == nil {
				return nil, fmt.Errorf("%s is there already, and nothing was written: %w", path, fs.ErrExist)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("look for %s: %w", path, err)
			}
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", dir, err)
	}
	var written []string
	for _, name := range names {
		text, err := templates.ReadFile("templates/" + name)
		if err != nil {
			return written, err
		}
		path := filepath.Join(dir, name)
		if err := writeNew(path, text, force); err != nil {
			return written, fmt.Errorf("write %s: %w", path, err)
		}
		written = append(written, path)
	}
	return written, nil
}

// writeNew leaves an existing file alone unless force says otherwise, also
// one that came into being a moment ago.
func writeNew(path string, text []byte, force bool) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return cause(err)
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return cause(err)
	}
	return cause(f.Close())
}
