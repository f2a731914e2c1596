-- No table tells when a row came: WITHOUT ROWID, rows lie in the order of their keys.
CREATE TABLE requests (
  queue TEXT NOT NULL, epoch TEXT NOT NULL, id BLOB NOT NULL,
  digest BLOB NOT NULL, expires INTEGER NOT NULL, rev INTEGER NOT NULL,
  lane TEXT, born TEXT, opening TEXT, auth_hash BLOB,
  visit_kid TEXT, visit BLOB, contact_kid TEXT, contact BLOB, reply BLOB,
  PRIMARY KEY (queue, epoch, id)
) WITHOUT ROWID;

CREATE TABLE keys (
  kid TEXT PRIMARY KEY, queue TEXT NOT NULL, epoch TEXT NOT NULL, server_half BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE wraps (
  kid TEXT NOT NULL, device TEXT NOT NULL, wrap BLOB NOT NULL, PRIMARY KEY (kid, device)
) WITHOUT ROWID;

CREATE TABLE public (name TEXT PRIMARY KEY, data BLOB NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE seats (
  opening TEXT PRIMARY KEY, seats INTEGER NOT NULL, seats_left INTEGER NOT NULL
) WITHOUT ROWID;
