-- A file of format 1 as the first release wrote it. Never changed.

CREATE TABLE identity (
	one          INTEGER PRIMARY KEY CHECK (one = 1),
	target       TEXT    NOT NULL,
	installation TEXT    NOT NULL,
	version      INTEGER NOT NULL,
	rehearsal    INTEGER NOT NULL CHECK (rehearsal IN (0, 1)),
	url          TEXT    NOT NULL
) STRICT;

CREATE TABLE runs (
	id                INTEGER PRIMARY KEY,
	name              TEXT    NOT NULL UNIQUE,
	host              TEXT    NOT NULL,
	pid               INTEGER NOT NULL,
	policy_digest     TEXT    NOT NULL,
	plan_sha256       TEXT    NOT NULL,
	command           TEXT    NOT NULL,
	without_rehearsal TEXT    NOT NULL,
	started           INTEGER NOT NULL,
	ended             INTEGER NOT NULL DEFAULT 0,
	exit              INTEGER NOT NULL DEFAULT 0,
	summary           TEXT    NOT NULL DEFAULT '',
	file              TEXT    NOT NULL DEFAULT '' -- in which it was begun, see run.go
) STRICT;

CREATE TABLE accounts (
	id                 INTEGER PRIMARY KEY,
	source             TEXT    NOT NULL,
	source_login       TEXT    NOT NULL,
	source_folder      TEXT    NOT NULL,
	address            TEXT    NOT NULL COLLATE NOCASE,
	kind               TEXT    NOT NULL,
	wave               TEXT    NOT NULL DEFAULT '',
	account_digest     TEXT    NOT NULL DEFAULT '',
	policy_digest      TEXT    NOT NULL DEFAULT '',
	domain_uid         TEXT    NOT NULL DEFAULT '',
	entry_uid          TEXT    NOT NULL DEFAULT '',
	phase              TEXT    NOT NULL DEFAULT 'presync',
	state              TEXT    NOT NULL DEFAULT 'pending',
	reason             TEXT    NOT NULL DEFAULT '',
	mend               TEXT    NOT NULL DEFAULT '',
	created            INTEGER NOT NULL DEFAULT 0,
	source_fingerprint TEXT    NOT NULL DEFAULT '',
	started_at         INTEGER NOT NULL DEFAULT 0,
	ended_at           INTEGER NOT NULL DEFAULT 0,
	verified_at        INTEGER NOT NULL DEFAULT 0,
	verified_policy    TEXT    NOT NULL DEFAULT '',
	verified_result    TEXT    NOT NULL DEFAULT '',
	told               TEXT    NOT NULL DEFAULT '',
	adopt              INTEGER NOT NULL DEFAULT 0,
	writer             TEXT    NOT NULL DEFAULT '',
	-- The wrong-account guard: a source goes to one place, a place has one source.
	UNIQUE (source, source_login, source_folder, kind),
	UNIQUE (address, kind, source_folder)
) STRICT;

CREATE TABLE folders (
	id              INTEGER PRIMARY KEY,
	account         INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	source_wire     TEXT    NOT NULL,
	source          TEXT    NOT NULL,
	target          TEXT    NOT NULL,
	rule            TEXT    NOT NULL,
	reason          TEXT    NOT NULL,
	role            TEXT    NOT NULL,
	late            INTEGER NOT NULL,
	src_uidvalidity INTEGER NOT NULL,
	src_uidnext     INTEGER NOT NULL,
	src_exists      INTEGER NOT NULL,
	src_modseq      INTEGER NOT NULL,
	dst_uidvalidity INTEGER NOT NULL,
	dst_uidnext     INTEGER NOT NULL,
	dst_exists      INTEGER NOT NULL,
	dst_modseq      INTEGER NOT NULL,
	dst_max_uid     INTEGER NOT NULL,
	listed_at       INTEGER NOT NULL,
	complete        INTEGER NOT NULL,
	rules           TEXT    NOT NULL,
	fault           TEXT    NOT NULL,
	part            TEXT    NOT NULL,
	was             TEXT    NOT NULL DEFAULT '',
	wanted          TEXT    NOT NULL DEFAULT '',
	in_full         INTEGER NOT NULL DEFAULT 0,
	UNIQUE (account, source_wire, part)
) STRICT;

