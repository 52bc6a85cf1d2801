//! Plugins as adapters: every trait of `kinds` on top of a loaded plugin.
//!
//! In: calls of the daemon. Out: the plugin's answers as the daemon's values; for a call that was stopped, a failure named after what
//! the daemon does next.
//! Never: keeps what a plugin wrote when its call failed, or lets a defect go uncounted.

mod convert;
mod trial;
mod workflow;

pub use trial::Trial;
pub use workflow::{PluginWorkflow, Trigger, WorkflowFailure};

use super::host::{
    Asset, Done, Duty, Inside, Instance, Line, Loaded, Outcome as Ran, Stopped, Store, Terms, Used, open_media, wire,
};
use super::ward::Ward;
use crate::domain::{Language, Timestamp, Zone};
use crate::kinds::{
    Call, Catalog, Channel, Failure, Finding, Generation, Generator, Keep, KindError, MessagePage, Notice, Notifier, Outcome,
    Outgoing, Preparation, Prompt, Receipt, Sample, SignalPage, Source, StockPage,
};
use crate::network::{Network, NetworkError, Request, Response};
use convert::Odd;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most time for saying what is wrong with a text.
const JUDGING: Duration = Duration::from_secs(2);
/// What was read from a catalog may be used for this long.
const REST: Duration = Duration::from_secs(60);
/// Most signals taken from one read.
const SIGNALS: usize = 2_000;
/// Most products of one catalog.
const ITEMS: usize = 200_000;
/// Most bytes of one catalog, counted while its pages are read.
const CATALOG: usize = 128 << 20;
/// Most messages or figures taken from one read.
const MESSAGES: usize = 5_000;

/// A plugin at work for something of the configuration.
pub(super) struct Bridge {
    pub(super) loaded: Arc<Loaded>,
    pub(super) duty: Arc<Duty>,
    pub(super) ward: Arc<Ward>,
    /// For what is asked without a call.
    pub(super) now: Timestamp,
    pub(super) zone: Zone,
    pub(super) language: Language,
    /// Where calls leave a record, if somebody wants one.
    pub(super) records: Option<Arc<Records>>,
}

/// Records of calls, in order.
pub(super) type Records = Mutex<Vec<Record>>;

/// What one call wrote and used.
#[derive(Debug, Clone)]
pub struct Record {
    /// What it wrote to the log.
    pub lines: Vec<Line>,
    /// What it used up.
    pub used: Used,
    /// Why it was stopped, if it was.
    pub stopped: Option<Stopped>,
}

/// Several calls that are one to the owner.
struct Together {
    /// The time they have.
    time: Duration,
    /// What went by in waiting for others.
    waited: Cell<Duration>,
}

/// There is none.
struct NoNetwork;

impl Network for NoNetwork {
    fn send(&self, _request: &Request) -> Result<Response, NetworkError> {
        Err(NetworkError::Forbidden("This call has no network.".into()))
    }
}

/// What a plugin's function gives: its own answer, or the machine's.
type Said<T> = Ran<Result<T, wire::types::Error>>;

impl Bridge {
    fn plugin(&self) -> &str {
        self.loaded.manifest.name.as_str()
    }

    /// Calls the plugin and reads its answer; what it wants remembered is kept if both succeed.
    fn ask<T, R>(
        &self,
        call: &Call<'_>,
        media: Vec<Asset>,
        work: impl AsyncFnOnce(&mut Store<Inside>, &Instance) -> Said<T>,
        read: impl FnOnce(T) -> Result<R, Odd>,
    ) -> Result<R, KindError> {
        self.ask_within(call, &Together { time: call.time, waited: Cell::default() }, media, work, read)
    }

