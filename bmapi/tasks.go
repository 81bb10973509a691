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
