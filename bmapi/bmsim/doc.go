// Package bmsim is an embedded BlueMind: the REST core, the mail proxy with TLS
// in front, and behind it version 5's own IMAP endpoint or, for version 4, a
// real Cyrus. Without one, and in 3.5, there is REST alone. It serves tests, "bmsync
// sim" and "bmsync demo".
//
// [Start] makes a [Sim]. With a folder, everything is kept there and written
// before it is answered, so that a simulator that was killed goes on with the
// same domains, keys, sessions, UIDs and messages.
//
// What clients did is in the [Journal], which never holds a secret and marks the
// calls that ask for a change; what goes wrong on purpose is set in [Faults], which
// can also call a function at each REST call; [Sim.Snapshot] is all that was
// provisioned, as a text to compare. All three are also reached over the control
// address /sim, outside /api, with the administrator's password in the header
// X-Sim-Password.
//
// A domain can have a [Directory], an LDAP or AD that owns its users: they have
// external ids, and who waits there is made a user by the first _su or login.
//
// The REST surface is the one of BlueMind's documentation that a migrator
// needs: provisioning, tokens, verification, in 3.5, 4 and 5 as each has it. Its
// odd sides are kept: raw paths and "+" as a space, chunked bodies refused, HTTP
// 500 for most faults, 204 for null, a refused login that is HTTP 200.
package bmsim
