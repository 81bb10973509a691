package migrate

import (
	"time"

	"bmsync/migrate/objects"
)

// EventKind says what an Event is about; the words are stable, programs may
// go by them.
type EventKind string

// The kinds of events.
const (
	EventRunStarted   EventKind = "run.started"
	EventRunEnded     EventKind = "run.ended"
	EventAccount      EventKind = "account.started"
	EventProvisioned  EventKind = "account.provisioned" // Text: created, or as wanted
	EventAccountEnded EventKind = "account.ended"       // Text: its state; Reason, Mend
	EventFolder       EventKind = "folder.done"
	EventProgress     EventKind = "progress"       // Messages and Bytes since the last one
	EventRetry        EventKind = "retry"          // a session broke; Reason
	EventRenamed      EventKind = "folder.renamed" // at the source; Folder: its name now; Text
	EventRemoved      EventKind = "folder.removed" // from the target, since it is gone from the source; Text
	EventSettling     EventKind = "settling"       // asks the target what became of appends without an answer
	EventWarning      EventKind = "warning"
	EventSurveyed     EventKind = "account.surveyed"
	EventWould        EventKind = "would" // dry run: what a run would do
	EventVerified     EventKind = "account.verified"
	EventObject       EventKind = "object" // of the target, was made or changed, or stands against the plan; Object
	EventRights       EventKind = "rights" // the final run is about to set some; Text
)

// Event is something that happened. It carries addresses and folder names,
// never a secret, a subject or a message.
type Event struct {
	At       time.Time `json:"at"`
	Kind     EventKind `json:"kind"`
	Account  string    `json:"account,omitempty"`
	Folder   string    `json:"folder,omitempty"`
	Text     string    `json:"text,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Mend     string    `json:"mend,omitempty"`
	Messages int       `json:"messages,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`

	Object *objects.Outcome `json:"object,omitempty"`
}
