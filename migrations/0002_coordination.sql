-- Coordination: who is alive, who owns what, how far each partition has been delivered.
-- Every rule about these tables is in sql/20_coordination; nothing else writes them.
--
-- Lock order: the row of `cluster` first (FOR UPDATE, by every function that changes membership or
-- assignment), then lease, session, partition, ownership, checkpoint, each in key order.
--
-- Columns that change with every take-over (owner, successor, session of a grant) carry no foreign
-- key to `session`: ten thousand of them change in one statement when nodes die, and a trigger per
-- row would cost more than the move. `diagnose()` looks for what such a key would have refused.

CREATE SEQUENCE holdfast.session_number AS int NO CYCLE;
COMMENT ON SEQUENCE holdfast.session_number IS 'Numbers of sessions, which are also the keys of their advisory locks: each is used once, so a free lock is a proof of death for ever';

CREATE SEQUENCE holdfast.token AS bigint NO CYCLE;
COMMENT ON SEQUENCE holdfast.token IS 'Fencing tokens; drawn only under the lock on cluster, jumps at every new incarnation';

-- The one row that every change of membership or assignment locks first.
CREATE TABLE holdfast.cluster (
    singleton             boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    rebalance_at          timestamptz,
    planned_config        bigint NOT NULL DEFAULT 0,
    planned_wishes        bigint NOT NULL DEFAULT 0,
    reserved_until        timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
COMMENT ON TABLE holdfast.cluster IS 'One row: locked first by everything that changes membership or assignment';
COMMENT ON COLUMN holdfast.cluster.rebalance_at IS 'When the leader shall plan moves; null: nothing to plan';
COMMENT ON COLUMN holdfast.cluster.planned_config IS 'Version of the configuration that the last plan has seen';
COMMENT ON COLUMN holdfast.cluster.planned_wishes IS 'Version of the administrators'' wishes that the last plan has seen';
COMMENT ON COLUMN holdfast.cluster.reserved_until IS 'Until when the partitions of the previous incarnation are kept for their nodes';
INSERT INTO holdfast.cluster DEFAULT VALUES;

-- Counters apart from `cluster`: an administrator who leaves a transaction open after set_hub()
-- must not keep the cluster from burying a dead node.
CREATE TABLE holdfast.version (
    what  text PRIMARY KEY CHECK (what IN ('config', 'bindings', 'wishes')),
    value bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
COMMENT ON TABLE holdfast.version IS 'Counters that tell nodes that something changed; written by bump()';
COMMENT ON COLUMN holdfast.version.what IS 'config, bindings, or wishes: what administrators ask of the plan';
INSERT INTO holdfast.version (what) VALUES ('config'), ('bindings'), ('wishes');

CREATE TABLE holdfast.housekeeping (
    task    text PRIMARY KEY,
    done_at timestamptz NOT NULL
);
COMMENT ON TABLE holdfast.housekeeping IS 'When the leader last did what it does now and then';
INSERT INTO holdfast.housekeeping VALUES ('prune', '-infinity');

-- Crash recovery and promotion empty an unlogged table: an empty one means that every session of
-- the server has gone, which neither its start time nor its timeline would tell.
CREATE UNLOGGED TABLE holdfast.incarnation_live (
    singleton         boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    incarnation       uuid NOT NULL,
    postmaster_start  timestamptz NOT NULL,
    system_identifier text NOT NULL,
    timeline          int NOT NULL,
    began_at          timestamptz NOT NULL
);
COMMENT ON TABLE holdfast.incarnation_live IS 'The present life of the database server; unlogged on purpose, so that a crash or a promotion empties it';

CREATE TABLE holdfast.incarnation_history (
    incarnation       uuid PRIMARY KEY,
    postmaster_start  timestamptz NOT NULL,
    system_identifier text NOT NULL,
    timeline          int NOT NULL,
    began_at          timestamptz NOT NULL,
    reserved_until    timestamptz NOT NULL,
    first_token       bigint NOT NULL,
    opened_by         text NOT NULL
);
COMMENT ON TABLE holdfast.incarnation_history IS 'Every life of the database server that a node has joined in';
COMMENT ON COLUMN holdfast.incarnation_history.first_token IS 'Tokens of this incarnation are greater than or equal to this';
COMMENT ON COLUMN holdfast.incarnation_history.opened_by IS 'Node whose join found that a new incarnation had begun';

CREATE TABLE holdfast.node (
    name         text COLLATE "C" PRIMARY KEY CHECK (name <> '' AND length(name) <= 200),
    capacity     int NOT NULL CHECK (capacity BETWEEN 1 AND 1000000),
    capacity_set int CHECK (capacity_set BETWEEN 0 AND 1000000),
    drained_at   timestamptz,
    first_joined timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_joined  timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.node IS 'Connector processes that have ever joined, by their stable names';
COMMENT ON COLUMN holdfast.node.capacity IS 'Share of partitions, relative to other nodes, as the node says when it joins';
COMMENT ON COLUMN holdfast.node.capacity_set IS 'The same, as an administrator says; wins over the node''s own';
COMMENT ON COLUMN holdfast.node.drained_at IS 'Since when the node is to own nothing; null: not drained';

CREATE TABLE holdfast.session (
    session_id         int PRIMARY KEY,
    session_key        uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    node               text COLLATE "C" NOT NULL REFERENCES holdfast.node,
    incarnation        uuid NOT NULL REFERENCES holdfast.incarnation_history,
    protocol           int NOT NULL,
    version            text NOT NULL,
    ttl_ms             int NOT NULL,
    lease_pid          int NOT NULL,
    lease_start        timestamptz NOT NULL,
    watch_pid          int NOT NULL,
    watch_start        timestamptz NOT NULL,
    work_pid           int NOT NULL,
    work_start         timestamptz NOT NULL,
    client_addr        inet,
    assignment_version bigint NOT NULL DEFAULT 1,
    joined_at          timestamptz NOT NULL,
    ended_at           timestamptz,
    end_reason         text CHECK (end_reason IN ('left', 'died', 'replaced', 'restart')),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 70);
COMMENT ON TABLE holdfast.session IS 'Lives of nodes'' leases: from join until the lock with the session''s number is released';
COMMENT ON COLUMN holdfast.session.session_key IS 'Known only to the session; every call that writes carries it. Not in any view';
COMMENT ON COLUMN holdfast.session.lease_pid IS 'Backend that holds the lock; with its start, because pids come again';
COMMENT ON COLUMN holdfast.session.assignment_version IS 'Rises when what the session owns, or must do with it, changes';
COMMENT ON COLUMN holdfast.session.ended_at IS 'Null while the session has not been ended; it may already be dead';
CREATE UNIQUE INDEX session_live_node ON holdfast.session (node) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX session_live ON holdfast.session (session_id) WHERE ended_at IS NULL;
CREATE INDEX session_node ON holdfast.session (node, session_id);
CREATE INDEX session_ended_at ON holdfast.session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE holdfast.lease (
    name       text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    session_id int,
    token      bigint,
    free_since timestamptz NOT NULL DEFAULT '-infinity',
    CHECK ((session_id IS NULL) = (token IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE holdfast.lease IS 'Singleton duties and who holds them now';
COMMENT ON COLUMN holdfast.lease.free_since IS 'End of the last term; the next one cannot begin before it, whatever the clock says';
INSERT INTO holdfast.lease (name) VALUES ('leader');

CREATE TABLE holdfast.term (
    lease      text COLLATE "C" NOT NULL REFERENCES holdfast.lease,
    token      bigint NOT NULL,
    session_id int NOT NULL,
    node       text COLLATE "C" NOT NULL,
    during     tstzrange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during)),
    end_reason text,
    PRIMARY KEY (lease, token),
    EXCLUDE USING gist (lease WITH =, during WITH &&),
    CHECK (upper_inf(during) = (end_reason IS NULL))
);
COMMENT ON TABLE holdfast.term IS 'Every holding of a lease; ranges of one lease never overlap, and at most one is open';
CREATE UNIQUE INDEX term_open ON holdfast.term (lease) WHERE upper_inf(during);

-- One life of a hub's log: a re-created hub, or another endpoint, starts offsets anew.
CREATE TABLE holdfast.hub_log (
    hub        text COLLATE "C" PRIMARY KEY REFERENCES holdfast.hub ON DELETE CASCADE,
    generation int NOT NULL DEFAULT 1,
    endpoint   text NOT NULL,
    created_ms bigint NOT NULL,
    since      timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.hub_log IS 'What the leader read from the hub: the present generation of its log';
COMMENT ON COLUMN holdfast.hub_log.created_ms IS 'When the hub says it was created, milliseconds since 1970';

CREATE TABLE holdfast.partition (
    partition_id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hub                  text COLLATE "C" NOT NULL REFERENCES holdfast.hub ON DELETE CASCADE,
    partition            text COLLATE "C" NOT NULL CHECK (partition <> ''),
    generation           int NOT NULL,
    state                text NOT NULL DEFAULT 'free' CHECK (state IN ('free', 'owned', 'releasing')),
    owner_session_id     int,
    token                bigint,
    successor_session_id int,
    move_reason          text,
    move_deadline        timestamptz,
    move_again_at        timestamptz,
    reserved_node        text COLLATE "C",
    reserved_session_id  int,
    free_since           timestamptz NOT NULL DEFAULT '-infinity',
    registered_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at           timestamptz,
    UNIQUE (hub, partition),
    CHECK ((state = 'free') = (owner_session_id IS NULL)),
    CHECK ((state = 'releasing') = (move_deadline IS NOT NULL)),
    CHECK (successor_session_id IS NULL OR state = 'releasing'),
    CHECK (owner_session_id IS NULL OR token IS NOT NULL),
    CHECK (reserved_node IS NULL OR owner_session_id IS NULL),
    CHECK ((reserved_node IS NULL) = (reserved_session_id IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE holdfast.partition IS 'Partitions of all hubs and who owns them; changes only when ownership does';
COMMENT ON COLUMN holdfast.partition.state IS 'free, owned, or releasing: the owner is asked to drain, checkpoint and release it';
COMMENT ON COLUMN holdfast.partition.token IS 'Token of the present grant; kept while the partition is reserved, so that its session may adopt it';
COMMENT ON COLUMN holdfast.partition.successor_session_id IS 'Who gets it once it is released; null while releasing: nobody, its hub is disabled';
COMMENT ON COLUMN holdfast.partition.move_deadline IS 'When a move that is not finished is called off';
COMMENT ON COLUMN holdfast.partition.move_again_at IS 'Until then no new move is planned: the last one was called off';
COMMENT ON COLUMN holdfast.partition.reserved_node IS 'Node that owned it when the database went down; counts until cluster.reserved_until';
COMMENT ON COLUMN holdfast.partition.free_since IS 'End of the last ownership; the next one cannot begin before it';
COMMENT ON COLUMN holdfast.partition.retired_at IS 'Since when the hub no longer has this partition';
CREATE INDEX partition_owner ON holdfast.partition (owner_session_id);
CREATE INDEX partition_successor ON holdfast.partition (successor_session_id)
    WHERE successor_session_id IS NOT NULL;
CREATE INDEX partition_free ON holdfast.partition (partition_id) WHERE owner_session_id IS NULL;
CREATE INDEX partition_deadline ON holdfast.partition (move_deadline) WHERE move_deadline IS NOT NULL;

CREATE TABLE holdfast.ownership (
    partition_id int NOT NULL REFERENCES holdfast.partition ON DELETE CASCADE,
    session_id   int NOT NULL,
    node         text COLLATE "C" NOT NULL,
    token        bigint NOT NULL,
    during       tstzrange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during)),
    how          text NOT NULL CHECK (how IN ('first', 'forced', 'moved', 'adopted', 'declined', 'generation')),
    end_reason   text,
    EXCLUDE USING gist (partition_id WITH =, during WITH &&),
    CHECK (upper_inf(during) = (end_reason IS NULL))
);
COMMENT ON TABLE holdfast.ownership IS 'Every ownership of a partition; ranges of one partition never overlap, and at most one is open';
COMMENT ON COLUMN holdfast.ownership.token IS 'Twice the same only where a session adopted its own grant';
COMMENT ON COLUMN holdfast.ownership.how IS 'first, forced (the owner died), moved (planned), adopted (same node, new session), declined, generation (the log began anew)';
CREATE UNIQUE INDEX ownership_open ON holdfast.ownership (partition_id) WHERE upper_inf(during);
CREATE INDEX ownership_upper ON holdfast.ownership (upper(during)) WHERE NOT upper_inf(during);

-- The hottest table: one narrow row per partition, several updates a second each. No index but the
-- key, room on every page, and no trigger, so that updates stay HOT; vacuum by count, not by share.
CREATE TABLE holdfast.checkpoint (
    partition_id int PRIMARY KEY REFERENCES holdfast.partition ON DELETE CASCADE,
    generation   int NOT NULL,
    token        bigint,
    sequence     bigint,
    enqueued_ms  bigint,
    saved_at     timestamptz,
    event_offset text,
    CHECK ((event_offset IS NULL) = (sequence IS NULL))
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 10000);
COMMENT ON TABLE holdfast.checkpoint IS 'How far each partition has been delivered, fenced by the token of the grant';
COMMENT ON COLUMN holdfast.checkpoint.token IS 'Token that a write must present; a take-over replaces it in its own transaction';
COMMENT ON COLUMN holdfast.checkpoint.event_offset IS 'Offset of the last delivered event, opaque text; null: nothing delivered in this generation';
COMMENT ON COLUMN holdfast.checkpoint.enqueued_ms IS 'When the hub took that event, milliseconds since 1970';

CREATE TABLE holdfast.checkpoint_history (
    partition_id int NOT NULL REFERENCES holdfast.partition ON DELETE CASCADE,
    generation   int NOT NULL,
    token        bigint,
    sequence     bigint,
    enqueued_ms  bigint,
    saved_at     timestamptz,
    event_offset text,
    ended_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (partition_id, generation)
);
COMMENT ON TABLE holdfast.checkpoint_history IS 'Last checkpoint of each earlier generation of a partition';

CREATE TABLE holdfast.partition_head (
    partition_id     int PRIMARY KEY REFERENCES holdfast.partition ON DELETE CASCADE,
    last_sequence    bigint NOT NULL,
    last_enqueued_ms bigint NOT NULL,
    reported_at      timestamptz NOT NULL
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE holdfast.partition_head IS 'The newest event that the hub has in each partition, as its owner last saw it; for lag';

CREATE TABLE holdfast.node_report (
    node        text COLLATE "C" PRIMARY KEY REFERENCES holdfast.node,
    session_id  int NOT NULL,
    reported_at timestamptz NOT NULL,
    stats       jsonb NOT NULL
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE holdfast.node_report IS 'What each node last said about itself, about once a second';

CREATE TABLE holdfast.decline (
    session_id  int NOT NULL,
    hub         text COLLATE "C" NOT NULL REFERENCES holdfast.hub ON DELETE CASCADE,
    until       timestamptz NOT NULL,
    reason      text NOT NULL,
    declined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (session_id, hub)
);
COMMENT ON TABLE holdfast.decline IS 'Sessions that gave a partition back because they cannot serve its hub, and until when they are passed over for it';

CREATE TABLE holdfast.move_wish (
    partition_id int PRIMARY KEY REFERENCES holdfast.partition ON DELETE CASCADE,
    node         text COLLATE "C" NOT NULL REFERENCES holdfast.node,
    wished_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast.move_wish IS 'Moves that an administrator asked for; the leader plans them and removes the row';
