package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"bmsync/migrate"
)

// events renders what the engine tells: a JSON line an event, or a line a
// person reads, with progress summed up every few seconds.
type events struct {
	w    io.Writer
	json bool

	mu       sync.Mutex
	since    time.Time // of the last progress line
	messages int
	bytes    int64
	total    int
}

func (a *app) events() *events { return &events{w: a.stderr, json: a.json, since: time.Now()} }

// progressEvery is how often progress is told.
const progressEvery = 5 * time.Second

// tell is safe for concurrent use.
func (e *events) tell(ev migrate.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.json {
		line, err := json.Marshal(ev)
		if err == nil {
			fmt.Fprintf(e.w, "%s\n", line)
		}
		return
	}
	if ev.Kind == migrate.EventProgress {
		e.progress(ev)
		return
	}
	if line := eventLine(ev); line != "" {
		fmt.Fprintln(e.w, line)
	}
}

func (e *events) progress(ev migrate.Event) {
	e.messages += ev.Messages
	e.bytes += ev.Bytes
	e.total += ev.Messages
	elapsed := ev.At.Sub(e.since)
	if elapsed < progressEvery {
		return
	}
	fmt.Fprintf(e.w, "  %d messages copied, %.0f a second, %s/s\n", e.total, float64(e.messages)/elapsed.Seconds(), migrate.AboutSize(int64(float64(e.bytes)/elapsed.Seconds())))
	e.since, e.messages, e.bytes = ev.At, 0, 0
}

func eventLine(ev migrate.Event) string {
	switch ev.Kind {
	case migrate.EventAccountEnded:
		line := fmt.Sprintf("  %s: %s, %s copied (%s)", ev.Account, ev.Text, many(ev.Messages, "message"), migrate.AboutSize(ev.Bytes))
		if ev.Reason != "" {
			line += "\n      " + ev.Reason
		}
		if ev.Mend != "" {
			line += "\n      → " + ev.Mend
		}
		return line
	case migrate.EventRetry:
		return fmt.Sprintf("  %s: %s; trying again", ev.Account, ev.Reason)
	case migrate.EventSettling:
		return fmt.Sprintf("  %s: %q: asking the target what became of %s without an answer", ev.Account, ev.Folder, many(ev.Messages, "message"))
	case migrate.EventRenamed, migrate.EventRemoved:
		return fmt.Sprintf("  %s: %q: %s", ev.Account, ev.Folder, ev.Text)
	case migrate.EventWarning:
		line := fmt.Sprintf("  %s: warning: %s", ev.Account, ev.Text)
		if ev.Folder != "" {
			line = fmt.Sprintf("  %s: %q: %s", ev.Account, ev.Folder, ev.Text)
		}
		return line
	case migrate.EventSurveyed:
		if ev.Reason != "" {
			return fmt.Sprintf("  %s: could not be looked at: %s", ev.Account, ev.Reason)
		}
		return fmt.Sprintf("  %s: %s in the folders to copy, %s", ev.Account, many(ev.Messages, "message"), migrate.AboutSize(ev.Bytes))
	case migrate.EventObject:
		line := "  " + ev.Text
		if ev.Reason != "" {
			line += ": " + ev.Reason
		}
		if ev.Mend != "" {
			line += "\n      → " + ev.Mend
		}
		return line
	case migrate.EventRights:
		return "  " + ev.Text
	case migrate.EventVerified:
		return fmt.Sprintf("  %s: %s, %s proven", ev.Account, ev.Text, many(ev.Messages, "message"))
	}
	return ""
}
