-- Schema 1 had a table of seats before anybody published openings: it is empty.
DROP TABLE IF EXISTS seats;

CREATE TABLE seats (
  opening TEXT PRIMARY KEY, seats INTEGER NOT NULL, seats_left INTEGER NOT NULL
) WITHOUT ROWID;
