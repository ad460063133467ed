-- The hub's core: events, users, sessions, hosts, channels, tasks and the scheduler's notes.
-- Tables with create_event/revoke_event keep their history: a row is in force while active is 1 (NULL once revoked).

CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL DEFAULT (now())
);

CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password TEXT,
    status INTEGER NOT NULL DEFAULT 0,
    usertype INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS user_krb_principals (
    user_id INTEGER NOT NULL REFERENCES users (id),
    krb_principal TEXT NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS user_groups (
    user_id INTEGER NOT NULL REFERENCES users (id),
    group_id INTEGER NOT NULL REFERENCES users (id),
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (user_id, group_id, active)
);

CREATE TABLE IF NOT EXISTS permissions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT
);

CREATE TABLE IF NOT EXISTS user_perms (
    user_id INTEGER NOT NULL REFERENCES users (id),
    perm_id INTEGER NOT NULL REFERENCES permissions (id),
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (user_id, perm_id, active)
);

CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id),
    "key" TEXT NOT NULL,
    authtype INTEGER NOT NULL,
    hostip TEXT NOT NULL,
    master INTEGER REFERENCES sessions (id),
    callnum INTEGER,
    start_time REAL NOT NULL DEFAULT (now()),
    update_time REAL NOT NULL DEFAULT (now()),
    renew_time REAL,
    exclusive BOOLEAN NOT NULL DEFAULT 0,
    expired BOOLEAN NOT NULL DEFAULT 0,
    closed BOOLEAN NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (user_id, exclusive) WHERE closed = 0;
CREATE INDEX IF NOT EXISTS sessions_master ON sessions (master);

CREATE TABLE IF NOT EXISTS channels (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    comment TEXT
);

CREATE TABLE IF NOT EXISTS host (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL UNIQUE REFERENCES users (id),
    name TEXT NOT NULL UNIQUE,
    update_time REAL,
    task_load REAL NOT NULL DEFAULT 0.0,
    ready BOOLEAN NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS host_config (
    host_id INTEGER NOT NULL REFERENCES host (id),
    arches TEXT,
    capacity REAL NOT NULL DEFAULT 2.0,
    description TEXT,
    comment TEXT,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (host_id, active)
);

CREATE TABLE IF NOT EXISTS host_channels (
    host_id INTEGER NOT NULL REFERENCES host (id),
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (host_id, channel_id, active)
);

CREATE TABLE IF NOT EXISTS task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state INTEGER NOT NULL DEFAULT 0,
    create_time REAL NOT NULL DEFAULT (now()),
    start_time REAL,
    completion_time REAL,
    channel_id INTEGER NOT NULL REFERENCES channels (id),
    host_id INTEGER REFERENCES host (id),
    parent INTEGER REFERENCES task (id),
    label TEXT,
    waiting BOOLEAN,
    awaited BOOLEAN,
    owner INTEGER NOT NULL REFERENCES users (id),
    method TEXT NOT NULL,
    request TEXT,
    result TEXT,
    priority INTEGER NOT NULL DEFAULT 20,
    weight REAL NOT NULL DEFAULT 1.0,
    arch TEXT,
    UNIQUE (parent, label)
);
CREATE INDEX IF NOT EXISTS task_unfinished ON task (state, host_id) WHERE state IN (0, 1, 4);
CREATE INDEX IF NOT EXISTS task_parent ON task (parent);

CREATE TABLE IF NOT EXISTS scheduler_task_runs (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES task (id),
    host_id INTEGER NOT NULL REFERENCES host (id),
    active BOOLEAN NOT NULL DEFAULT 1,
    create_time REAL NOT NULL DEFAULT (now())
);
CREATE INDEX IF NOT EXISTS scheduler_task_runs_active ON scheduler_task_runs (task_id) WHERE active = 1;

CREATE TABLE IF NOT EXISTS scheduler_task_refusals (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES task (id),
    host_id INTEGER NOT NULL REFERENCES host (id),
    by_host BOOLEAN NOT NULL DEFAULT 1,
    soft BOOLEAN NOT NULL DEFAULT 0,
    msg TEXT,
    time REAL NOT NULL DEFAULT (now()),
    UNIQUE (task_id, host_id)
);

CREATE TABLE IF NOT EXISTS scheduler_host_data (
    host_id INTEGER PRIMARY KEY REFERENCES host (id),
    data TEXT
);

CREATE TABLE IF NOT EXISTS scheduler_log_messages (
    id INTEGER PRIMARY KEY,
    task_id INTEGER REFERENCES task (id),
    host_id INTEGER REFERENCES host (id),
    msg_time REAL NOT NULL DEFAULT (now()),
    msg TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS scheduler_sys_data (
    name TEXT PRIMARY KEY,
    data REAL
);