    /// The same for one of several calls that share their time.
    fn ask_within<T, R>(
        &self,
        call: &Call<'_>,
        together: &Together,
        media: Vec<Asset>,
        work: impl AsyncFnOnce(&mut Store<Inside>, &Instance) -> Said<T>,
        read: impl FnOnce(T) -> Result<R, Odd>,
    ) -> Result<R, KindError> {
        let done = self.run(call, Terms { media, ..Terms::default() }, work);
        together.waited.set(together.waited.get() + done.used.waited);
        match done.answer {
            Ok(Ok(answer)) => {
                let answer = read(answer).map_err(|odd| self.odd(call, "plugin-answer", &odd))?;
                call.keep.add(done.written);
                Ok(answer)
            }
            Ok(Err(error)) => {
                let error = convert::error(self.plugin(), error, call.now);
                if let KindError::Internal(failure) = &error {
                    self.ward.defect(&failure.message, call.now, call.language);
                }
                Err(error)
            }
            Err(stopped) => {
                let stopped = match stopped {
                    // The last of several calls had what the others left of the time.
                    Stopped::Time(..) if call.time < together.time => Stopped::Time(together.time, together.waited.get()),
                    other => other,
                };
                Err(self.stopped(call, &stopped, done.acted))
            }
        }
    }

    /// An answer that no plugin should give is a defect.
    fn odd(&self, call: &Call<'_>, code: &str, odd: &Odd) -> KindError {
        let (plugin, Odd { fr, en }) = (self.plugin(), odd);
        let text = call.language.pick(
            format!("Le plugin {plugin} {fr}. C'est un défaut du plugin\u{a0}: signalez-le à son auteur."),
            format!("The plugin {plugin} {en}. This is a defect of the plugin: tell its author."),
        );
        self.ward.defect(&text, call.now, call.language);
        KindError::Internal(Failure::new(code, text))
    }

    /// Calls the plugin and leaves a record.
    fn run<T>(&self, call: &Call<'_>, terms: Terms, work: impl AsyncFnOnce(&mut Store<Inside>, &Instance) -> Ran<T>) -> Done<T> {
        let mut done = self.loaded.call(&self.duty, call, terms, work);
        if let Some(records) = &self.records {
            let record =
                Record { lines: std::mem::take(&mut done.lines), used: done.used, stopped: done.answer.as_ref().err().cloned() };
            records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        }
        done
    }

    fn stopped(&self, call: &Call<'_>, stopped: &Stopped, acted: bool) -> KindError {
        let failure = Failure::new(stopped.code(), stopped.sentence(self.plugin(), call.language));
        if stopped.is_defect() {
            self.ward.defect(&failure.message, call.now, call.language);
            KindError::Internal(failure)
        } else if acted {
            KindError::Uncertain(failure)
        } else {
            KindError::Retry(failure, None)
        }
    }

    fn files(&self, call: &Call<'_>, post: &Outgoing) -> Result<Vec<Asset>, KindError> {
        open_media(&post.media, call.language)
    }

    /// Without the ability, nothing should have asked for it.
    fn cannot(&self, ability: &str) -> KindError {
        KindError::Retry(super::registry::lacks(self.plugin(), ability, self.language), None)
    }
}

/// A plugin's post: text and files as this call names them.
fn posted(store: &Store<Inside>, post: &Outgoing) -> wire::post_types::Post {
    convert::post(post, store.data().assets())
}

impl Channel for Bridge {
    fn settles_within(&self) -> Duration {
        self.loaded.manifest.settles_within
    }

