"""Writes down every write to a checkpoint that the database accepts, to find one of a stale grant.

It shares nothing with the functions that it watches: a trigger notes which backend wrote under
which token, and the check compares that with who was granted what.
"""

_INSTALL = """
CREATE SCHEMA audit;
CREATE TABLE audit.save (number bigserial PRIMARY KEY, partition_id int, old_token bigint,
                         token bigint, old_generation int, generation int, old_sequence bigint,
                         sequence bigint, pid int, login text);
CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit.save (partition_id, old_token, token, old_generation, generation,
                            old_sequence, sequence, pid, login)
    VALUES (new.partition_id, old.token, new.token, old.generation, new.generation,
            old.sequence, new.sequence, pg_backend_pid(), session_user);
    RETURN new;
END $$;
CREATE TRIGGER audit AFTER UPDATE ON holdfast.checkpoint
    FOR EACH ROW EXECUTE FUNCTION audit.note();
"""

# A row is locked while it is written, so the numbers of one partition are in the order of the
# commits. A token belongs to several sessions of one node when they adopted it.
_STALE = """
WITH w AS (
    SELECT s.*, max(s.token) OVER (PARTITION BY s.partition_id ORDER BY s.number) AS highest,
           (SELECT array_agg(v.work_pid)
              FROM holdfast.ownership o JOIN holdfast.session v USING (session_id)
             WHERE o.partition_id = s.partition_id AND o.token = s.token) AS owners,
           (SELECT array_agg(v.lease_pid)
              FROM holdfast.ownership o JOIN holdfast.session v USING (session_id)
             WHERE o.partition_id = s.partition_id AND o.token = s.token) AS joined
      FROM audit.save s)
SELECT w.*, CASE WHEN w.token < w.highest THEN 'after a higher token had written'
                 WHEN w.token IS DISTINCT FROM w.old_token
                   OR w.sequence IS NOT DISTINCT FROM w.old_sequence THEN NULL  -- a take-over
                 WHEN w.generation <> w.old_generation THEN NULL
                 WHEN w.login <> 'node' THEN NULL  -- an administrator
                 WHEN w.sequence IS NOT DISTINCT FROM w.old_sequence THEN NULL  -- adopted
                 WHEN w.owners IS NULL THEN 'under a token that was never granted'
                 WHEN w.pid = ANY (w.joined) AND w.sequence IS NOT DISTINCT FROM w.old_sequence
                 THEN NULL  -- join() adopts what is the node's own
                 WHEN w.pid <> ALL (w.owners) THEN 'by a backend that is not the owner''s'
                 WHEN w.sequence < w.old_sequence THEN 'behind what was saved' END AS why
  FROM w
"""


def install(cluster):
    """Before anything is delivered."""
    cluster.query(_INSTALL)


def writes(cluster):
    """How many writes were accepted."""
    return cluster.query("SELECT count(*) AS n FROM audit.save")[0].n


def stale_writes(cluster):
    """The accepted writes that should have been refused, each with `why`."""
    return cluster.query(f"SELECT * FROM ({_STALE}) AS s WHERE why IS NOT NULL ORDER BY number")
