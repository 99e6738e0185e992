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
CREATE TABLE question (                    -- asked by programs, answered in chats
    id INTEGER PRIMARY KEY,
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,            -- as that of the message that is spoken
    client TEXT NOT NULL,                  -- which program asked
    text TEXT NOT NULL,                    -- what the chats show
    options TEXT NOT NULL,                 -- a JSON list; empty: the answer is in words
    rest TEXT NOT NULL DEFAULT '',         -- what is spoken once it is answered: "Read on"
    copies TEXT NOT NULL,                  -- JSON: chat -> its message there; 0: not accepted yet
    asked_at REAL NOT NULL,                -- seconds since 1970
    expires_at REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'open',   -- see bot.core.question_store.QuestionStatus
    answer TEXT NOT NULL DEFAULT '',
    user_id INTEGER NOT NULL DEFAULT 0,    -- who answered
    answered_by TEXT NOT NULL DEFAULT '',  -- their name
    reason TEXT NOT NULL DEFAULT '',       -- why it was stopped
    ended_at REAL NOT NULL DEFAULT 0,
    shown INTEGER NOT NULL DEFAULT 0,      -- whether all copies show the end
    UNIQUE (bot_id, update_id)
);
CREATE TABLE reminder (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: old buttons name it
    bot_id INTEGER NOT NULL,
    update_id INTEGER NOT NULL,            -- of what set it, as in message
    set_at REAL NOT NULL,                  -- seconds since 1970
    due TEXT NOT NULL,                     -- ISO 8601; without an offset: on the wall clock here
    rule TEXT NOT NULL,                    -- see bot.core.when; empty: once
    paused INTEGER NOT NULL DEFAULT 0,
    expires_s REAL NOT NULL,               -- not spoken so long after it was due; 0: always
    chat_id INTEGER NOT NULL,              -- this and the rest: as in message
    message_id INTEGER NOT NULL,
    thread_id INTEGER,
    user_id INTEGER NOT NULL,
    user_name TEXT NOT NULL,
    client TEXT NOT NULL,
    text TEXT NOT NULL,                    -- as it was sent
    voice TEXT NOT NULL,
    speed REAL NOT NULL,
    lang TEXT NOT NULL,
    urgent INTEGER NOT NULL,
    chime INTEGER,
    replace_key TEXT NOT NULL,
    volume INTEGER,
    room TEXT NOT NULL,
    UNIQUE (bot_id, update_id)
);
INSERT INTO "reminder" VALUES(1,4217,4,0.0,'2096-12-24T18:30:00','30 18 * * *',0,0.0,7,14,NULL,7,'Alice','','Dinner','',0.0,'',0,NULL,'',NULL,'');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('reminder',1);
COMMIT;