    fn objections(&self, post: &Outgoing) -> Vec<Failure> {
        let Some(indices) = &self.loaded.can.publish else { return Vec::new() };
        let keep = Keep::default();
        let call = Call {
            id: "objections",
            attempt: 1,
            time: JUDGING,
            keep: &keep,
            now: self.now,
            network: &NoNetwork,
            zone: self.zone,
            language: self.language,
        };
        let media = match self.files(&call, post) {
            Ok(media) => media,
            Err(KindError::Reject(failure)) => return vec![failure],
            Err(_) => return Vec::new(),
        };
        let terms = Terms { media, offline: true, ..Terms::default() };
        let done = self.run(&call, terms, async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            let post = posted(store, post);
            guest.call_validate(&mut *store, &post).await
        });
        match done.answer {
            Ok(problems) => problems.iter().take(50).map(convert::objection).collect(),
            Err(stopped) => {
                // A refusal is for ever, and a defect is none: publishing will tell.
                self.stopped(&call, &stopped, false);
                Vec::new()
            }
        }
    }

    fn prepare(&self, call: &Call<'_>, key: &str, post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        let Some(indices) = &self.loaded.can.prepare else { return Ok(Preparation::Ready(so_far.map(str::to_owned))) };
        let media = self.files(call, post)?;
        self.ask(
            call,
            media,
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                let post = posted(store, post);
                guest.call_prepare(&mut *store, key, &post, so_far).await
            },
            |answer| convert::preparation(answer, call.now),
        )
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Result<Outcome, KindError> {
        let Some(indices) = &self.loaded.can.publish else { return Err(self.cannot("publish")) };
        let media = self.files(call, post)?;
        self.ask(
            call,
            media,
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                let post = posted(store, post);
                guest.call_publish(&mut *store, key, &post, prepared).await
            },
            |answer| convert::outcome(answer, call.now),
        )
    }

    fn find(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        let indices = self.loaded.can.lookup.as_ref()?;
        let media = match self.files(call, post) {
            Ok(media) => media,
            // The picture is gone, the post may be there all the same.
            Err(KindError::Reject(failure)) => return Some(Err(KindError::Retry(failure, None))),
            Err(error) => return Some(Err(error)),
        };
        Some(self.ask(
            call,
            media,
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                let post = posted(store, post);
                guest.call_find(&mut *store, key, &post, prepared).await
            },
            |answer| convert::finding(answer, call.now),
        ))
    }

    fn check(&self, call: &Call<'_>) -> Option<Result<String, KindError>> {
        Some(self.check_plugin(call))
    }

    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        let indices = self.loaded.can.unpublish.as_ref()?;
        Some(self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_unpublish(&mut *store, remote_id).await
            },
            Ok,
        ))
    }

    fn metrics(&self, call: &Call<'_>, remote_ids: &[String]) -> Option<Result<Vec<Sample>, KindError>> {
        let indices = self.loaded.can.metrics.as_ref()?;
        Some(self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_read(&mut *store, remote_ids).await
            },
            |samples| Ok(samples.into_iter().filter_map(|sample| convert::sample(sample, remote_ids)).take(MESSAGES).collect()),
        ))
    }

    fn inbox(&self, call: &Call<'_>, since: Option<&str>) -> Option<Result<MessagePage, KindError>> {
        let indices = self.loaded.can.inbox.as_ref()?;
        Some(self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_poll(&mut *store, since.map(str::to_owned).as_ref()).await
            },
            |page| {
                let cursor = convert::cursor(page.next)?;
                Ok(MessagePage {
                    messages: page.messages.into_iter().take(MESSAGES).filter_map(|m| convert::message(m, call.now)).collect(),
                    // The same place again would be asked for without end.
                    more: page.more && cursor.as_deref() != since,
                    cursor,
                })
            },
        ))
    }
}

impl Bridge {
    /// What every plugin answers: whether it works.
    pub(super) fn check_plugin(&self, call: &Call<'_>) -> Result<String, KindError> {
        let indices = &self.loaded.can.plugin;
        let name = self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_check(&mut *store).await
            },
            Ok,
        )?;
        Ok(super::host::masked(&super::host::one_line(name.trim(), 200)))
    }
}

impl Source for Bridge {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError> {
        let Some(indices) = &self.loaded.can.feed else { return Err(self.cannot("feed")) };
        self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_poll(&mut *store, since.map(str::to_owned).as_ref()).await
            },
            |page| {
                let mut remarks = Vec::new();
                if page.signals.len() > SIGNALS {
                    remarks.push(call.language.pick(
                        format!("Le plugin {} a donné plus de {SIGNALS} signaux d'un coup ; le reste est laissé.", self.plugin()),
                        format!("The plugin {} gave more than {SIGNALS} signals at once; the rest is left out.", self.plugin()),
                    ));
                }
                Ok(SignalPage {
                    unchanged: page.unchanged && page.signals.is_empty(),
                    signals: convert::signals(page.signals.into_iter().take(SIGNALS), call.now),
                    cursor: convert::cursor(page.next)?,
                    remarks,
                })
            },
        )
    }
}

