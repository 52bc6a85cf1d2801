-- How often in a row a feed could not be read: people hear of it once it has failed often enough, and not before.
ALTER TABLE feed ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;

-- What keeps an account's order before a delivery is asked at every look, and is nearly always nothing: without this, the answer takes
-- a walk through everything the account ever sent.
CREATE INDEX delivery_under_way ON delivery (target) WHERE state IN ('armed', 'unknown', 'preparing', 'retrying');

-- Pruning looks for runs that still have their details, not through all that ever ended.
DROP INDEX run_finished;
CREATE INDEX run_detailed ON run (finished) WHERE usage IS NOT NULL;
