// Package cyrus puts a real Cyrus behind the simulator: BlueMind 4's shape.
//
// There, mail is Cyrus's. bm-core keeps the directory, answers Cyrus's question
// whether a secret is right, makes boxes as the administrator admin0, and serves
// over REST what Cyrus holds. So does this package:
//
//   - [ListenAuth] and [ServeAuth] are the saslauthd socket that Cyrus asks.
//   - [Server] makes, grants, limits and removes boxes ([mail.Boxes]), and a new
//     domain's partition.
//   - [Server] also reads boxes for REST ([mail.View]). bm-core knows Cyrus's mail
//     by replication, some moments late; this view asks Cyrus itself and is never
//     late. A folder's uid is Cyrus's uniqueid, as in BlueMind 4.
//
// \Seen is each user's own in Cyrus, so a user's box is read as that user (PLAIN
// with authorisation identity). A mailshare is read as the administrator: there,
// BlueMind has the seen state shared.
package cyrus
