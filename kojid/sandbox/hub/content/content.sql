-- What the hub knows about packages: tags, targets, builds, rpms, buildroots, repos.
-- Rows of versioned tables are never deleted: they carry the event that made them and, once they no
-- longer hold, the event that revoked them, so that every question can be asked "as of event N".
-- `active` is 1 while a row holds and NULL afterwards, as in the core's tables. Times are seconds since 1970.

CREATE TABLE IF NOT EXISTS package (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS volume (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS build (
    id INTEGER PRIMARY KEY,
    volume_id INTEGER NOT NULL DEFAULT 0 REFERENCES volume (id),
    pkg_id INTEGER NOT NULL REFERENCES package (id),
    version TEXT NOT NULL,
    release TEXT NOT NULL,
    epoch INTEGER,
    draft BOOLEAN NOT NULL DEFAULT 0,
    source TEXT,
    create_event INTEGER NOT NULL REFERENCES events (id),
    start_time REAL,
    completion_time REAL,
    state INTEGER NOT NULL,
    task_id INTEGER REFERENCES task (id),
    owner INTEGER NOT NULL REFERENCES users (id),
    extra TEXT,
    UNIQUE (pkg_id, version, release)
);
CREATE INDEX IF NOT EXISTS build_by_task ON build (task_id);

CREATE TABLE IF NOT EXISTS build_types (
    build_id INTEGER NOT NULL REFERENCES build (id),
    btype TEXT NOT NULL,
    PRIMARY KEY (build_id, btype)
);

CREATE TABLE IF NOT EXISTS tag (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS tag_config (
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    arches TEXT,
    perm_id INTEGER,
    locked BOOLEAN NOT NULL DEFAULT 0,
    maven_support BOOLEAN NOT NULL DEFAULT 0,
    maven_include_all BOOLEAN NOT NULL DEFAULT 0,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (tag_id, active)
);

CREATE TABLE IF NOT EXISTS tag_extra (
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    key TEXT NOT NULL,
    value TEXT,                       -- JSON; NULL blocks an inherited value
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (tag_id, key, active)
);

CREATE TABLE IF NOT EXISTS tag_inheritance (
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    parent_id INTEGER NOT NULL REFERENCES tag (id),
    priority INTEGER NOT NULL,
    maxdepth INTEGER,
    intransitive BOOLEAN NOT NULL DEFAULT 0,
    noconfig BOOLEAN NOT NULL DEFAULT 0,
    pkg_filter TEXT NOT NULL DEFAULT '',
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (tag_id, priority, active)
);

-- Changes of a tag's content that leave no row of their own in a versioned table.
CREATE TABLE IF NOT EXISTS tag_updates (
    id INTEGER PRIMARY KEY,
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    update_event INTEGER NOT NULL,
    updater_id INTEGER NOT NULL,
    update_type INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS build_target (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS build_target_config (
    build_target_id INTEGER NOT NULL REFERENCES build_target (id),
    build_tag INTEGER NOT NULL REFERENCES tag (id),
    dest_tag INTEGER NOT NULL REFERENCES tag (id),
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (build_target_id, active)
);

-- Id 0 stands for "not external" (bootstrap.py adds it): every rpm of this hub's own builds points at it.
CREATE TABLE IF NOT EXISTS external_repo (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS external_repo_config (
    external_repo_id INTEGER NOT NULL REFERENCES external_repo (id),
    url TEXT NOT NULL,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (external_repo_id, active)
);

CREATE TABLE IF NOT EXISTS tag_external_repos (
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    external_repo_id INTEGER NOT NULL REFERENCES external_repo (id),
    priority INTEGER NOT NULL,
    merge_mode TEXT NOT NULL,
    arches TEXT,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (tag_id, external_repo_id, active)
);

CREATE TABLE IF NOT EXISTS tag_listing (
    build_id INTEGER NOT NULL REFERENCES build (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (build_id, tag_id, active)
);
CREATE INDEX IF NOT EXISTS tag_listing_by_tag ON tag_listing (tag_id);

CREATE TABLE IF NOT EXISTS tag_packages (
    package_id INTEGER NOT NULL REFERENCES package (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    blocked BOOLEAN NOT NULL DEFAULT 0,
    extra_arches TEXT,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (package_id, tag_id, active)
);

CREATE TABLE IF NOT EXISTS tag_package_owners (
    package_id INTEGER NOT NULL REFERENCES package (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    owner INTEGER NOT NULL,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (package_id, tag_id, active)
);

CREATE TABLE IF NOT EXISTS groups (
    id INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL
);

CREATE TABLE IF NOT EXISTS group_config (
    group_id INTEGER NOT NULL REFERENCES groups (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    blocked BOOLEAN NOT NULL DEFAULT 0,
    exported BOOLEAN NOT NULL DEFAULT 1,
    display_name TEXT NOT NULL,
    is_default BOOLEAN,
    uservisible BOOLEAN,
    description TEXT,
    langonly TEXT,
    biarchonly BOOLEAN,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (group_id, tag_id, active)
);

CREATE TABLE IF NOT EXISTS group_req_listing (
    group_id INTEGER NOT NULL REFERENCES groups (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    req_id INTEGER NOT NULL REFERENCES groups (id),
    blocked BOOLEAN NOT NULL DEFAULT 0,
    type TEXT NOT NULL DEFAULT 'mandatory',
    is_metapkg BOOLEAN NOT NULL DEFAULT 0,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (group_id, tag_id, req_id, active)
);

CREATE TABLE IF NOT EXISTS group_package_listing (
    group_id INTEGER NOT NULL REFERENCES groups (id),
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    package TEXT NOT NULL,
    blocked BOOLEAN NOT NULL DEFAULT 0,
    type TEXT NOT NULL DEFAULT 'mandatory',
    basearchonly BOOLEAN,
    requires TEXT,
    create_event INTEGER NOT NULL REFERENCES events (id),
    revoke_event INTEGER REFERENCES events (id),
    creator_id INTEGER NOT NULL REFERENCES users (id),
    revoker_id INTEGER REFERENCES users (id),
    active BOOLEAN DEFAULT 1,
    UNIQUE (group_id, tag_id, package, active)
);

CREATE TABLE IF NOT EXISTS repo (
    id INTEGER PRIMARY KEY,
    create_event INTEGER NOT NULL,
    begin_event INTEGER,
    end_event INTEGER,
    creation_time REAL NOT NULL,
    state_time REAL NOT NULL,
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    state INTEGER NOT NULL,
    dist BOOLEAN NOT NULL DEFAULT 0,
    opts TEXT NOT NULL,
    custom_opts TEXT NOT NULL,
    task_id INTEGER
);
CREATE INDEX IF NOT EXISTS repo_by_tag ON repo (tag_id, state);

CREATE TABLE IF NOT EXISTS repo_queue (
    id INTEGER PRIMARY KEY,
    create_time REAL NOT NULL,
    owner INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    tag_id INTEGER NOT NULL REFERENCES tag (id),
    at_event INTEGER,
    min_event INTEGER,
    opts TEXT NOT NULL,
    update_time REAL NOT NULL,
    active BOOLEAN NOT NULL DEFAULT 1,
    task_id INTEGER,
    tries INTEGER,
    repo_id INTEGER REFERENCES repo (id)
);

CREATE TABLE IF NOT EXISTS buildroot (
    id INTEGER PRIMARY KEY,
    container_arch TEXT,
    container_type TEXT NOT NULL,
    host_id INTEGER NOT NULL,
    repo_id INTEGER NOT NULL REFERENCES repo (id),
    task_id INTEGER,
    create_event INTEGER NOT NULL,
    retire_event INTEGER,
    state INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS buildroot_by_host ON buildroot (host_id, state);
CREATE INDEX IF NOT EXISTS buildroot_by_task ON buildroot (task_id);

CREATE TABLE IF NOT EXISTS rpminfo (
    id INTEGER PRIMARY KEY,
    build_id INTEGER REFERENCES build (id),
    buildroot_id INTEGER REFERENCES buildroot (id),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    release TEXT NOT NULL,
    epoch INTEGER,
    arch TEXT NOT NULL,
    draft BOOLEAN NOT NULL DEFAULT 0,
    external_repo_id INTEGER NOT NULL DEFAULT 0 REFERENCES external_repo (id),
    payloadhash TEXT NOT NULL,
    size INTEGER NOT NULL,
    buildtime INTEGER NOT NULL,
    metadata_only BOOLEAN NOT NULL DEFAULT 0,
    extra TEXT
);
-- Drafts may hold rpms of the same name: their builds' releases tell them apart.
CREATE UNIQUE INDEX IF NOT EXISTS rpminfo_by_name
    ON rpminfo (name, version, release, arch, external_repo_id) WHERE NOT draft;
CREATE INDEX IF NOT EXISTS rpminfo_by_build ON rpminfo (build_id);

CREATE TABLE IF NOT EXISTS rpmsigs (
    rpm_id INTEGER NOT NULL REFERENCES rpminfo (id),
    sigkey TEXT NOT NULL,             -- '' for the header of an unsigned rpm
    sighash TEXT NOT NULL,
    PRIMARY KEY (rpm_id, sigkey)
);

CREATE TABLE IF NOT EXISTS buildroot_listing (
    buildroot_id INTEGER NOT NULL REFERENCES buildroot (id),
    rpm_id INTEGER NOT NULL REFERENCES rpminfo (id),
    is_update BOOLEAN NOT NULL DEFAULT 0,
    PRIMARY KEY (buildroot_id, rpm_id)
);
CREATE INDEX IF NOT EXISTS buildroot_listing_by_rpm ON buildroot_listing (rpm_id);

CREATE TABLE IF NOT EXISTS build_notifications (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    package_id INTEGER REFERENCES package (id),
    tag_id INTEGER REFERENCES tag (id),
    success_only BOOLEAN NOT NULL DEFAULT 0,
    email TEXT NOT NULL
);

-- What a Maven or a Windows build says beside the build; an image build has nothing of its own.
CREATE TABLE IF NOT EXISTS maven_builds (
    build_id INTEGER PRIMARY KEY REFERENCES build (id),
    group_id TEXT NOT NULL,
    artifact_id TEXT NOT NULL,
    version TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS win_builds (
    build_id INTEGER PRIMARY KEY REFERENCES build (id),
    platform TEXT NOT NULL
);

-- Files of builds that are no rpms; `details` is what their type adds, as JSON.
CREATE TABLE IF NOT EXISTS archiveinfo (
    id INTEGER PRIMARY KEY,
    build_id INTEGER NOT NULL REFERENCES build (id),
    buildroot_id INTEGER REFERENCES buildroot (id),
    btype TEXT NOT NULL,
    type_name TEXT NOT NULL,
    filename TEXT NOT NULL,
    size INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    checksum_type INTEGER NOT NULL,
    metadata_only BOOLEAN NOT NULL DEFAULT 0,
    extra TEXT,
    details TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS archive_by_build ON archiveinfo (build_id);

-- Which archives a buildroot has used.
CREATE TABLE IF NOT EXISTS buildroot_archives (
    buildroot_id INTEGER NOT NULL REFERENCES buildroot (id),
    archive_id INTEGER NOT NULL REFERENCES archiveinfo (id),
    project_dep BOOLEAN NOT NULL DEFAULT 0,
    PRIMARY KEY (buildroot_id, archive_id)
);

-- What is installed in an image.
CREATE TABLE IF NOT EXISTS archive_rpm_components (
    archive_id INTEGER NOT NULL REFERENCES archiveinfo (id),
    rpm_id INTEGER NOT NULL REFERENCES rpminfo (id),
    PRIMARY KEY (archive_id, rpm_id)
);

-- Draft builds that have become regular ones.
CREATE TABLE IF NOT EXISTS build_promotions (
    build_id INTEGER PRIMARY KEY REFERENCES build (id),
    promoter_id INTEGER NOT NULL REFERENCES users (id),
    time REAL NOT NULL
);
