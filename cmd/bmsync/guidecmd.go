package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"bmsync/imap"
	"bmsync/migrate"
)

// guide prints the page on BlueMind's roll-out guide.
func (a *app) guide(res migrate.CheckResult, language string) error {
	page, err := migrate.NewGuide(res, migrate.GuideOptions{Language: language, Written: time.Now()})
	if err != nil {
		return err
	}
	return a.result(page, page.Markdown)
}

// answer records what a person says of rules.
func (a *app) answer(ctx context.Context, j *job, f checkFlags) error {
	o, err := checkOptions(j, nil)
	if err != nil {
		return err
	}
	rules, withdraw := f.confirm, false
	if f.withdraw != nil {
		rules, withdraw = f.withdraw, true
	}
	ctx, end := a.untilStopped(ctx)
	defer end()
	list, err := migrate.RecordAnswers(ctx, migrate.AnswerOptions{Target: o.Target, StateDir: o.StateDir, Plan: o.Plan, Rules: rules, By: f.by, Note: f.note,
		Withdraw: withdraw, Logger: o.Logger})
	if err != nil {
		return answerError(err)
	}
	if list == nil {
		list = []migrate.Answer{}
	}
	return a.result(list, func(w io.Writer) error {
		for _, one := range list {
			fmt.Fprintf(w, "%s: %s by %s\n", one.Rule, one.Answer, one.By)
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "Nothing of it was confirmed; nothing is withdrawn")
		}
		_, err := fmt.Fprintf(w, "What is still open: %s check --target %s\n", a.again(), o.Target.Name)
		return err
	})
}

// answerError turns a wrong answer into a mistake in how the command was
// called.
func answerError(err error) error {
	if e, ok := errors.AsType[*migrate.AnswerError](err); ok {
		return &usageError{&hintError{err, e.Mend}}
	}
	return err
}

// keyboard is standard input where a person types, and false where it is a
// file, a pipe or nothing.
func (a *app) keyboard() (io.Reader, bool) {
	if a.terminal != nil {
		return a.terminal()
	}
	in, err := os.Stdin.Stat()
	if err != nil || in.Mode()&os.ModeCharDevice == 0 {
		return nil, false
	}
	null, err := os.Stat(os.DevNull)
	return os.Stdin, err != nil || !os.SameFile(in, null)
}

// askAll asks what is open, one question after the other, and records each
// answer at once.
func (a *app) askAll(ctx context.Context, j *job, f checkFlags) error {
	in, ok := a.keyboard()
	if !ok || a.json {
		return &usageError{&hintError{errors.New("--ask asks a person on a terminal"), "without one: bmsync check --target " + j.target.Name + " --confirm RULE --by NAME"}}
	}
	o, err := checkOptions(j, nil)
	if err != nil {
		return err
	}
	o.Phase, o.Stop, o.QuestionsOnly = migrate.Phase(f.phase), a.stop, true
	res, err := migrate.Check(ctx, o)
	if err != nil {
		return err
	}
	if res.Installation == "" {
		if err := (checkText{res, a.again()}).write(a.stdout); err != nil {
			return err
		}
		return &exitError{code: exitBlocked}
	}
	ctx, end := a.untilStopped(ctx)
	defer end()
	q := &interview{a: a, lines: typed(ctx, in), options: o, by: f.by, language: f.lang}
	open, err := q.hold(ctx, res.Questions())
	if err != nil {
		return answerError(err)
	}
	if open > 0 {
		return &exitError{code: exitBlocked}
	}
	return nil
}

// typed gives what is typed, line by line, until the end. Reading from a
// terminal can't be interrupted: after Ctrl-C it is left to end with the
// process.
func typed(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case lines <- strings.TrimSpace(s.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// interview asks a person.
type interview struct {
	a            *app
	lines        <-chan string
	options      migrate.CheckOptions
	by, language string
}

// prompts are what an interview says, in one language.
type prompts struct{ none, begin, how, name, word, note, end, place string }

var interviewIn = map[string]prompts{
	"en": {none: "No question is open for target %s\n", begin: "Open questions for target %s: %d. y: it holds; n: not, or not yet; q: enough\n",
		how: "How to see to each: bmsync check --target %s --guide\n", name: "Your name: ", word: "y, n or q: ", note: "Note, if any: ",
		end: "\n%d confirmed, %d open\n", place: "%d of %d"},
	"fr": {none: "Aucune question n'est ouverte pour la cible %s\n", begin: "Questions ouvertes pour la cible %s : %d. o : c'est le cas ; n : non, ou pas encore ; q : assez\n",
		how: "Comment s'assurer de chacune : bmsync check --target %s --guide --lang fr\n", name: "Votre nom : ", word: "o, n ou q : ", note: "Remarque, s'il y a lieu : ",
		end: "\n%d confirmées, %d ouvertes\n", place: "%d sur %d"},
}

// errEnough says that the person has gone.
var errEnough = errors.New("enough")

// hold asks all questions, and says how many stay open.
func (q *interview) hold(ctx context.Context, questions []migrate.Question) (open int, err error) {
	w, say, target := q.a.stdout, interviewIn[q.language], q.options.Target.Name
	if len(questions) == 0 {
		_, err := fmt.Fprintf(w, say.none, target)
		return 0, err
	}
	fmt.Fprintf(w, say.begin, target, len(questions))
	fmt.Fprintf(w, say.how, target)
	if q.by == "" {
		if q.by, err = q.line(ctx, say.name); err != nil {
			return len(questions), q.left(err)
		}
	}
	for i, one := range questions {
		confirmed, err := q.one(ctx, fmt.Sprintf(say.place, i+1, len(questions)), one)
		if errors.Is(err, errEnough) {
			open += len(questions) - i
			break
		}
		if err != nil {
			return 0, err
		}
		if !confirmed {
			open++
		}
	}
	_, err = fmt.Fprintf(w, say.end, len(questions)-open, open)
	return open, err
}

func (q *interview) left(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// one asks one question.
func (q *interview) one(ctx context.Context, place string, question migrate.Question) (confirmed bool, err error) {
	text := question.Text
	if q.language != "en" {
		text = question.Asked(q.language)
	}
	fmt.Fprintf(q.a.stdout, "\n%s, %s: %s\n", place, question.ID, text)
	for {
		word, err := q.line(ctx, interviewIn[q.language].word)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(word) {
		case "y", "yes", "o", "oui":
			note, err := q.line(ctx, interviewIn[q.language].note)
			if err != nil && !errors.Is(err, errEnough) {
				return false, err
			}
			_, err = migrate.RecordAnswers(ctx, migrate.AnswerOptions{Target: q.options.Target, StateDir: q.options.StateDir, Plan: q.options.Plan,
				Rules: []string{question.ID}, By: q.by, Note: note, Logger: q.options.Logger})
			return err == nil, err
		case "n", "no", "non":
			return false, nil
		case "q", "quit":
			return false, errEnough
		}
	}
}

// line asks for one line.
func (q *interview) line(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(q.a.stdout, prompt)
	select {
	case line, ok := <-q.lines:
		if !ok {
			return "", errEnough
		}
		return line, nil
	case <-ctx.Done():
		return "", imap.ErrStopped
	}
}
