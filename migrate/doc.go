// Package migrate says what a migration into BlueMind is: it surveys the
// sources into a plan, maps folders, provisions what the target lacks, runs
// accounts with a pool of workers, and proves what became of each message.
//
// It is the only package that decides: bmapi, imap and state say what
// happened, in types; retrying, giving up and calling a person is done here,
// in one outer loop (Run). Nothing here prints, reads flags or the
// environment, or exits: progress leaves as Event values.
//
// Invariants (the laws of the design):
//
//   - a target session is opened only with an imap.Token made from a key of
//     that very user, never with the administrator's secret (token.go);
//   - no mailbox is filled before the API has shown domain, entry, mailbox,
//     routing and default folders (provision.go);
//   - each source message ends in exactly one ledger state, and an account is
//     complete only when the sums balance with what the source says
//     (balance.go);
//   - a target or a source that went back in time blocks its account.
package migrate
