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
// tried again a few times, where a repetition does no harm. If a try before the
// last one ended without an answer, Fault.Repeated is set: an ALREADY_EXISTS may
// then be our own doing, and the caller looks again. A call that must not be
// repeated blindly ends with an error that is ErrOutcomeUnknown.
//
// # Secrets
//
// Passwords and keys travel in bodies and headers only, never in a query. Error
// texts and logs name a path without them, and server texts that repeat one are
// blanked.
package bmapi
