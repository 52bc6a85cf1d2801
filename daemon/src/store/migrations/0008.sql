-- SQLite lays out a list of three or more words after IN as a table of its own each time it is asked, which for a rule about a row takes
-- longer than writing the row. Said as one comparison after the other the same rules cost next to nothing.
DROP TRIGGER run_is_final;
CREATE TRIGGER run_is_final BEFORE UPDATE OF state ON run WHEN OLD.state = 'done' OR OLD.state = 'failed' OR OLD.state = 'cancelled'
BEGIN SELECT RAISE(ABORT, 'a finished run does not change'); END;
DROP TRIGGER settled_is_final;
CREATE TRIGGER settled_is_final BEFORE UPDATE OF state ON delivery
WHEN OLD.state = 'online' OR OLD.state = 'cancelled' OR OLD.state = 'refused'
BEGIN SELECT RAISE(ABORT, 'a settled delivery does not change'); END;
DROP TRIGGER a_fallback_waits;
CREATE TRIGGER a_fallback_waits BEFORE UPDATE OF state ON delivery
WHEN NEW.state <> 'held' AND NEW.state <> 'cancelled' AND NEW.state <> 'dead'
    AND EXISTS (SELECT 1 FROM fallback WHERE delivery = NEW.id AND swapped_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a fallback waits until it takes the place of its post'); END;

-- Only the words of the checks change and nothing that is stored, so it is the text of the schema that is changed: the way that SQLite's
-- documentation names for this (ALTER TABLE, "Making Other Kinds Of Table Schema Changes").
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'kind IN (''schedule'', ''hand'', ''event'', ''later'')',
    'kind = ''schedule'' OR kind = ''hand'' OR kind = ''event'' OR kind = ''later'''),
    'fate IN (''ran'', ''skipped'', ''coalesced'', ''missed'', ''held'', ''failed'')',
    'fate = ''ran'' OR fate = ''skipped'' OR fate = ''coalesced'' OR fate = ''missed'' OR fate = ''held'' OR fate = ''failed''')
WHERE type = 'table' AND name = 'occurrence';
UPDATE sqlite_schema SET sql = replace(sql,
    'state IN (''running'', ''waiting'', ''done'', ''failed'', ''cancelled'')',
    'state = ''running'' OR state = ''waiting'' OR state = ''done'' OR state = ''failed'' OR state = ''cancelled''')
WHERE type = 'table' AND name = 'run';
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'state IN (''held'', ''due'', ''preparing'', ''armed'', ''online'', ''refused'', ''retrying'', ''unknown'', ''dead'', ''cancelled'')',
    'state = ''held'' OR state = ''due'' OR state = ''preparing'' OR state = ''armed'' OR state = ''online'' OR state = ''refused'' OR state = ''retrying'' OR state = ''unknown'' OR state = ''dead'' OR state = ''cancelled'''),
    'approval IN (''none'', ''needed'', ''given'', ''refused'')',
    'approval = ''none'' OR approval = ''needed'' OR approval = ''given'' OR approval = ''refused''')
WHERE type = 'table' AND name = 'delivery';
PRAGMA writable_schema = RESET;

-- A workflow asks for what is new in a feed, not for all that the feed ever brought.
CREATE INDEX signal_by_feed ON signal (feed, seq);