impl Catalog for Bridge {
    /// Reads page after page. A whole catalog is taken whole or not at all; of changes, those read in time are taken.
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError> {
        let Some(indices) = &self.loaded.can.stock else { return Err(self.cannot("stock")) };
        let mut out = StockPage { cursor: since.map(str::to_owned), ..StockPage::default() };
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut left = call.time;
        let (mut first, mut bytes) = (true, 0);
        let together = Together { time: call.time, waited: Cell::default() };
        loop {
            let started = self.loaded.elapsed();
            let part = Call { time: left, ..*call };
            let asked = out.cursor.clone();
            let page = self.ask_within(
                &part,
                &together,
                Vec::new(),
                async |store, instance| {
                    let guest = indices.load(&mut *store, instance)?;
                    guest.call_poll(&mut *store, asked.as_ref()).await
                },
                |mut page| {
                    page.next = convert::cursor(page.next)?;
                    Ok(page)
                },
            );
            let page = match page {
                Ok(page) => page,
                Err(KindError::Retry(failure, _)) if !first && out.changes => {
                    out.remarks.push(failure.message);
                    return Ok(out);
                }
                Err(error) => return Err(error),
            };
            if !first && page.changes != out.changes {
                return Err(self.endless(call, "mixes whole pages and changes", "mêle pages entières et changements"));
            }
            out.changes = page.changes;
            for item in page.items {
                let Some(item) = convert::item(item, &mut out.remarks, call.language) else { continue };
                bytes += convert::weight(&item);
                match places.get(&item.sku) {
                    Some(at) => out.items[*at] = item,
                    None => {
                        places.insert(item.sku.clone(), out.items.len());
                        out.items.push(item);
                    }
                }
            }
            out.removed.extend(page.removed.iter().take(ITEMS).map(|number| convert::sku(number)));
            out.remarks.truncate(50);
            let stuck = page.more && page.next == asked;
            out.cursor = page.next;
            if !page.more && bytes <= CATALOG {
                return Ok(out);
            }
            if stuck || out.items.len() > ITEMS || out.removed.len() > ITEMS || bytes > CATALOG {
                return Err(self.endless(call, "gives pages without end", "donne des pages sans fin"));
            }
            left = left.saturating_sub(self.loaded.elapsed().saturating_sub(started));
            if left.is_zero() {
                if out.changes {
                    return Ok(out);
                }
                let limit = Stopped::Time(call.time, together.waited.get());
                return Err(self.stopped(call, &limit, false));
            }
            first = false;
        }
    }

    fn rest(&self) -> Duration {
        REST
    }
}

impl Bridge {
    fn endless(&self, call: &Call<'_>, en: &str, fr: &str) -> KindError {
        self.odd(call, "plugin-pages", &Odd { fr: format!("{fr} de son catalogue"), en: format!("{en} of its catalog") })
    }
}

impl Generator for Bridge {
    fn generate(&self, call: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError> {
        let Some(indices) = &self.loaded.can.generate else { return Err(self.cannot("generate")) };
        let asked = convert::prompt(prompt);
        self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_generate(&mut *store, &asked).await
            },
            |generation| Ok(convert::generation(generation, prompt.variants)),
        )
    }
}

impl Notifier for Bridge {
    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        let Some(indices) = &self.loaded.can.notify else { return Err(self.cannot("notify")) };
        let notice = convert::notice(notice);
        self.ask(
            call,
            Vec::new(),
            async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_notify(&mut *store, key, &notice).await
            },
            |receipt| Ok(convert::receipt(receipt)),
        )
    }

    /// The contract has no read-back for notices.
    fn find(&self, _call: &Call<'_>, _key: &str, _notice: &Notice) -> Option<Result<Finding, KindError>> {
        None
    }
}
