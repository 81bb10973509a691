package bmsim

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bmsync/bmapi/bmsim/internal/directory"
)

// taskRef is what a call that started a task answers.
type taskRef struct {
	ID string `json:"id"`
}

// taskStatus is TaskStatus on the wire.
type taskStatus struct {
	State    string  `json:"state"`
	Steps    float64 `json:"steps"`
	Progress float64 `json:"progress"`
	Last     string  `json:"lastLogEntry"`
	Result   any     `json:"result"`
}

func (t taskStatus) ended() bool { return t.State == "Success" || t.State == "InError" }

// monitor is how a task tells of itself.
type monitor struct {
	mu     sync.Mutex
	status taskStatus
	logs   []string
}

func (m *monitor) step(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.State = "InProgress"
	m.status.Progress++
	m.status.Last = line
	m.logs = append(m.logs, line)
}

func (m *monitor) end(err error, last string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.State, m.status.Result = "Success", ""
	m.status.Progress = m.status.Steps
	if err != nil {
		f := asFault(err)
		m.status.State, m.status.Result, last = "InError", nil, f.Message
	}
	m.status.Last = last
	m.logs = append(m.logs, last)
}

func (m *monitor) get() (taskStatus, []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status, slices.Clone(m.logs)
}

// tasksAtOnce is how many tasks bm-core runs at a time; others wait.
const tasksAtOnce = 16

// tasks are forgotten when bm-core restarts.
type tasks struct {
	wg    sync.WaitGroup
	slots chan struct{}

	mu     sync.Mutex
	all    map[string]*monitor
	parent context.Context
	ctx    context.Context // of the tasks since the last restart
	cancel context.CancelFunc
}

func newTasks(ctx context.Context) *tasks {
	t := &tasks{parent: ctx, slots: make(chan struct{}, tasksAtOnce)}
	t.restart()
	return t
}

// restart forgets all tasks; those that have not begun never will.
func (t *tasks) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel != nil {
		t.cancel()
	}
	t.ctx, t.cancel = context.WithCancel(t.parent)
	t.all = map[string]*monitor{}
}

// run waits for a slot and does the work.
func (t *tasks) run(ctx context.Context, m *monitor, work func(context.Context, *monitor) (string, error)) (string, error) {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.slots }()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return work(ctx, m)
}

// start runs work as a task. An id that is running is refused; one that ended
// may be used again.
func (t *tasks) start(id string, work func(context.Context, *monitor) (last string, err error)) (taskRef, error) {
	if id == "" {
		id = directory.NewUUID()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.all[id]; old != nil {
		if st, _ := old.get(); !st.ended() {
			return taskRef{}, directory.Faultf(directory.Unknown, "task %s is already running", id)
		}
	}
	m := &monitor{status: taskStatus{State: "NotStarted", Steps: 2}}
	t.all[id] = m
	ctx := t.ctx
	t.wg.Go(func() {
		last, err := t.run(ctx, m, work)
		m.end(err, last)
	})
	return taskRef{id}, nil
}

func (t *tasks) get(id string) (*monitor, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.all[id]; m != nil {
		return m, nil
	}
	return nil, directory.Faultf(directory.NotFound, "task %s not found", id)
}

// task starts a task whose faults can be switched.
func (s *Sim) task(c *call, id string, work func(context.Context, *monitor) (string, error)) (any, error) {
	method, path := c.req.Method, c.path
	ref, err := s.tasks.start(id, func(ctx context.Context, m *monitor) (string, error) {
		if f, ok := s.faults.take(SlowTask, method, path); ok {
			if err := pause(ctx, f.Delay); err != nil {
				return "", err
			}
		}
		if _, ok := s.faults.take(FailedTask, method, path); ok {
			return "", directory.Faultf(directory.Unknown, "task failed on purpose")
		}
		return work(ctx, m)
	})
	if err != nil {
		return nil, err
	}
	return ref, nil
}

func (s *Sim) taskRoutes() {
	s.router.add("GET", "/tasks/{id}", func(c *call) (any, error) {
		m, err := s.tasks.get(c.p("id"))
		if err != nil {
			return nil, err
		}
		st, _ := m.get()
		return st, nil
	})
	s.router.add("GET", "/tasks/{id}/_currentLogs", func(c *call) (any, error) {
		m, err := s.tasks.get(c.p("id"))
		if err != nil {
			return nil, err
		}
		_, logs := m.get()
		from := 0
		if s.level >= 5 {
			from, _ = strconv.Atoi(c.q("offset"))
		}
		return logs[min(max(from, 0), len(logs)):], nil
	})
	s.router.add("GET", "/tasks/{id}/_log", func(c *call) (any, error) {
		m, err := s.tasks.get(c.p("id"))
		if err != nil {
			return nil, err
		}
		return taskLog(m), nil
	})
}

// taskLog is the log as far as it goes: one JSON object a line, the last with
// the status when the task has ended.
func taskLog(m *monitor) stream {
	st, logs := m.get()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for i, line := range logs {
		row := map[string]any{"done": float64(i), "total": st.Steps, "message": line, "end": false}
		if st.ended() && i == len(logs)-1 {
			status, _ := json.Marshal(st) // strings and numbers only
			row["end"], row["status"] = true, string(status)
		}
		enc.Encode(row)
	}
	return stream{"application/octet-stream", io.NopCloser(strings.NewReader(b.String()))}
}
