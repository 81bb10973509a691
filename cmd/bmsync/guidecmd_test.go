package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bmsync/migrate"
)

// production makes the lab's target one that people will use.
func (l *checkLab) production() {
	l.t.Helper()
	l.edit("bmsync.yaml", "rehearsal: true", "rehearsal: false")
}

func (l *checkLab) edit(name, from, to string) {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(name, strings.Replace(string(text), from, to, 1))
}

// ask runs check --ask for a person who types, and wants an exit code.
func (l *checkLab) ask(want int, typed io.Reader, stop <-chan struct{}, args ...string) (stdout, stderr string) {
	l.t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdout: &out, stderr: &errs, env: func(string) (string, bool) { return "", false }, stop: stop, network: testNetwork(""),
		terminal: func() (io.Reader, bool) { return typed, typed != nil }}
	args = append([]string{"check", "--ask", "--config", filepath.Join(l.dir, "bmsync.yaml")}, args...)
	if got := a.run(context.WithoutCancel(l.t.Context()), args); got != want {
		l.t.Errorf("exit %d, want %d\n%s%s", got, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func (l *checkLab) answers() []migrate.Answer {
	l.t.Helper()
	list, _, err := migrate.ReadAnswers(migrate.AnswersPath(filepath.Join(l.dir, "state"), "test"))
	if err != nil {
		l.t.Fatal(err)
	}
	return list
}

func TestAskOnATerminal(t *testing.T) {
	l := newCheckLab(t)
	l.production()

	// One yes with a note, one no, a word that is none, one yes; then enough.
	out, _ := l.ask(exitBlocked, strings.NewReader("Ada Martin\ny\nby hand\nn\nperhaps\ny\n\nq\n"), nil)
	hasLine(t, out, "Open questions for target test: 7.", "y: it holds")
	hasLine(t, out, "1 of 7, clean-server: The test server is reinstalled", "")
	hasLine(t, out, "2 of 7, archives-3.5:", "")
	hasLine(t, out, "2 confirmed, 5 open", "")
	got := l.answers()
	if len(got) != 2 || got[0].Rule != "clean-server" || got[0].By != "Ada Martin" || got[0].Note != "by hand" || got[1].Rule != "disk" || got[1].Note != "" {
		t.Fatalf("%+v", got)
	}

	// In French, by a name that is given, until the end of what is typed.
	out, _ = l.ask(exitBlocked, strings.NewReader("oui\n\nnon\n"), nil, "--lang", "fr", "--by", "Bob")
	hasLine(t, out, "1 sur 5, archives-3.5: Les archives d'un BlueMind 3.5", "")
	hasLine(t, out, "1 confirmées, 4 ouvertes", "")
	if got := l.answers(); len(got) != 3 || got[2].By != "Bob" {
		t.Fatalf("%+v", got)
	}

	out, _ = l.ask(0, strings.NewReader(strings.Repeat("y\n\n", 4)), nil, "--by", "Bob")
	hasLine(t, out, "4 confirmed, 0 open", "")
	out, _ = l.ask(0, strings.NewReader(""), nil)
	hasLine(t, out, "No question is open for target test", "")
}

func TestAskWithoutAName(t *testing.T) {
	l := newCheckLab(t)
	l.production()
	_, errs := l.ask(exitUsage, strings.NewReader("\ny\n\n"), nil)
	hasLine(t, errs, "bmsync: the name of who answers is missing", "")
	l.ask(exitBlocked, strings.NewReader(""), nil) // the terminal was closed
	if got := l.answers(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestAskWithoutATerminal(t *testing.T) {
	l := newCheckLab(t)
	l.production()
	_, errs := l.ask(exitUsage, nil, nil)
	hasLine(t, errs, "bmsync: --ask asks a person on a terminal", "")
	_, errs = l.ask(exitUsage, strings.NewReader("y\n"), nil, "--json")
	if !strings.Contains(errs, "--ask asks a person on a terminal") {
		t.Error(errs)
	}
}

func TestAskStops(t *testing.T) {
	l := newCheckLab(t)
	l.production()
	typed, person := io.Pipe()
	defer person.Close()
	stop := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() { close(stop) }) // whether it asks already or still looks
	l.ask(exitInterrupted, typed, stop)
	if got := l.answers(); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestAskOfATargetThatDoesNotAnswer(t *testing.T) {
	l := newCheckLab(t)
	l.production()
	l.edit("bmsync.yaml", l.sim.URL(), "https://127.0.0.1:9")
	out, _ := l.ask(exitBlocked, strings.NewReader("Ada\ny\n"), nil)
	hasLine(t, out, "BLOCK    target", "")
	if strings.Contains(out, "Your name") {
		t.Error("it asks what nobody can answer now")
	}
}
