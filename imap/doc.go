// Package imap holds IMAP sessions and the copy engine on top of them.
//
// # Sessions
//
// A Source reads and can't change anything: its connection has a list of the
// verbs that may leave the machine, and an unlisted one is refused before a
// byte is sent. A Target is entered by a Token only. What both can do is
// their Session.
//
// # The connection
//
// A session's connection is a conn of our own under emersion/go-imap:
//
//	socket (deadlines by progress, quick acknowledgements)
//	  └ TLS, if any
//	      └ conn: responses in, vetted commands out, trace, first error kept
//	          ├ go-imap: SELECT, EXAMINE, CREATE, DELETE, SUBSCRIBE, NOOP, …
//	          └ the raw door: LIST, STATUS, FETCH, STORE, APPEND, MULTIAPPEND,
//	            and what leaves together with one of them
//
// go-imap's decoder goroutine is the only one that waits for the server
// between commands. While the raw door is open that goroutine lends the
// responses, or itself, to the door instead of go-imap; no blocked read has
// ever to be woken. go-imap is given the few simple responses its command
// needs, written anew in a form it can read; all else is counted and dropped.
//
// # The copy
//
//	pages: what the source lists ─ Compare with the ledger ─ what is to be copied
//	reader: FETCH, several batches ahead → spools (memory by budget, else files)
//	writer: intents, MULTIAPPEND or APPENDs → answers, in any number → outcomes
//
// Of both servers so much is asked ahead as a round trip holds, by what the
// answers show (see pace and ahead), and never more than can be settled: all that
// is under way has its intent, and is looked for by content after a broken
// connection. Intents and outcomes are kept in as few transactions as the answers
// allow. A command of several messages that is refused goes again in halves.
//
// # Invariants
//
//   - A command is vetted as a whole line before its first byte leaves.
//   - The first error of a session is kept, and says why all later calls fail.
//     A session that failed inside a command or a literal is never used again.
//   - While an answer is due, a connection on which no byte moves for
//     Options.Idle is dead. There are no other limits: a slow transfer lives.
//   - The end of a context closes the connection at once; the error is the
//     context's cause.
//   - A body that ends early is an error, never a short body.
//   - Secrets are in no error and no trace.
//
// One session belongs to one goroutine at a time, but for an Appender, whose
// Send and Receive may run in two.
package imap
