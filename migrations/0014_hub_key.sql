-- An administrator who changes a hub and has not committed yet must not hold up a take-over. The columns of
-- a plain unique index count as a key of their row, and whoever changes a key is waited for by every
-- foreign key that is looked at: that of a partition, whenever it changes hands. Those of an index
-- with a condition do not count; this one holds for every row.
CREATE UNIQUE INDEX hub_log_once ON holdfast.hub (connection_secret, consumer_group) WHERE connection_secret <> '';
ALTER TABLE holdfast.hub DROP CONSTRAINT hub_connection_secret_consumer_group_key;
