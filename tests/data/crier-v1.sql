-- A database of the first release (version 1), written by that release itself.
BEGIN TRANSACTION;
CREATE TABLE choice (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    setting TEXT NOT NULL          -- the variable's value when this was chosen over it
);
INSERT INTO "choice" VALUES('device','speaker_b','speaker_a');
CREATE TABLE message (
    id INTEGER PRIMARY KEY,        -- in order of acceptance; update ids may jump
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    accepted_at REAL NOT NULL,     -- seconds since 1970
    state TEXT NOT NULL DEFAULT 'waiting', -- waiting, held, or how it ended
    sentence INTEGER NOT NULL DEFAULT 0,   -- the first one not heard yet
    UNIQUE (bot_id, update_id)
);
INSERT INTO "message" VALUES(1,4217,101,7,11,'One, 1. Two, 2. Three, 3.',1767225601.0,'waiting',1);
INSERT INTO "message" VALUES(2,4217,102,7,12,'Four, 4.',1767225602.0,'heard',0);
INSERT INTO "message" VALUES(3,4217,103,7,13,'Five, 5.',1767225603.0,'held',0);
INSERT INTO "message" VALUES(4,4217,104,7,14,'Six, 6.',1767225604.0,'waiting',0);
CREATE TABLE person (user_id INTEGER PRIMARY KEY, name TEXT NOT NULL, paired_at REAL NOT NULL);
INSERT INTO "person" VALUES(7,'Alice',1767225600.0);
COMMIT;
PRAGMA user_version = 1;
