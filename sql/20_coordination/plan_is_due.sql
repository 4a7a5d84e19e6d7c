-- plan_is_due()
-- Purpose: whether the leader should plan now: nodes came and the delay has passed, or the
--          configuration or an administrator's wish has changed; never while partitions are reserved
--          after a restart of the database.
-- Returns: boolean.   Calls: nothing.   Tables: cluster, version, partition (read).   Internal.
CREATE OR REPLACE FUNCTION holdfast.plan_is_due() RETURNS boolean
LANGUAGE sql STABLE SET search_path = holdfast, pg_catalog, pg_temp
AS $$
    SELECT (c.reserved_until <= clock_timestamp()
            OR NOT EXISTS (SELECT FROM partition p
                            WHERE p.owner_session_id IS NULL AND p.reserved_node IS NOT NULL))
           AND (coalesce(c.rebalance_at <= clock_timestamp(), false)
                OR c.planned_config <> (SELECT v.value FROM version v WHERE v.what = 'config')
                OR c.planned_wishes <> (SELECT v.value FROM version v WHERE v.what = 'wishes'))
      FROM cluster c
$$;
COMMENT ON FUNCTION holdfast.plan_is_due() IS 'Internal: whether the leader should plan moves now';
