//! Asks the networks themselves: how the posts of the last weeks did, and what the public wrote.
//!
//! In: accounts whose channel has figures or an inbox. Out: figures per post and per day, messages, and the event `message` for the
//! workflows that listen to it.
//! Never: holds up a run or a delivery, counts a figure twice, or starts a workflow for a message that was there before.

use crate::adapters::Adapters;
use crate::clock::{Clock, Turn};
use crate::domain::{AccountName, Json, Timestamp};
use crate::effects::{Effects, brought};
use crate::instance::{Account, ChannelConfig, Current, Instance};
use crate::kinds::{Call, Channel, Keep, KindError, Message, Sample};
use crate::network::Network;
use crate::pulse::Pulse;
use crate::schedule::board::{Board, Claim};
use crate::store::{Change, CommitError, Op, PluginOp, Store, plugins};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often figures are asked for.
const FIGURES_REST: Duration = Duration::from_secs(6 * 3_600);
/// How often inboxes are asked for.
const INBOX_REST: Duration = Duration::from_secs(600);
/// The first wait after a failure; doubled each time, up to the usual rest.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// Posts older than this are no longer asked about.
const OLDEST: Duration = Duration::from_secs(30 * 86_400);
/// What a post gathered before its first reading counts when the post is younger than this, or than the last reading.
const YOUNG: Duration = Duration::from_secs(86_400);
/// Most posts of one call.
const POSTS: usize = 100;
/// Most pages of an inbox in one turn.
const PAGES: usize = 20;
/// Most time one call may take.
const CALL_TIME: Duration = Duration::from_secs(120);
/// What is not counted but measured: the number itself says how many there are.
const LEVELS: [&str; 2] = ["followers", "following"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum What {
    Inbox,
    Figures,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Figures => "metrics",
        }
    }

    const fn rest(self) -> Duration {
        match self {
            Self::Inbox => INBOX_REST,
            Self::Figures => FIGURES_REST,
        }
    }
}

/// When to ask next, as far as it is known in memory.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: Timestamp,
    failures: u32,
}

/// What the reader works with: all of it is the engine's.
pub struct Reached {
    /// The store.
    pub store: Arc<Store>,
    /// The only time.
    pub clock: Arc<dyn Clock>,
    /// The only network.
    pub network: Arc<dyn Network>,
    /// The channels.
    pub adapters: Arc<Adapters>,
    /// The configuration in force.
    pub current: Arc<Current>,
    /// Where runs that messages start are put.
    pub board: Arc<Board>,
    /// Who is told.
    pub pulse: Arc<Pulse>,
}

/// Reads accounts. One per daemon.
pub struct AccountReader {
    with: Reached,
    next: Mutex<HashMap<(AccountName, What), Next>>,
}

/// How one reading ended.
enum Read {
    /// The channel cannot do this.
    Cannot,
    /// It is over.
    Done,
    /// It failed.
    Failed(KindError),
}

impl AccountReader {
    /// A reader that has read nothing yet.
    pub fn new(with: Reached) -> Self {
        Self { with, next: Mutex::default() }
    }

