package bmapi

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// TaskRef names work that the server does on its own.
type TaskRef struct {
	ID string `json:"id"`
}

// States of a task.
const (
	TaskNotStarted = "NotStarted"
	TaskInProgress = "InProgress"
	TaskInError    = "InError"
	TaskSuccess    = "Success"
)

// TaskStatus tells how far a task is.
type TaskStatus struct {
	State        string  `json:"state"`
	Steps        float64 `json:"steps"`
	Progress     float64 `json:"progress"`
	LastLogEntry string  `json:"lastLogEntry"`
	Result       string  `json:"result"`
}

// Done tells whether the task has ended, well or not.
func (t TaskStatus) Done() bool { return t.State == TaskInError || t.State == TaskSuccess }

// Task asks once how far a task is; ErrTaskUnknown if the server does not know it.
//
// GET /tasks/{id}
func (s *Session) Task(ctx context.Context, ref TaskRef) (TaskStatus, error) {
	var st TaskStatus
	err := s.do(ctx, "GET", at("/tasks", ref.ID), nil, &st)
	if errors.Is(err, ErrNotFound) {
		// After a restart of the server; ten minutes and more after its end.
		return st, fmt.Errorf("%w: %w", ErrTaskUnknown, err)
	}
	return st, err
}

// maxTasks is how many tasks of ours are under way at a time: as many as BlueMind's core
// runs. More would only wait there, and keep others waiting.
const maxTasks = 16

// begin starts a task and waits for its end, in its turn.
//
// A task that the server has forgotten, by a restart, may have done its work or not.
// Then done looks at the thing itself, and the task is started once more if it is
// not as it should be. So start must be harmless to repeat. done nil: there is
// nothing to look at.
func (s *Session) begin(ctx context.Context, start func() (TaskRef, error), done func() (bool, error)) error {
	select {
	case s.c.tasks <- struct{}{}:
		defer func() { <-s.c.tasks }()
	case <-ctx.Done():
		return fmt.Errorf("wait for a task's turn: %w", context.Cause(ctx))
	}
	for again := false; ; again = true {
		ref, err := start()
		if err != nil {
			return err
		}
		_, err = s.Await(ctx, ref)
		if !errors.Is(err, ErrTaskUnknown) {
			return err
		}
		if done != nil {
			if well, lookErr := done(); well || lookErr != nil {
				return lookErr
			}
		}
		if again {
			return err
		}
	}
}

// starter makes the call that starts a task.
func (s *Session) starter(ctx context.Context, method string, to endpoint, body any) func() (TaskRef, error) {
	return func() (ref TaskRef, err error) {
		err = s.do(ctx, method, to, body, &ref)
		return ref, err
	}
}

// remove deletes an entry and waits for it. gone looks whether it is there no more.
// Some kinds end in error where there was nothing to delete: to look is better than
// to believe.
func (s *Session) remove(ctx context.Context, to endpoint, gone func() (bool, error)) error {
	err := s.begin(ctx, s.starter(ctx, "DELETE", to, nil), gone)
	if _, failed := errors.AsType[*TaskError](err); failed {
		if well, lookErr := gone(); lookErr == nil && well {
			return nil
		}
	}
	return err
}

// isGone makes of a read that promises a thing an answer whether it is gone.
func isGone(err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return false, err
}

// Await asks until the task has ended, in steps of 10 ms growing to 1 s. A task that
// ends in error is a *TaskError. There is no limit but that of ctx.
func (s *Session) Await(ctx context.Context, ref TaskRef) (TaskStatus, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		st, err := s.Task(ctx, ref)
		switch {
		case err != nil:
			return st, err
		case st.State == TaskInError:
			return st, &TaskError{ID: ref.ID, LastLogEntry: clip(st.LastLogEntry)}
		case st.Done():
			return st, nil
		}
		if err := s.c.opts.Retry.Sleep(ctx, pause); err != nil {
			return st, fmt.Errorf("await task %s: %w", ref.ID, err)
		}
	}
}

// TaskLog reads what a task has written.
//
// GET /tasks/{id}/_currentLogs
func (s *Session) TaskLog(ctx context.Context, ref TaskRef) ([]string, error) {
	var lines []string
	err := s.do(ctx, "GET", at("/tasks", ref.ID, "_currentLogs").with("offset", "0"), nil, &lines)
	return lines, err
}
