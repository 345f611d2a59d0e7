-- What the store knows of itself.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The store's identity: two nodes with different ones must not share a queue.
INSERT INTO meta (name, value) VALUES ('store_id', lower(hex(randomblob(16))));

-- The last revision given out in each instance. Revisions are counted by instance, not by entry, so that an entry that
-- was deleted and made again never bears an old revision.
CREATE TABLE revisions (
  instance TEXT    NOT NULL PRIMARY KEY,
  last     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE links (
  instance TEXT    NOT NULL,
  kind     TEXT    NOT NULL,
  source   TEXT    NOT NULL,
  target   TEXT    NOT NULL, -- empty: an intent
  hash     TEXT    NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (instance, kind, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX links_by_target ON links (instance, kind, target, source) WHERE target <> '';

CREATE TABLE cursors (
  instance TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  value    BLOB    NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (instance, name)
) STRICT;

-- With a rowid, unlike links: a value may be large, and would make the key's tree deep.
CREATE TABLE vals (
  instance TEXT    NOT NULL,
  key      TEXT    NOT NULL,
  json     BLOB    NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (instance, key)
) STRICT;
