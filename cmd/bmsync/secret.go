package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"
)

// Secret is a password or a key. However it is printed, it reads "***";
// string(s) is the only way to its text.
type Secret string

const masked = "***"

// Format is for the verbs that wouldn't ask String, such as a mistaken %d.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

func (Secret) String() string               { return masked }
func (Secret) GoString() string             { return masked }
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(masked) }

// SecretRef says where a secret is kept. Exactly one field is set, or none
// where a secret is optional. The configuration never holds the secret.
type SecretRef struct {
	Env     string // name of an environment variable
	File    string // path; the first line counts
	Command string // program and arguments, no shell; the first line it writes counts
}

// Given reports whether the reference leads anywhere.
func (r SecretRef) Given() bool { return r != SecretRef{} }

// String says where the secret is kept, for reports. Of a command it names
// the program only, since an argument may be a secret itself.
func (r SecretRef) String() string {
	switch {
	case r.Env != "":
		return "environment variable " + r.Env
	case r.File != "":
		return "file " + r.File
	case r.Command != "":
		name, _, _ := strings.Cut(strings.TrimSpace(r.Command), " ")
		return "command " + name
	}
	return "nowhere"
}

const (
	secretTimeout = 30 * time.Second // of a command; a person may have to confirm
	largestSecret = 64 << 10
)

// Resolve fetches the secret in clear text, for the one call that hands it to
// a server. Its errors never show it. See Load.
func (r SecretRef) Resolve(ctx context.Context) (string, error) {
	s, err := r.Load(ctx)
	return string(s), err
}

// Load fetches the secret. It asks anew each time, so that a secret which was
// changed meanwhile is the one that counts.
func (r SecretRef) Load(ctx context.Context) (Secret, error) {
	given := 0
	for _, s := range []string{r.Env, r.File, r.Command} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return "", fmt.Errorf("secret: exactly one of secret_env, secret_file and secret_command is needed, %d are given", given)
	}
	var text []byte
	var err error
	switch {
	case r.Env != "":
		value, ok := os.LookupEnv(r.Env)
		if !ok {
			err = errors.New("is not set")
		}
		text = []byte(value)
	case r.File != "":
		text, err = readSecretFile(r.File)
	default:
		text, err = runSecretCommand(ctx, r.Command)
	}
	if err != nil {
		return "", &secretError{r, err}
	}
	secret, err := firstLine(text)
	if err != nil {
		return "", &secretError{r, err}
	}
	return secret, nil
}

// secretError says that a secret couldn't be had where it is said to be.
type secretError struct {
	ref SecretRef
	err error
}

func (e *secretError) Error() string { return fmt.Sprintf("%s: %v", e.ref, e.err) }
func (e *secretError) Unwrap() error { return e.err }

// firstLine keeps spaces: a password may begin or end with one.
func firstLine(text []byte) (Secret, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	s := strings.TrimSuffix(string(line), "\r")
	switch {
	case s == "":
		return "", errors.New("the first line is empty")
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("the first line has a control character")
	}
	return Secret(s), nil
}

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, largestSecret))
	return text, cause(err)
}

// cause takes the path off an error of package os; the reference names it.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// runSecretCommand runs the command without a shell and returns what it
// writes. What it writes to its standard error isn't shown: it may quote the
// secret.
func runSecretCommand(ctx context.Context, command string) ([]byte, error) {
	args, err := splitCommand(command)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe open
	out := &cappedBuffer{limit: largestSecret}
	cmd.Stdout = out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("gave no answer in time: %w", context.Cause(ctx))
	case errors.As(err, &exit):
		return nil, fmt.Errorf("ended with %s; run it by hand to see why", exit.ProcessState)
	case errors.Is(err, exec.ErrNotFound):
		return nil, exec.ErrNotFound
	case err != nil:
		return nil, cause(err)
	}
	return out.kept, nil
}

// cappedBuffer keeps the first octets and swallows the rest, so that the
// command ends as it likes. It is no io.ReaderFrom, which would know no cap.
type cappedBuffer struct {
	kept  []byte
	limit int
}

func (b *cappedBuffer) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p[:min(b.limit-len(b.kept), len(p))]...)
	return len(p), nil
}

// splitCommand splits at spaces. Words may stand between ' or ", and a
// backslash outside ' takes the next character as it is. Nothing is expanded.
func splitCommand(command string) ([]string, error) {
	var args []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, c := range command {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			inWord, quote = true, c
		case unicode.IsSpace(c):
			if inWord {
				args = append(args, word.String())
				word.Reset()
				inWord = false
			}
		default:
			inWord = true
			word.WriteRune(c)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("has an open quotation mark, or a backslash at its end")
	}
	if inWord {
		args = append(args, word.String())
	}
	if len(args) == 0 || args[0] == "" {
		return nil, errors.New("names no program")
	}
	return args, nil
}
