-- The newest format. An older file comes here by the steps in upgrades.go; a
-- test holds both to the same result.
--
-- Times of runs, accounts and so on are nanoseconds since 1970, 0 for never.
-- Flags are written as in flags.go.

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
	part            TEXT    NOT NULL, -- of a source folder that is split; '' is the whole
	was             TEXT    NOT NULL DEFAULT '', -- its name at the source when it was first copied, if it is another now
	wanted          TEXT    NOT NULL DEFAULT '', -- target to which its present one is to be renamed; '' is none
	in_full         INTEGER NOT NULL DEFAULT 0, -- when its source was last listed message by message
	UNIQUE (account, source_wire, part)
) STRICT;

-- Folders of the target that runs made, noted before the call.
CREATE TABLE made_folders (
	account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	target  TEXT    NOT NULL,
	run     INTEGER NOT NULL,
	PRIMARY KEY (account, target)
) STRICT, WITHOUT ROWID;

-- The RENAME on the target whose outcome is not recorded yet.
CREATE TABLE renames (
	account     INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	from_target TEXT    NOT NULL,
	to_target   TEXT    NOT NULL,
	run         INTEGER NOT NULL
) STRICT;

-- One row a source message, about 130 bytes with its index. NULL is "not known" or "none".
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

-- Counts by state, kept by the triggers below inside each transaction, so that
-- status need not read millions of rows. Store.Check counts again.
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
