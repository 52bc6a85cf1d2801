-- The furthest `ledger_until` ever was. It lies ahead of `ledger_until` only while the time between the two comes a second
-- time, because the machine's clock was ahead and went back.
ALTER TABLE workflow ADD COLUMN accounted INTEGER NOT NULL DEFAULT 0;
