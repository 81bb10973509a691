// Package objects makes sure of what BlueMind must hold before mail: domains,
// users, shared mailboxes, groups, rights and subscriptions.
//
// A [Maker] is told what is wanted and says what became of it, one [Outcome] an
// object: it looks, compares, and creates or patches what lacks. What is as
// wanted costs reads alone, so that a second run writes nothing; with Maker.Dry
// nothing is ever written, and the outcomes say what would be.
//
// # What is changed, and what is not
//
// Of an object that exists only what the row states is compared. Addresses,
// aliases, members and rights are added, never taken away. What can't be
// patched, or is not ours to patch, is a [Conflict] with the reason and what to
// do about it; the error result is for what could not be asked at all. A
// conflict with an entry beside it does not keep mail out, one without does.
//
// Users and groups that an LDAP or Active Directory owns are found by address
// and never written to. What they lack is a list of [Fix] for the directory's
// administrator. Nobody becomes a user here: that alone would import him.
//
// # Interruption
//
// Uids are computed from domain and name ([bmapi.UserUID]), a creation is noted
// in the [Journal] before it is asked for, and an answer that was lost is
// settled by looking for the uid. The steps after a creation are ordered so that
// what is missing shows: a domain gets the server of its mail as the last of
// all servers, a user of ours without the group "user" was cut short. So a run
// that was killed between any two calls is finished by the next.
//
// # Many at a time
//
// All methods may be called by several goroutines. What must not meet waits in
// here: domains go one at a time, and so do changes of one entry, of one group's
// members and of one mailbox's rights (a PUT of them replaces all).
package objects
