// Package directory is what the simulated bm-core knows about people: domains,
// servers and their assignments, users, mailshares, groups, rights,
// subscriptions, API keys and sessions, with the rules BlueMind applies when
// they are made or changed.
//
// A [Store] lives in memory; with a folder it writes each record to a file of
// its own, atomically, before a change is visible, so that a killed process
// loses nothing that was answered. An [Entry] is never changed once it is in
// the store: a change stores a new one, and readers need no copies.
//
// Refusals are [*Fault], with BlueMind's error codes.
package directory
