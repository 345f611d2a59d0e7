-- Jobs that were accepted while the queue was away, in the order of acceptance. AUTOINCREMENT: a number is never used
-- twice, so a late removal can't hit a newer row.
CREATE TABLE spool (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  node        TEXT    NOT NULL,
  queue       TEXT    NOT NULL,
  job_id      TEXT    NOT NULL,
  payload     BLOB    NOT NULL,
  accepted_at INTEGER NOT NULL, -- Unix milliseconds
  size        INTEGER NOT NULL  -- what the row counts against the bound
) STRICT;

CREATE INDEX spool_by_queue ON spool (node, queue, seq);
CREATE INDEX spool_by_job ON spool (node, job_id, seq);

-- What each node's rows weigh, kept by triggers: exact whoever changes a row, and after any death.
CREATE TABLE spool_usage (
  node       TEXT    NOT NULL PRIMARY KEY,
  row_count  INTEGER NOT NULL,
  byte_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER spool_added AFTER INSERT ON spool BEGIN
  INSERT INTO spool_usage (node, row_count, byte_count) VALUES (new.node, 1, new.size)
    ON CONFLICT (node) DO UPDATE SET row_count = row_count + 1, byte_count = byte_count + new.size;
END;

CREATE TRIGGER spool_removed AFTER DELETE ON spool BEGIN
  UPDATE spool_usage SET row_count = row_count - 1, byte_count = byte_count - old.size WHERE node = old.node;
END;

CREATE TRIGGER spool_adopted AFTER UPDATE OF node ON spool BEGIN
  UPDATE spool_usage SET row_count = row_count - 1, byte_count = byte_count - old.size WHERE node = old.node;
  INSERT INTO spool_usage (node, row_count, byte_count) VALUES (new.node, 1, new.size)
    ON CONFLICT (node) DO UPDATE SET row_count = row_count + 1, byte_count = byte_count + new.size;
END;
