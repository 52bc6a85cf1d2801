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

    /// Calls the plugin; what it wants remembered is kept if it succeeds.
    fn ask<T>(
        &self,
        call: &Call<'_>,
        media: Vec<Asset>,
        work: impl AsyncFnOnce(&mut Store<Inside>, &Instance) -> Said<T>,
    ) -> Result<T, KindError> {
        let done = self.run(call, Terms { media, ..Terms::default() }, work);
        match done.answer {
            Ok(Ok(answer)) => {
                call.keep.add(done.written);
                Ok(answer)
            }
            Ok(Err(error)) => {
                let error = convert::error(self.plugin(), error);
                if let KindError::Internal(failure) = &error {
                    self.ward.defect(&failure.message, call.now, call.language);
                }
                Err(error)
            }
            Err(stopped) => Err(self.stopped(call, &stopped, done.acted)),
        }
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
        let answer = self.ask(call, media, async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            let post = posted(store, post);
            guest.call_prepare(&mut *store, key, &post, so_far).await
        });
        answer.map(convert::preparation)
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Result<Outcome, KindError> {
        let Some(indices) = &self.loaded.can.publish else { return Err(self.cannot("publish")) };
        let media = self.files(call, post)?;
        let answer = self.ask(call, media, async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            let post = posted(store, post);
            guest.call_publish(&mut *store, key, &post, prepared).await
        });
        answer.map(convert::outcome)
    }

    fn find(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        let indices = self.loaded.can.lookup.as_ref()?;
        let media = match self.files(call, post) {
            Ok(media) => media,
            // The picture is gone, the post may be there all the same.
            Err(KindError::Reject(failure)) => return Some(Err(KindError::Retry(failure, None))),
            Err(error) => return Some(Err(error)),
        };
        let answer = self.ask(call, media, async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            let post = posted(store, post);
            guest.call_find(&mut *store, key, &post, prepared).await
        });
        Some(answer.map(convert::finding))
    }

    fn check(&self, call: &Call<'_>) -> Option<Result<String, KindError>> {
        Some(self.check_plugin(call))
    }

    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        let indices = self.loaded.can.unpublish.as_ref()?;
        Some(self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_unpublish(&mut *store, remote_id).await
        }))
    }

    fn metrics(&self, call: &Call<'_>, remote_ids: &[String]) -> Option<Result<Vec<Sample>, KindError>> {
        let indices = self.loaded.can.metrics.as_ref()?;
        let answer = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_read(&mut *store, remote_ids).await
        });
        Some(answer.map(|samples| samples.into_iter().filter_map(convert::sample).take(MESSAGES).collect()))
    }

    fn inbox(&self, call: &Call<'_>, since: Option<&str>) -> Option<Result<MessagePage, KindError>> {
        let indices = self.loaded.can.inbox.as_ref()?;
        let answer = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_poll(&mut *store, since.map(str::to_owned).as_ref()).await
        });
        Some(answer.map(|page| MessagePage {
            messages: page.messages.into_iter().take(MESSAGES).map(convert::message).collect(),
            // The same place again would be asked for without end.
            more: page.more && page.next.as_deref() != since,
            cursor: page.next,
        }))
    }
}

impl Bridge {
    /// What every plugin answers: whether it works.
    pub(super) fn check_plugin(&self, call: &Call<'_>) -> Result<String, KindError> {
        let indices = &self.loaded.can.plugin;
        let name = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_check(&mut *store).await
        })?;
        Ok(super::host::masked(&super::host::one_line(name.trim(), 200)))
    }
}

impl Source for Bridge {
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<SignalPage, KindError> {
        let Some(indices) = &self.loaded.can.feed else { return Err(self.cannot("feed")) };
        let page = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_poll(&mut *store, since.map(str::to_owned).as_ref()).await
        })?;
        let mut remarks = Vec::new();
        if page.signals.len() > SIGNALS {
            remarks.push(call.language.pick(
                format!("Le plugin {} a donné plus de {SIGNALS} signaux d'un coup ; le reste est laissé.", self.plugin()),
                format!("The plugin {} gave more than {SIGNALS} signals at once; the rest is left out.", self.plugin()),
            ));
        }
        Ok(SignalPage {
            signals: page.signals.into_iter().take(SIGNALS).map(convert::signal).collect(),
            cursor: page.next,
            unchanged: page.unchanged,
            remarks,
        })
    }
}

