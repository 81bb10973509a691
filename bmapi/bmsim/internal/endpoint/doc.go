// Package endpoint is the simulator's copy of BlueMind 5's IMAP endpoint: what
// bm-core answers on port 1143, behind the mail proxy, over a [mail.Store].
//
// It is small and it is not a good IMAP server: it does what BlueMind does, the
// faults included, so that a client that copes with it copes with BlueMind.
// Where a comment says "BlueMind" it states what was read in its source.
//
// A connection is two goroutines. The reader cuts the octets into commands,
// asks for literals and answers what it can't read; it puts the rest in a queue
// from which the runner takes one command after another. So answers keep the
// order of commands, but "+ OK" and BAD overtake them, as they do in BlueMind.
// When a client leaves, what it had sent is executed all the same.
//
// Around a command the runner holds the lock of the box that it reads or writes
// (see [mail.Owner]); there is one writer at a time for each box, whoever it is.
//
// Left out: ENVELOPE, BODYSTRUCTURE and single MIME parts of FETCH, and the
// full-text keys of SEARCH. They are treated as what BlueMind doesn't know.
package endpoint
