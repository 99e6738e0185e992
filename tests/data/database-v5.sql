BEGIN TRANSACTION;
CREATE TABLE choice (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    setting TEXT NOT NULL          -- the variable's value when this was selected instead
);
INSERT INTO "choice" VALUES('device','speaker_b','speaker_a');
CREATE TABLE handled_update (              -- commands and buttons that were carried out
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    at REAL NOT NULL,                      -- seconds since 1970
    PRIMARY KEY (bot_id, update_id)
);
INSERT INTO "handled_update" VALUES(4217,3,4000000000.0);
CREATE TABLE known_room (slug TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE message (
    id INTEGER PRIMARY KEY,        -- in order of acceptance; update ids may jump
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    text TEXT NOT NULL,
    accepted_at REAL NOT NULL,     -- seconds since 1970
    state TEXT NOT NULL DEFAULT 'waiting', -- see bot.core.message.State
    sentence INTEGER NOT NULL DEFAULT 0,   -- the first one not heard yet
    changed_at REAL NOT NULL DEFAULT 0,    -- of the state or the sentence
    owed TEXT NOT NULL DEFAULT '',         -- the last reaction, until the chat accepted it
    reply TEXT NOT NULL DEFAULT '',        -- the last reply, until the chat accepted it
    user_id INTEGER NOT NULL DEFAULT 0,
    voice TEXT NOT NULL DEFAULT '',        -- empty: as the settings say
    speed REAL NOT NULL DEFAULT 0,         -- likewise
    lang TEXT NOT NULL DEFAULT '',         -- empty: the voice's own
    urgent INTEGER NOT NULL DEFAULT 0,
    skipped TEXT NOT NULL DEFAULT '',      -- what was left out of it
    file TEXT NOT NULL DEFAULT '',         -- what to fetch; then the recording to play
    client TEXT NOT NULL DEFAULT '',       -- which program sent it; its chat_id is 0
    chime INTEGER,                         -- NULL: as the settings say
    place INTEGER,                         -- in the queue; NULL: as its id
    reason TEXT NOT NULL DEFAULT '',       -- why it ended like that
    device TEXT NOT NULL DEFAULT '',       -- the last one that played it
    audio_s REAL NOT NULL DEFAULT 0,       -- how much of it was heard
    first_sound_ms INTEGER,                -- if the loudspeaker was idle when it came
    fresh_at REAL NOT NULL DEFAULT 0,      -- lateness counts from here: when it was sent, or when
                                           -- someone decided to hear it; since 1970
    thread_id INTEGER,                     -- the forum topic that it was sent in; NULL: none
    expires_at REAL NOT NULL DEFAULT 0,    -- not spoken after that time, since 1970; 0: always
    replace_key TEXT NOT NULL DEFAULT '',  -- a newer one with the same key takes its place
    volume INTEGER,                        -- in percent, of this one; NULL: as it is set
    room TEXT NOT NULL DEFAULT '',         -- where it is spoken; empty: on this computer
    origin TEXT NOT NULL DEFAULT '',       -- in a room: which bot's it is; empty: its own
    UNIQUE (bot_id, update_id)
);
INSERT INTO "message" VALUES(1,4217,1,7,11,'One, 1. Two, 2.',1000000000.0,'waiting',1,1000000000.0,'','',0,'bf_emma',0.0,'',0,'a table','','',NULL,NULL,'','',0.0,NULL,1000000000.0,NULL,0.0,'',NULL,'','');
INSERT INTO "message" VALUES(2,4217,2,7,12,'Five, 5.',1000000000.0,'waiting',0,1000000000.0,'','',0,'bf_emma',0.0,'',1,'a table','','',NULL,NULL,'','',0.0,NULL,1000000000.0,NULL,0.0,'',NULL,'','');
CREATE TABLE person (user_id INTEGER PRIMARY KEY, name TEXT NOT NULL, paired_at REAL NOT NULL);
INSERT INTO "person" VALUES(7,'Alice',1000000000.0);
CREATE TABLE preference (
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, name)
);
INSERT INTO "preference" VALUES(7,'voice','bf_emma');
CREATE TABLE pronunciation (word TEXT PRIMARY KEY, said TEXT NOT NULL);
INSERT INTO "pronunciation" VALUES('nguyen','win');
CREATE TABLE room_part (                   -- of a message: what one room has to say
    ref TEXT PRIMARY KEY,                  -- what bot and room call it
    message_id INTEGER NOT NULL,
    room TEXT NOT NULL,                    -- the room's slug
    state TEXT NOT NULL,                   -- see bot.core.room_store.PartState
    reason TEXT NOT NULL DEFAULT '',       -- why it ended like that
    UNIQUE (message_id, room)
);
CREATE TABLE status_message (              -- which do not show the end of their burst yet
    bot_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    thread_id INTEGER,                     -- the forum topic that it is in; NULL: none
    PRIMARY KEY (bot_id, chat_id, message_id)
);
INSERT INTO "status_message" VALUES(4217,7,13,NULL);
COMMIT;
