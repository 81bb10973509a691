// Package mail keeps the mail of the simulated BlueMind 5: boxes, folders,
// records and bodies, as bm-core keeps them in its database and object store.
//
// A [Box] is the mail of one directory entry. It is made with its default
// folders and holds folders by full name ("Clients/2023"); a mailshare's root
// is a folder that bears the share's name. A folder holds records, one for
// each message; a record points to a body by the SHA-1 of its octets, and a
// body is stored once however many records share it. Expunged records stay,
// marked.
//
// What holds at all times:
//
//   - UIDs of a folder only grow, and a restart gives the same ones: a record
//     is written to the box's log, and its body to a file, before the call
//     that made it returns. With [Options.Sync] both are on disk by then, too.
//   - UIDVALIDITY is the folder's number in the store's own sequence: small,
//     never given twice, another one when a folder is deleted and made again.
//   - Appending costs the same in a folder of ten or of a hundred thousand.
//
// All methods may be called from several goroutines. [Owner] is the lock that
// BlueMind's IMAP endpoint puts around a whole command, one for each box; the
// store itself doesn't need it.
package mail
