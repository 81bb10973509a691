// Package bmapi is a client of BlueMind's REST interface, versions 4 and 5:
// what a migration needs of it, one file a service.
//
// A Client is an address and a way to get there; it holds no secret. A Session
// acts for somebody: an administrator after Login, a user after Su, the owner of
// an API key after Client.WithKey. Both may be used by several goroutines.
//
//	c, err := bmapi.New(bmapi.Options{BaseURL: "https://mail.example.org"})
//	admin, err := c.Login(ctx, "admin0@global.virt", secret)
//	ada, err := admin.Su(ctx, "ada", domain.UID)
//	key, err := ada.CreateKey(ctx, "our run")  // the password for IMAP
//	defer c.DropKey(ctx, key.SID)
//
// # Faults
//
// BlueMind answers HTTP 500 to most of what goes wrong, so a *Fault is judged by
// its code: errors.Is(err, ErrNotFound), ErrAlreadyExists, and so on, or CodeOf.
// Where the server says "nothing there" with 204, a method that promises a thing
// answers ErrNotFound too. A *ConnError tells what became of the connection; its
// cause can be reached with errors.As (x509 errors, deadlines).
//
// # Repetition
//
// Connection faults, HTTP 429, 502, 503, 504 and the codes SQL_ERROR and TIMEOUT are
// tried again a few times, where a repetition does no harm. A BlueMind that has
// answered us and is away now (its core restarts) is waited for: Retry.Outage. If a
// try before the last one ended without an answer, Fault.Repeated is set: an
// ALREADY_EXISTS may then be our own doing, and the caller looks again (MaybeDone). A
// call that must not be repeated blindly ends with an error that is
// ErrOutcomeUnknown.
//
// Work that the server does in a task is awaited, at most 16 at a time. If the server
// has forgotten the task, by a restart, the thing itself is looked at.
//
// # Sessions
//
// A session lives for 20 idle minutes. One with WithRenew, and each by Su, is made anew
// when it is found dead, once for all calls that find it so. A login that is refused
// is not tried again: ErrSessionLost.
//
// # Versions
//
// Versions are told apart by the release (see Version), and where that does not decide,
// as 4.x got some changes late, a call that the server does not know is followed by
// the other version's. What 3.5 can't do is a *VersionError.
//
// # Secrets
//
// Passwords and keys travel in bodies and headers only, never in a query; in a path only
// when a key is deleted. Error texts and logs name a path without them, and server
// texts that repeat one are blanked.
package bmapi
