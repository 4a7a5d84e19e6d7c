-- doubts: live nodes that may not be well, and until when that can last
-- Calls: node_doubts.
DROP VIEW IF EXISTS holdfast.doubts CASCADE;
CREATE VIEW holdfast.doubts AS
SELECT d.node, d.doubt, d.since, d.ends_in FROM holdfast.node_doubts() d ORDER BY d.since;
COMMENT ON VIEW holdfast.doubts IS 'Live nodes that may not be well, by what the database sees and by what they say; no row when all are';
COMMENT ON COLUMN holdfast.doubts.ends_in IS 'When it ends by itself: the lease runs out, or the wait is over; null: not by itself';