impl Catalog for Bridge {
    /// Reads page after page. A whole catalog is taken whole or not at all; of changes, those read in time are taken.
    fn poll(&self, call: &Call<'_>, since: Option<&str>) -> Result<StockPage, KindError> {
        let Some(indices) = &self.loaded.can.stock else { return Err(self.cannot("stock")) };
        let mut out = StockPage { cursor: since.map(str::to_owned), ..StockPage::default() };
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut left = call.time;
        let mut first = true;
        loop {
            let started = self.loaded.elapsed();
            let call = Call { time: left, ..*call };
            let asked = out.cursor.clone();
            let page = self.ask(&call, Vec::new(), async |store, instance| {
                let guest = indices.load(&mut *store, instance)?;
                guest.call_poll(&mut *store, asked.as_ref()).await
            });
            let page = match page {
                Ok(page) => page,
                Err(KindError::Retry(failure, _)) if !first && out.changes => {
                    out.remarks.push(failure.message);
                    return Ok(out);
                }
                Err(error) => return Err(error),
            };
            if !first && page.changes != out.changes {
                return Err(self.endless(&call, "mixes whole pages and changes", "mêle pages entières et changements"));
            }
            out.changes = page.changes;
            for item in page.items {
                let item = convert::item(item, &mut out.remarks);
                match places.get(&item.sku) {
                    Some(at) => out.items[*at] = item,
                    None => {
                        places.insert(item.sku.clone(), out.items.len());
                        out.items.push(item);
                    }
                }
            }
            out.removed.extend(page.removed.into_iter().take(ITEMS));
            out.remarks.truncate(50);
            let stuck = page.more && page.next == asked;
            out.cursor = page.next;
            if !page.more {
                return Ok(out);
            }
            if stuck || out.items.len() > ITEMS || out.removed.len() > ITEMS {
                return Err(self.endless(&call, "gives pages without end", "donne des pages sans fin"));
            }
            left = left.saturating_sub(self.loaded.elapsed().saturating_sub(started));
            if left.is_zero() {
                if out.changes {
                    return Ok(out);
                }
                let limit = Stopped::Time(call.time, call.time);
                return Err(self.stopped(&call, &limit, false));
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
        let text = call.language.pick(
            format!(
                "Le plugin {} {fr} de son catalogue. C'est un défaut du plugin\u{a0}: signalez-le à son auteur.",
                self.plugin()
            ),
            format!("The plugin {} {en} of its catalog. This is a defect of the plugin: tell its author.", self.plugin()),
        );
        self.ward.defect(&text, call.now, call.language);
        KindError::Internal(Failure::new("plugin-pages", text))
    }
}

impl Generator for Bridge {
    fn generate(&self, call: &Call<'_>, prompt: &Prompt) -> Result<Generation, KindError> {
        let Some(indices) = &self.loaded.can.generate else { return Err(self.cannot("generate")) };
        let asked = convert::prompt(prompt);
        let answer = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_generate(&mut *store, &asked).await
        });
        answer.map(|generation| convert::generation(generation, prompt.variants))
    }
}

impl Notifier for Bridge {
    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        let Some(indices) = &self.loaded.can.notify else { return Err(self.cannot("notify")) };
        let notice = convert::notice(notice);
        let answer = self.ask(call, Vec::new(), async |store, instance| {
            let guest = indices.load(&mut *store, instance)?;
            guest.call_notify(&mut *store, key, &notice).await
        });
        answer.map(convert::receipt)
    }

    /// The contract has no read-back for notices.
    fn find(&self, _call: &Call<'_>, _key: &str, _notice: &Notice) -> Option<Result<Finding, KindError>> {
        None
    }
}
