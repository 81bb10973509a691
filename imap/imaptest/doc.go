// Package imaptest imitates the servers that mail comes from. It has three
// parts, none of which knows the rest of bmsync:
//
//   - [Server] is a small IMAP4rev1 server (RFC 3501 with LITERAL+, UIDPLUS,
//     MOVE, SPECIAL-USE, LIST-STATUS, CONDSTORE …) over a store of its own. It
//     serves on the loopback only, keeps every octet, flag spelling, keyword,
//     zone and UID it was given, and can be changed while sessions run, as a
//     real source is. [Quirks] and [Trap] make it misbehave on purpose.
//   - [Script] plays one side of a transcript, for servers that no honest
//     implementation imitates.
//   - [FaultConn] and [FaultProxy] stand between two honest peers and cut,
//     stall, delay or crumble what passes.
//
// [NewCorpus] fills a store with varied mail, the same for the same seed;
// [Awkward] lists messages that strict targets refuse.
//
// Invariants:
//
//   - One mutex guards a server's store. It is never held while a byte is
//     written to a client, so that a client that stops reading stops nobody.
//   - A message's flag slice and body are never changed in place.
//   - Every goroutine ends before the Close of what started it returns.
//   - The journal holds no secret; the index of a kept store does hold the
//     passwords of the embedded users, which are worth nothing elsewhere.
package imaptest