    /// Reads one inbox or the figures of one account, if it is time.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn turn(&self) -> Result<Turn, CommitError> {
        let now = self.with.clock.now();
        let instance = self.with.current.get();
        let mut soonest = Timestamp::NEVER;
        for account in instance.accounts.values() {
            for what in [What::Inbox, What::Figures] {
                let next = self.next(account, what, now)?;
                if next.at > now {
                    soonest = soonest.min(next.at);
                    continue;
                }
                let after = self.read(&instance, account, what, next.failures)?;
                self.note(account, what, after);
                if after.at < Timestamp::NEVER {
                    return Ok(Turn::Did);
                }
            }
        }
        Ok(Turn::Idle(Some(soonest).filter(|at| *at < Timestamp::NEVER)))
    }

    fn next(&self, account: &Account, what: What, now: Timestamp) -> Result<Next, CommitError> {
        let known = self.next.lock().unwrap_or_else(PoisonError::into_inner).get(&(account.name.clone(), what)).copied();
        let latest = now.plus(what.rest());
        let mut next = match known {
            Some(next) => next,
            None => {
                let read = plugins::reading(&*self.with.store.read()?, account.name.as_str(), what.word())?;
                let next = Next { at: read.map_or(now, |(_, at)| at.plus(what.rest())), failures: 0 };
                self.note(account, what, next);
                next
            }
        };
        // A clock that was set back does not put the next reading off for ever.
        if next.at < Timestamp::NEVER && next.failures == 0 {
            next.at = next.at.min(latest);
        }
        Ok(next)
    }

    fn note(&self, account: &Account, what: What, next: Next) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).insert((account.name.clone(), what), next);
    }

    /// Forgets when to ask next: a reload may have changed who serves an account.
    pub fn look_again(&self) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Reads, and says when to read again.
    fn read(&self, instance: &Instance, account: &Account, what: What, failures: u32) -> Result<Next, CommitError> {
        let name = account.name.as_str();
        let channel = self.with.adapters.channel(instance, account);
        let read = match what {
            What::Inbox => self.inbox(instance, name, &*channel)?,
            What::Figures => self.figures(instance, name, &*channel)?,
        };
        let now = self.with.clock.now();
        let error = match read {
            // What is built in never learns it; a plugin may be installed or replaced at any time.
            Read::Cannot if matches!(account.channel, ChannelConfig::Folder(_)) => {
                return Ok(Next { at: Timestamp::NEVER, failures: 0 });
            }
            Read::Cannot | Read::Done => return Ok(Next { at: now.plus(what.rest()), failures: 0 }),
            Read::Failed(error) => error,
        };
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(what.rest());
        let at = match &error {
            KindError::Retry(_, not_before) => now.plus(wait).max(not_before.unwrap_or(Timestamp::EPOCH)),
            // What will not pass by itself is not asked for more often than what works.
            _ => now.plus(what.rest()),
        };
        tracing::warn!(account = name, what = what.word(), "{error}");
        let cursor = plugins::reading(&*self.with.store.read()?, name, what.word())?.and_then(|(cursor, _)| cursor);
        let error = Some(error.to_string());
        self.commit(now, vec![PluginOp::Reading { account: name.into(), what: what.word(), cursor, error }])?;
        Ok(Next { at, failures: failures.saturating_add(1) })
    }

    fn commit(&self, now: Timestamp, ops: Vec<PluginOp>) -> Result<(), CommitError> {
        self.with.store.commit(Change::new(now, ops.into_iter().map(Op::Plugin).collect())).map(drop)
    }

    fn call<'a>(&'a self, instance: &Instance, id: &'a str, keep: &'a Keep) -> Call<'a> {
        Call {
            id,
            attempt: 1,
            time: CALL_TIME,
            keep,
            now: self.with.clock.now(),
            network: &*self.with.network,
            zone: instance.business.zone,
            language: instance.business.language,
        }
    }

    /// Asks a channel whether its account works, and keeps what it wants remembered. `None` when there is nothing to ask.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn check(&self, instance: &Instance, account: &Account) -> Result<Option<Result<String, KindError>>, CommitError> {
        let id = format!("check-{}", account.name);
        let keep = Keep::default();
        let found = self.with.adapters.channel(instance, account).check(&self.call(instance, &id, &keep));
        let kept = keep.take();
        if !kept.is_empty() {
            self.commit(self.with.clock.now(), vec![PluginOp::State(kept)])?;
        }
        Ok(found)
    }

    fn inbox(&self, instance: &Instance, account: &str, channel: &dyn Channel) -> Result<Read, CommitError> {
        let id = format!("inbox-{account}");
        let before = plugins::reading(&*self.with.store.read()?, account, What::Inbox.word())?;
        // What lay there before anybody had looked is kept, and starts nothing.
        let first = before.as_ref().is_none_or(|(cursor, _)| cursor.is_none());
        let mut cursor = before.and_then(|(cursor, _)| cursor);
        for _ in 0..PAGES {
            let keep = Keep::default();
            let page = match channel.inbox(&self.call(instance, &id, &keep), cursor.as_deref()) {
                None => return Ok(Read::Cannot),
                Some(Err(error)) => return Ok(Read::Failed(error)),
                Some(Ok(page)) => page,
            };
            let stands_still = page.cursor.is_none() || page.cursor == cursor;
            // An inbox without cursors is read from its beginning each time; that it was read is worth a mark all the same.
            cursor = Some(page.cursor.or(cursor).unwrap_or_default());
            self.take(instance, account, page.messages, cursor.clone(), &keep, first)?;
            if !page.more || stands_still {
                break;
            }
        }
        Ok(Read::Done)
    }

    /// Takes a page: messages, cursor, what the channel keeps, and the runs that messages start, in one change.
    fn take(
        &self,
        instance: &Instance,
        account: &str,
        messages: Vec<Message>,
        cursor: Option<String>,
        keep: &Keep,
        first: bool,
    ) -> Result<(), CommitError> {
        let now = self.with.clock.now();
        let ids: Vec<&str> = messages.iter().map(|m| m.id.as_str()).collect();
        let known = plugins::known_messages(&*self.with.store.read()?, account, &ids)?;
        let mut seen = BTreeSet::new();
        let new: Vec<Message> = messages.into_iter().filter(|m| !known.contains(&m.id) && seen.insert(m.id.clone())).collect();
        let mut ops = vec![
            Op::Plugin(PluginOp::Messages { account: account.into(), messages: new.clone() }),
            Op::Plugin(PluginOp::Reading { account: account.into(), what: What::Inbox.word(), cursor, error: None }),
            Op::Plugin(PluginOp::State(keep.take())),
        ];
        let mut started = Vec::new();
        if !first {
            for message in &new {
                let payload = brought("message", 1, payload(account, message));
                let rows =
                    Effects::emitted("message", payload, None, instance, now, &mut || self.with.store.next_run(), &mut ops);
                started.extend(rows);
            }
        }
        self.with.store.commit(Change::new(now, ops))?;
        for message in &new {
            self.with.pulse.tell("message", account, &message.kind, format!("{}: {}", message.author, message.text));
        }
        for (row, workflow) in started {
            let mut claim = Claim::new(row.id, workflow, row.kind, row.due);
            claim.payload = row.payload;
            claim.recorded = true;
            self.with.board.post(claim, now);
        }
        Ok(())
    }

    fn figures(&self, instance: &Instance, account: &str, channel: &dyn Channel) -> Result<Read, CommitError> {
        let now = self.with.clock.now();
        let day = now.day(instance.business.zone).to_string();
        let (posts, before, last, mut today) = {
            let reader = self.with.store.read()?;
            let posts = plugins::online_posts(&reader, account, now.minus(OLDEST))?;
            let before = plugins::post_metrics(&reader, account)?;
            let last = plugins::reading(&reader, account, What::Figures.word())?.map(|(_, at)| at);
            (posts, before, last, plugins::account_metrics(&reader, account, &day)?)
        };
        let id = format!("metrics-{account}");
        let keep = Keep::default();
        let ids: Vec<String> = posts.iter().map(|(id, _)| id.clone()).collect();
        let mut samples = Vec::new();
        // Also without posts: the account has figures of its own.
        let parts = if ids.is_empty() { vec![&ids[..]] } else { ids.chunks(POSTS).collect() };
        for part in parts {
            match channel.metrics(&self.call(instance, &id, &keep), part) {
                None => return Ok(Read::Cannot),
                Some(Err(error)) => return Ok(Read::Failed(error)),
                Some(Ok(some)) => samples.extend(some),
            }
        }
        let young = now.minus(YOUNG);
        let counted = count(&samples, &posts, &before, last.map_or(young, |last| last.min(young)));
        for (figure, more) in counted.counts {
            *today.entry(figure).or_default() += more;
        }
        today.extend(counted.levels);
        let account = account.to_owned();
        let change = vec![
            PluginOp::PostMetrics { account: account.clone(), rows: counted.totals },
            PluginOp::AccountMetrics { account: account.clone(), day, rows: today.into_iter().collect() },
            PluginOp::Reading { account, what: What::Figures.word(), cursor: None, error: None },
            PluginOp::State(keep.take()),
        ];
        self.commit(now, change)?;
        Ok(Read::Done)
    }
}

