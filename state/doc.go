// Package state is the ledger of a migration: one SQLite file a target that
// says what was decided and done, from which any run resumes.
//
// # Story
//
// [Open] creates or opens the file, binds it to the identity of one BlueMind
// installation and locks it against a second process. A run is begun
// ([Store.BeginRun]); accounts and folders are ensured (looked up, or made);
// then, batch by batch, [Store.Begin] notes what is about to be appended and
// [Store.Record] what became of it. A message row keeps from its first copy on
// all that later passes compare against.
//
// # Invariants
//
//   - An exported method is one transaction, durable when it returns nil
//     (WAL, synchronous=FULL). A batch is there whole or not at all, whatever
//     kills the process.
//   - A message has one row for each (folder, source UIDVALIDITY, source UID)
//     and hence one [MessageState]. A row of an older UIDVALIDITY stays until
//     [Store.CloseEpoch], and longer where the target has a copy; sums count the
//     present one only.
//   - An open intent is a message of which we don't know whether the target
//     has it. Only Record closes one.
//   - The database decides, memory only caches. No secret is ever in it.
//   - A file of a later format is refused ([NewerError]), one of an earlier
//     format is copied and upgraded.
//
// # Concurrency
//
// All methods of a [Store] may be called from many goroutines. Writes take
// turns on one connection; a cancelled context ends the wait for the turn, but
// not a transaction under way, which lasts milliseconds. Reads have connections
// of their own and see the last commit before they began; an iterator sees one
// snapshot until it ends, and its body may call any method of the store. While
// an iterator is open the write-ahead log can't be trimmed: don't wait for a
// network inside of one.
//
// The package starts no goroutine.
package state
