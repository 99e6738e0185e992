-- A database of version 3, made from that of version 2.
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
    state TEXT NOT NULL DEFAULT 'waiting', -- see WAITING and the others below
    sentence INTEGER NOT NULL DEFAULT 0,   -- the first one not heard yet
    changed_at REAL NOT NULL DEFAULT 0,    -- of the state or the sentence
    owed TEXT NOT NULL DEFAULT '',         -- a last reaction that Telegram has not taken yet
    reply TEXT NOT NULL DEFAULT '',        -- what its sender was not told yet
    user_id INTEGER NOT NULL DEFAULT 0,
    voice TEXT NOT NULL DEFAULT '',        -- empty: as the settings say
    speed REAL NOT NULL DEFAULT 0,         -- likewise
    lang TEXT NOT NULL DEFAULT '',         -- empty: the voice's own
    urgent INTEGER NOT NULL DEFAULT 0,
    skipped TEXT NOT NULL DEFAULT '',      -- what was left out of it
    file TEXT NOT NULL DEFAULT '', client TEXT NOT NULL DEFAULT '', chime INTEGER, place INTEGER, reason TEXT NOT NULL DEFAULT '', device TEXT NOT NULL DEFAULT '', audio_s REAL NOT NULL DEFAULT 0, first_sound_ms INTEGER,         -- what to fetch; then the recording to play
    UNIQUE (bot_id, update_id)
);
INSERT INTO "message" VALUES(1,4217,101,7,11,'One, 1. Two, 2. Three, 3.',1767225601.0,'waiting',1,1767225601.0,'','',7,'bf_emma',1.2,'en-gb',0,'','','',NULL,NULL,'','',0.0,NULL);
INSERT INTO "message" VALUES(2,4217,102,7,12,'Four, 4.',1767225602.0,'heard',0,1767225602.0,'👍','',7,'',0.0,'',0,'','','',NULL,NULL,'','',0.0,NULL);
INSERT INTO "message" VALUES(3,4217,103,7,13,'Five, 5.',1767225603.0,'held',0,1767225603.0,'','',7,'',0.0,'',1,'a table','','',NULL,NULL,'','',0.0,NULL);
INSERT INTO "message" VALUES(4,4217,104,7,14,'Six, 6.',1767225604.0,'waiting',0,1767225604.0,'','',7,'',0.0,'',0,'','','',NULL,NULL,'','',0.0,NULL);
CREATE TABLE person (user_id INTEGER PRIMARY KEY, name TEXT NOT NULL, paired_at REAL NOT NULL);
INSERT INTO "person" VALUES(7,'Alice',1767225600.0);
CREATE TABLE preference (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, name)
);
INSERT INTO "preference" VALUES(7,'voice','bf_emma');
CREATE TABLE pronunciation (word TEXT PRIMARY KEY, said TEXT NOT NULL);
INSERT INTO "pronunciation" VALUES('nguyen','win');
PRAGMA user_version = 3;
COMMIT;
