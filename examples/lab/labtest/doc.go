// Package labtest lets tests use the lab of examples/lab: a real Dovecot as a
// source and a real Cyrus as a target.
//
// Open finds the lab that BMSYNC_LAB names, or skips the test. AddDovecotUser and
// WriteMaildir make a source account; Read reads a whole account from any server
// over a small IMAP client of this package's own, and Compare says how two
// accounts differ. None of it shares code with what it is there to judge.
package labtest
