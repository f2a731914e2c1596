-- A store as schema 1 had it, recorded; the code that made it is gone.
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
CREATE TABLE seats (opening TEXT PRIMARY KEY, seats_left INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO keys VALUES ('main.visit.2026-W47.00000001', 'main', '2026-W47', zeroblob(32));
INSERT INTO public VALUES ('devices', x'6f6e65', 3);
PRAGMA application_id = 1365534067;
PRAGMA user_version = 1;
