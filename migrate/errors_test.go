package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"bmsync/bmapi"
	"bmsync/imap"
	"bmsync/state"
)

// TestJudge says of each error of the leaves how much it stops.
func TestJudge(t *testing.T) {
	login := func(kind imap.Kind, code, text string) error {
		return &imap.Error{Kind: kind, Command: "LOGIN", Code: code, Text: text}
	}
	cmd := func(kind imap.Kind, command, code string) error {
		return &imap.Error{Kind: kind, Command: command, Code: code}
	}
	tests := []struct {
		name string
		err  error
		want scope
	}{
		{"connection lost", cmd(imap.KindClosed, "UID FETCH", ""), again},
		{"no connection", &imap.Error{Kind: imap.KindClosed, Err: io.ErrUnexpectedEOF}, again},
		{"silent", cmd(imap.KindTimeout, "APPEND", ""), again},
		{"BYE", cmd(imap.KindBye, "", ""), again},
		{"BYE at the greeting: too many", &imap.Error{Kind: imap.KindBye, Text: "Too many connections"}, again},
		{"BYE for a wrong password", &imap.Error{Kind: imap.KindBye, Code: "AUTHENTICATIONFAILED"}, accountHalt},
		{"certificate", cmd(imap.KindTLS, "", ""), accountHalt},
		{"handshake cut", &imap.Error{Kind: imap.KindTLS, Err: io.ErrUnexpectedEOF}, again},
		{"PREAUTH", cmd(imap.KindPreauth, "", ""), accountHalt},
		{"nonsense", cmd(imap.KindProtocol, "", ""), accountHalt},
		{"interrupted", cmd(imap.KindInterrupted, "", ""), interrupted},

		{"wrong password", login(imap.KindNo, "AUTHENTICATIONFAILED", "no"), accountHalt},
		{"wrong password, without a code", login(imap.KindNo, "", "Invalid login or password"), accountHalt},
		{"wrong password, try again", login(imap.KindNo, "", "Login failed, please try again"), accountHalt},
		{"too many wrong ones", login(imap.KindNo, "", "Too many failed login attempts"), accountHalt},
		{"locked", login(imap.KindNo, "ALERT", "Too many logins, account locked"), accountHalt},
		{"expired", login(imap.KindNo, "EXPIRED", "too many"), accountHalt},
		{"wrong password by AUTHENTICATE", cmd(imap.KindNo, "AUTHENTICATE", ""), accountHalt},
		{"LOGIN not understood", login(imap.KindBad, "", "syntax"), accountHalt},
		{"unavailable", login(imap.KindNo, "UNAVAILABLE", "Temporary authentication failure"), again},
		{"Dovecot's limit", login(imap.KindNo, "LIMIT", "Maximum number of connections from user+IP exceeded"), again},
		{"in use", login(imap.KindNo, "INUSE", ""), again},
		{"Gmail's limit", login(imap.KindNo, "ALERT", "Too many simultaneous connections. (Failure)"[:39]), again},
		{"Courier's limit", login(imap.KindNo, "", "Maximum number of connections reached"), again},
		{"Exchange throttles", login(imap.KindBad, "", "Request is throttled. Suggested Backoff Time: 30000 milliseconds"), again},
		{"throttled by code", cmd(imap.KindNo, "UID FETCH", "THROTTLED"), again},
		{"a day's traffic", login(imap.KindNo, "OVERQUOTA", "Account exceeded command or bandwidth limits"), accountParts},
		{"key refused over IMAP", &KeyRefusedError{login(imap.KindNo, "", "Invalid login or password")}, accountParts},
		{"key refused, too many", &KeyRefusedError{login(imap.KindNo, "LIMIT", "")}, again},
		{"host down", &HostDownError{"source old", cmd(imap.KindClosed, "", "")}, accountParts},

		{"folder won't open", cmd(imap.KindNo, "EXAMINE", ""), oneFolder},
		{"folder not permitted", cmd(imap.KindNo, "EXAMINE", "NOPERM"), oneFolder},
		{"command not understood", cmd(imap.KindBad, "UID FETCH", ""), oneFolder},
		{"name that can't be sent", cmd(imap.KindRefused, "EXAMINE", ""), oneFolder},
		{"administrator", cmdErr("LOGIN", imap.ErrAdministrator), accountHalt},

		{"target went back", &imap.WentBackError{Side: "target"}, accountHalt},
		{"source went back", &imap.WentBackError{Side: "source"}, accountHalt},
		{"no right", fmt.Errorf("append: %w", &imap.RightError{}), accountHalt},
		{"quota", fmt.Errorf("append: %w", &imap.QuotaError{}), accountHalt},
		{"altered", &imap.AlteredError{}, accountHalt},
		{"faithless", &imap.FidelityError{}, accountHalt},
		{"stopped", imap.ErrStopped, interrupted},
		{"stopped, with the session's end", errors.Join(cmd(imap.KindClosed, "", ""), imap.ErrStopped), interrupted},
		{"cancelled in a call", &bmapi.ConnError{Err: context.Canceled}, interrupted},

		{"secret not to be had", &SecretError{Err: errors.New("no such file")}, accountHalt},
		{"no row any more", &SecretError{Err: ErrNoRow}, accountHalt},
		{"blocked", blocked("do", "so"), accountHalt},
		{"blocked beside others", errors.Join(cmd(imap.KindNo, "EXAMINE", ""), blocked("do", "so")), accountHalt},

		{"state can't be written", &state.FileError{}, wholeRun},
		{"state can't be written, in an append", fmt.Errorf("append: %w", errors.Join(cmd(imap.KindClosed, "", ""), &state.FileError{})), wholeRun},
		{"another account's source", &state.ConflictError{}, accountHalt},
		{"intent refused", &state.IntentError{}, accountHalt},

		{"API: bad gateway", &bmapi.Fault{Status: 502}, again},
		{"API: unavailable", &bmapi.Fault{Status: 503}, again},
		{"API: timeout", &bmapi.Fault{Status: 504}, again},
		{"API: too many", &bmapi.Fault{Status: 429}, again},
		{"API: SQL", &bmapi.Fault{Status: 500, ErrorCode: bmapi.CodeSQLError}, again},
		{"API: not found", &bmapi.Fault{Status: 404, ErrorCode: bmapi.CodeNotFound}, accountHalt},
		{"API: not permitted", &bmapi.Fault{Status: 403, ErrorCode: bmapi.CodePermissionDenied}, accountHalt},
		{"API: bad parameter", &bmapi.Fault{Status: 500, ErrorCode: bmapi.CodeInvalidParameter}, accountHalt},
		{"API: no connection", &bmapi.ConnError{Err: io.EOF}, again},
		{"API: refused login", &bmapi.AuthError{}, accountHalt},
		{"API: task failed", &bmapi.TaskError{}, accountParts},
		{"unknown", errors.New("something else"), accountParts},
	}
	for _, test := range tests {
		for _, err := range []error{test.err, fmt.Errorf("doing so: %w", test.err)} {
			v := judge(err)
			if v.scope != test.want {
				t.Errorf("%s: %v is of scope %d, want %d", test.name, err, v.scope, test.want)
			}
			if v.reason == "" || v.mend == "" {
				t.Errorf("%s: reason %q, mend %q", test.name, v.reason, v.mend)
			}
		}
	}
}

func cmdErr(command string, err error) error {
	return &imap.Error{Kind: imap.KindRefused, Command: command, Err: err}
}

// TestLeaver: who is in the plan and in no row any more needs no secret.
func TestLeaver(t *testing.T) {
	if v := judge(&SecretError{Source: "old", Login: "ada", Err: ErrNoRow}); !strings.Contains(v.mend, "bmsync plan") || strings.Contains(v.mend, "secret") {
		t.Errorf("mend %q", v.mend)
	}
}
