-- What may stand in for a post, what is to be taken down again, and what a person let go on although all else is frozen.

-- What stands in for a post when a condition of it does not hold: planned with it, for the same account and window, sealed by
-- itself. `swapped_at` is when it took its post's place; before that it only waits.
CREATE TABLE fallback (
    delivery      INTEGER PRIMARY KEY,
    stands_in_for INTEGER NOT NULL UNIQUE,
    swapped_at    INTEGER
) STRICT;

-- It is of the same post, account and window, has no conditions of its own, and nothing stands in for it.
CREATE TRIGGER a_fallback_is_its_posts_twin BEFORE INSERT ON fallback
WHEN NEW.swapped_at IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM delivery s JOIN delivery p ON p.id = NEW.stands_in_for
    WHERE s.id = NEW.delivery AND s.id > p.id AND s.kind = 'post' AND s.post = p.post AND s.target = p.target AND s.due = p.due
        AND s.until IS p.until AND s.guards IS NULL AND s.state = 'held' AND s.approval = p.approval)
    OR EXISTS (SELECT 1 FROM fallback WHERE delivery = NEW.stands_in_for OR stands_in_for = NEW.delivery)
BEGIN SELECT RAISE(ABORT, 'a fallback is for the same post, account and window'); END;

-- It takes its post's place only in the change that cancels the post. What is cancelled is final, so never can both be sent.
CREATE TRIGGER a_swap_cancels_the_post BEFORE UPDATE OF swapped_at ON fallback
WHEN OLD.swapped_at IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM delivery WHERE id = OLD.stands_in_for AND state = 'cancelled' AND settled_at = NEW.swapped_at)
BEGIN SELECT RAISE(ABORT, 'a fallback takes its place when its post is cancelled for it, and once'); END;

CREATE TRIGGER a_fallback_stays_with_its_post BEFORE UPDATE OF delivery, stands_in_for ON fallback
BEGIN SELECT RAISE(ABORT, 'a fallback stays with its post'); END;

CREATE TRIGGER a_fallback_is_not_forgotten BEFORE DELETE ON fallback
BEGIN SELECT RAISE(ABORT, 'a fallback stays with its post'); END;

-- While its post may still go out, a fallback waits or ends.
CREATE TRIGGER a_fallback_waits BEFORE UPDATE OF state ON delivery
WHEN NEW.state NOT IN ('held', 'cancelled', 'dead')
    AND EXISTS (SELECT 1 FROM fallback WHERE delivery = NEW.id AND swapped_at IS NULL)
BEGIN SELECT RAISE(ABORT, 'a fallback waits until it takes the place of its post'); END;

-- A post that is, or may be, online and is to be taken down. The delivery itself stays what it is.
CREATE TABLE recall (
    delivery   INTEGER PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('asked', 'retrying', 'gone', 'impossible')),
    reason     TEXT,
    note       TEXT,
    by_whom    TEXT NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    look_at    INTEGER NOT NULL,
    asked_at   INTEGER NOT NULL,
    settled_at INTEGER,
    CHECK ((state IN ('gone', 'impossible')) = (settled_at IS NOT NULL))
) STRICT;
CREATE INDEX recall_open ON recall (look_at) WHERE state IN ('asked', 'retrying');

CREATE TRIGGER a_recall_is_of_what_may_be_out BEFORE INSERT ON recall
WHEN NOT EXISTS (SELECT 1 FROM delivery WHERE id = NEW.delivery AND kind = 'post' AND state IN ('armed', 'unknown', 'online'))
BEGIN SELECT RAISE(ABORT, 'only what may be online is taken down'); END;

CREATE TRIGGER what_was_taken_down_stays_so BEFORE UPDATE OF state ON recall WHEN OLD.state = 'gone'
BEGIN SELECT RAISE(ABORT, 'what was taken down stays so'); END;

CREATE TRIGGER a_recalled_post_is_not_sent BEFORE UPDATE OF state ON delivery
WHEN NEW.state = 'armed' AND OLD.state <> 'armed' AND EXISTS (SELECT 1 FROM recall WHERE delivery = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a recalled post is not sent'); END;

-- One post that a person let go out although everything is frozen, or its account stopped. Good for that freeze and that stop
-- only: `frozen` is the version of the mark "frozen", `stopped` is since when the account was stopped.
CREATE TABLE released (
    delivery INTEGER PRIMARY KEY,
    frozen   INTEGER,
    stopped  INTEGER,
    by_whom  TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE TRIGGER frozen_is_not_armed BEFORE UPDATE OF state ON delivery
WHEN NEW.state = 'armed' AND OLD.state <> 'armed' AND (
    (EXISTS (SELECT 1 FROM meta WHERE key = 'freeze') AND NOT EXISTS (
        SELECT 1 FROM released r JOIN mark m ON m.name = 'frozen' WHERE r.delivery = NEW.id AND r.frozen = m.version))
    OR (NEW.kind = 'post' AND EXISTS (
        SELECT 1 FROM account a WHERE a.name = NEW.target AND a.breaker IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM released r WHERE r.delivery = NEW.id AND r.stopped = a.at))))
BEGIN SELECT RAISE(ABORT, 'frozen'); END;
