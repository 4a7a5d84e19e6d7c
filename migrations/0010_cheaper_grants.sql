-- Fewer indexes and keys to keep when thousands of partitions change hands at once, and no WAL for
-- what nodes say of themselves. Nodes of the version before go on: nothing that they call changes.

-- Ownership changes the owner of a partition, so every index that names the owner makes the update
-- write all indexes anew. Who looks for what a session owns goes by its open ownerships.
DROP INDEX holdfast.partition_owner;
DROP INDEX holdfast.partition_free;
CREATE INDEX ownership_session ON holdfast.ownership (session_id) WHERE upper_inf(during);

-- Checked for all rows of a statement at once: sql/20_coordination/check_ownerships.sql and
-- forget_ownerships.sql.
ALTER TABLE holdfast.ownership DROP CONSTRAINT ownership_partition_id_fkey;

-- The index of ranges costs more than the rest of a grant together. Open ones need it not: there is
-- at most one (ownership_open), and check_ownerships() compares it with those that have ended.
ALTER TABLE holdfast.ownership DROP CONSTRAINT ownership_partition_id_during_excl;
ALTER TABLE holdfast.ownership ADD CONSTRAINT ownership_apart
    EXCLUDE USING gist (partition_id WITH =, during WITH &&) WHERE (NOT upper_inf(during));

-- sql/ makes it anew with another result.
DROP FUNCTION IF EXISTS holdfast.close_ownerships(int[], text);

-- Live nodes say it again within a second; after a crash of the database nothing of it is true.
ALTER TABLE holdfast.node_report SET UNLOGGED;
COMMENT ON TABLE holdfast.node_report IS 'What each live node last said about itself, a second ago or a hundredth of a second for each live node; unlogged, because nodes say it again after a crash';
COMMENT ON COLUMN holdfast.partition_head.reported_at IS 'When its owner last told something new of it';
