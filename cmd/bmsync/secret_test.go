package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestSecretNeverShows(t *testing.T) {
	s := Secret("hunter2")
	inside := struct{ S Secret }{s}
	asJSON, err := json.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(inside)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "inside", inside)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "inside", inside)
	for _, text := range []string{
		s.String(), s.GoString(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %d", s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", inside, inside, inside),
		string(asJSON), string(asYAML), log.String(),
	} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, masked) {
			t.Errorf("printed as %q", text)
		}
	}
}

func TestSecretRefResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("BMSYNC_TEST_SECRET", " pass word ")
	t.Setenv("BMSYNC_TEST_EMPTY", "")
	script := write("script", "#!/bin/sh\necho \"$1\"\necho hunter2 >&2\nexit $2\n")
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		ref       SecretRef
		want, err string
	}{
		{"environment, spaces kept", SecretRef{Env: "BMSYNC_TEST_SECRET"}, " pass word ", ""},
		{"environment, not set", SecretRef{Env: "BMSYNC_TEST_NONE"}, "", "environment variable BMSYNC_TEST_NONE: is not set"},
		{"environment, empty", SecretRef{Env: "BMSYNC_TEST_EMPTY"}, "", "the first line is empty"},
		{"file, first line", SecretRef{File: write("a", "\xef\xbb\xbfhunter2\r\nmore\n")}, "hunter2", ""},
		{"file, no end of line", SecretRef{File: write("b", "hunter2")}, "hunter2", ""},
		{"file, missing", SecretRef{File: filepath.Join(dir, "none")}, "", "none: no such file or directory"},
		{"file, control character", SecretRef{File: write("c", "hunter2\x00")}, "", "control character"},
		{"command", SecretRef{Command: script + ` 'it"s me' 0`}, `it"s me`, ""},
		{"command fails", SecretRef{Command: script + ` hunter2 3`}, "", "ended with exit status 3"},
		{"command unknown", SecretRef{Command: "bmsync-no-such-program hunter2"}, "", "command bmsync-no-such-program: executable file not found"},
		{"command not understood", SecretRef{Command: `x "hunter2`}, "", "open quotation mark"},
		{"nothing", SecretRef{}, "", "exactly one"},
		{"two", SecretRef{Env: "A", File: "b"}, "", "2 are given"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.ref.Resolve(t.Context())
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestSecretCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := SecretRef{Command: `sh -c "sleep 20 & wait"`}.Resolve(ctx)
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("error %v after %s", err, time.Since(start))
	}
}

func TestSecretCommandMayWriteMuch(t *testing.T) {
	got, err := SecretRef{Command: `sh -c "echo hunter2; head -c 1000000 /dev/zero"`}.Resolve(t.Context())
	if err != nil || got != "hunter2" {
		t.Errorf("got %q, %v", got, err)
	}
	text, err := runSecretCommand(t.Context(), `head -c 1000000 /dev/zero`)
	if err != nil || len(text) != largestSecret {
		t.Errorf("%d octets kept, error %v", len(text), err)
	}
}

func TestSplitCommand(t *testing.T) {
	for command, want := range map[string][]string{
		`pass show old/ada`:      {"pass", "show", "old/ada"},
		`  a  'b c' "d 'e'" `:    {"a", "b c", "d 'e'"},
		`a b\ c "d\"e" 'f\g' ''`: {"a", "b c", `d"e`, `f\g`, ""},
		`a"b"c $HOME *`:          {"abc", "$HOME", "*"},
	} {
		got, err := splitCommand(command)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("splitCommand(%q) = %q, %v, want %q", command, got, err, want)
		}
	}
	for _, command := range []string{"", "  ", `''`, `a 'b`, `a\`} {
		if got, err := splitCommand(command); err == nil {
			t.Errorf("splitCommand(%q) = %q, want an error", command, got)
		}
	}
}