CREATE TABLE made_folders (
	account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	target  TEXT    NOT NULL,
	run     INTEGER NOT NULL,
	PRIMARY KEY (account, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE renames (
	account     INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	from_target TEXT    NOT NULL,
	to_target   TEXT    NOT NULL,
	run         INTEGER NOT NULL
) STRICT;

CREATE TABLE messages (
	folder          INTEGER NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
	src_uidvalidity INTEGER NOT NULL,
	src_uid         INTEGER NOT NULL,
	state           INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6),
	marks           INTEGER NOT NULL, -- 1 gone from the target, 2 written by us, 4 to be removed there by us, 8 left there
	dst_uidvalidity INTEGER NOT NULL,
	dst_uid         INTEGER NOT NULL,
	size            INTEGER NOT NULL, -- -1 unknown
	date            INTEGER,          -- INTERNALDATE, seconds since 1970
	zone            INTEGER,          -- its zone, minutes east of Greenwich
	flags           TEXT,
	sha1            BLOB,
	sha256          BLOB,
	date_text       TEXT,             -- INTERNALDATE as sent, where it can't be read
	reason          TEXT,
	decider         TEXT,             -- who refused
	repaired        BLOB,             -- what was sent instead: SHA-1, SHA-256, size (8 octets)
	note            TEXT,
	PRIMARY KEY (folder, src_uidvalidity, src_uid)
) STRICT, WITHOUT ROWID;

-- Copies by their place on the target, which are gone through page by page.
CREATE INDEX messages_by_copy ON messages (folder, src_uidvalidity, dst_uid) WHERE dst_uid > 0;

CREATE TABLE intents (
	folder          INTEGER NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
	src_uidvalidity INTEGER NOT NULL,
	src_uid         INTEGER NOT NULL,
	dst_uidvalidity INTEGER NOT NULL,
	dst_uidnext     INTEGER NOT NULL,
	size            INTEGER NOT NULL,
	date            INTEGER,
	zone            INTEGER,
	flags           TEXT,
	sha1            BLOB    NOT NULL,
	sha256          BLOB    NOT NULL,
	munged          BLOB,             -- SHA-1 with 8-bit header octets replaced, if there are any
	begun           INTEGER NOT NULL,
	run             INTEGER NOT NULL,
	repaired        BLOB,             -- as messages.repaired
	date_text       TEXT,
	note            TEXT,
	PRIMARY KEY (folder, src_uidvalidity, src_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE doubts (
	folder          INTEGER NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
	src_uidvalidity INTEGER NOT NULL,
	src_uid         INTEGER NOT NULL,
	dst_uidvalidity INTEGER NOT NULL,
	dst_uidnext     INTEGER NOT NULL,
	size            INTEGER NOT NULL,
	date            INTEGER,
	zone            INTEGER,
	sha1            BLOB    NOT NULL,
	munged          BLOB,
	since           INTEGER NOT NULL,
	PRIMARY KEY (folder, src_uidvalidity, src_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE verifications (
	id             INTEGER PRIMARY KEY,
	account        INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	policy_digest  TEXT    NOT NULL,
	account_digest TEXT    NOT NULL,
	at             INTEGER NOT NULL,
	ok             INTEGER NOT NULL CHECK (ok IN (0, 1)),
	messages       INTEGER NOT NULL,
	bytes          INTEGER NOT NULL,
	findings       TEXT    NOT NULL -- a JSON array of strings
) STRICT;
CREATE INDEX verifications_by_account ON verifications (account);

-- What runs created on the target, beside mail: noted before the call that
-- creates it, done after its answer. Withdrawn rows stay, for the record.
CREATE TABLE objects (
	id         INTEGER PRIMARY KEY,
	kind       TEXT    NOT NULL,
	domain_uid TEXT    NOT NULL,
	uid        TEXT    NOT NULL,
	part       TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	detail     TEXT    NOT NULL,
	run        INTEGER NOT NULL,
	begun      INTEGER NOT NULL,
	done       INTEGER NOT NULL DEFAULT 0,
	withdrawn  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX objects_present ON objects (kind, domain_uid, uid, part) WHERE withdrawn = 0;

-- What stands against the plan on the target, as runs last saw it: objects that
-- a person must decide about.
CREATE TABLE conflicts (
	kind   TEXT    NOT NULL,
	domain TEXT    NOT NULL,
	name   TEXT    NOT NULL,
	text   TEXT    NOT NULL, -- the outcome, JSON
	run    INTEGER NOT NULL,
	seen   INTEGER NOT NULL,
	PRIMARY KEY (kind, domain, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE sums (
	folder          INTEGER NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
	src_uidvalidity INTEGER NOT NULL,
	state           INTEGER NOT NULL,
	messages        INTEGER NOT NULL,
	bytes           INTEGER NOT NULL,
	PRIMARY KEY (folder, src_uidvalidity, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER messages_inserted AFTER INSERT ON messages BEGIN
	INSERT INTO sums VALUES (new.folder, new.src_uidvalidity, new.state, 1, max(new.size, 0))
	ON CONFLICT DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER messages_updated AFTER UPDATE OF state, size ON messages
WHEN old.state <> new.state OR old.size <> new.size BEGIN
	UPDATE sums SET messages = messages - 1, bytes = bytes - max(old.size, 0)
	WHERE folder = old.folder AND src_uidvalidity = old.src_uidvalidity AND state = old.state;
	INSERT INTO sums VALUES (new.folder, new.src_uidvalidity, new.state, 1, max(new.size, 0))
	ON CONFLICT DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes;
END;

CREATE TRIGGER messages_deleted AFTER DELETE ON messages BEGIN
	UPDATE sums SET messages = messages - 1, bytes = bytes - max(old.size, 0)
	WHERE folder = old.folder AND src_uidvalidity = old.src_uidvalidity AND state = old.state;
END;

INSERT INTO identity VALUES (1, 'test', 'bm-1', 5, 1, 'https://bm.test');
INSERT INTO runs VALUES (1, 'night-1', 'host', 77, 'pd', 'ps', 'run --target test', '', 1767225600000000000, 1767229200000000000, 3, 'partial', '');
INSERT INTO accounts (id, source, source_login, source_folder, address, kind, state) VALUES (1, 'old', 'anna', '', 'anna@x.test', 'user', 'partial');
INSERT INTO folders VALUES (1, 1, 'INBOX', 'INBOX', 'INBOX', 'default', '', 'inbox', 0, 1700000000, 4, 3, 0, 1750000000, 12, 2, 0, 11, 1767225600000000000, 0, '', 'one is open', '', '', '', 0);
INSERT INTO messages VALUES (1, 1700000000, 1, 1, 2, 1750000000, 10, 2001, 1600000060, 120, 'S', unhex('3f29546453678b855931c174a97d6c0894b8f546'), unhex('b40711a88c7039756fb8a73827eabe2c0fe5a0346ca7e0a104adc0fc764f528d'), NULL, NULL, NULL, NULL, NULL);
INSERT INTO messages VALUES (1, 1700000000, 2, 4, 0, 0, 0, 2002, NULL, NULL, ' Work', NULL, NULL, '"yesterday"', 'Message contains NUL characters', 'target', NULL, 'n');
INSERT INTO intents VALUES (1, 1700000000, 3, 1750000000, 12, 2003, 1600000180, -210, 'AS $Forwarded', unhex('0100000000000000000000000000000000000002'), unhex('0300000000000000000000000000000000000000000000000000000000000004'), NULL, 1767225600000000000, 1, NULL, NULL, NULL);
INSERT INTO doubts VALUES (1, 1700000000, 2, 1750000000, 9, 2002, NULL, NULL, unhex('0100000000000000000000000000000000000002'), NULL, 1767225600000000000);
INSERT INTO objects VALUES (1, 'user', 'x.test', 'uid-anna', '', 'anna@x.test', '', 1, 1767225600000000000, 1767225601000000000, 0);
INSERT INTO conflicts VALUES ('group', 'x.test', 'staff', '{}', 1, 1767225600000000000);
INSERT INTO verifications VALUES (1, 1, 'pd', 'ad', 1767225600000000000, 0, 1, 2001, '["one is open"]');

PRAGMA application_id = 1651340153;
PRAGMA user_version = 1;