/// What a message's workflow finds as its payload.
fn payload(account: &str, m: &Message) -> Json {
    json!({
        "account": account, "id": m.id, "kind": m.kind, "author": m.author, "text": m.text, "at": m.at.millis(),
        "reply_to": m.reply_to, "url": m.url,
    })
}

/// What a reading comes to.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    /// Running totals, to be compared with next time.
    totals: Vec<(String, String, f64)>,
    /// What was added since the last reading, by name.
    counts: BTreeMap<String, f64>,
    /// How many there are, by name.
    levels: BTreeMap<String, f64>,
}

/// Turns running totals into what was added since the last reading. A total that is seen for the first time counts whole when its post
/// appeared since then (`fresh_since`), and otherwise not at all: nobody knows on which days it grew. What shrinks counts as nothing.
fn count(
    samples: &[Sample],
    posts: &[(String, Timestamp)],
    before: &HashMap<(String, String), f64>,
    fresh_since: Timestamp,
) -> Counted {
    let mut out = Counted::default();
    let good = |s: &&Sample| s.value.is_finite() && s.value >= 0.0 && (1..=64).contains(&s.name.len());
    // Where the network counts for the whole account, its posts are in there already.
    let whole: BTreeSet<&str> = samples.iter().filter(good).filter(|s| s.remote_id.is_none()).map(|s| s.name.as_str()).collect();
    // A figure that is told twice is one figure.
    let mut latest: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for sample in samples.iter().filter(good) {
        latest.insert((sample.remote_id.as_deref().unwrap_or_default(), &sample.name), sample.value);
    }
    for ((post, name), value) in latest {
        let appeared = posts.iter().find(|(id, _)| id == post).map(|(_, at)| *at);
        if !post.is_empty() && appeared.is_none() {
            continue;
        }
        if LEVELS.contains(&name) {
            if post.is_empty() {
                out.levels.insert(name.into(), value);
            }
            continue;
        }
        let added = match before.get(&(post.to_owned(), name.to_owned())) {
            Some(known) => Some((value - known).max(0.0)),
            None => appeared.filter(|at| *at >= fresh_since).map(|_| value),
        };
        if let Some(added) = added.filter(|_| post.is_empty() || !whole.contains(name)) {
            *out.counts.entry(name.to_owned()).or_default() += added;
        }
        out.totals.push((post.to_owned(), name.to_owned(), value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(post: &str, name: &str, value: f64) -> Sample {
        Sample { remote_id: (!post.is_empty()).then(|| post.to_owned()), name: name.into(), value }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn counts(counted: &Counted) -> Vec<(&str, f64)> {
        counted.counts.iter().map(|(name, value)| (name.as_str(), *value)).collect()
    }

    #[test]
    fn only_what_was_added_counts() {
        let posts = [("old".to_owned(), at(10)), ("new".to_owned(), at(90))];
        let known = |name: &str, value| (("old".to_owned(), name.to_owned()), value);
        let before = HashMap::from([known("likes", 7.0), known("shares", 5.0)]);
        let samples = [
            sample("old", "likes", 9.0),
            sample("old", "shares", 3.0),
            sample("old", "replies", 40.0),
            sample("new", "likes", 4.0),
            sample("", "followers", 120.0),
            sample("stranger", "likes", 1_000.0),
            sample("new", "clicks", f64::NAN),
            sample("new", "likes", 4.0),
        ];
        let counted = count(&samples, &posts, &before, at(50));
        assert_eq!(counts(&counted), [("likes", 6.0), ("shares", 0.0)]);
        assert_eq!(counted.levels, BTreeMap::from([("followers".to_owned(), 120.0)]));
        assert_eq!(counted.totals.len(), 4, "replies that were not read before are the mark to count from: {counted:?}");
    }

    #[test]
    fn the_accounts_own_figure_stands_for_those_of_its_posts() {
        let posts = [("p".to_owned(), at(90))];
        let before = HashMap::from([((String::new(), "impressions".to_owned()), 1_000.0)]);
        let samples = [sample("p", "impressions", 60.0), sample("", "impressions", 1_100.0)];
        assert_eq!(counts(&count(&samples, &posts, &before, at(0))), [("impressions", 100.0)]);
    }
}
