//! A channel and a notifier that do what a test tells them, and remember every call.
//!
//! In: answers, in the order in which they are to be given. Out: what a network would show, and what was asked of it.
//! Never: keeps order by itself, or refuses a second post with the same key: that is what the tests are about.

use beffroi::domain::Timestamp;
use beffroi::kinds::{
    Call, Channel, Failure, Finding, KindError, Message, MessagePage, Notice, Notifier, Outcome, Outgoing, Pause, Preparation,
    PrivateWrite, Receipt, Sample,
};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the network does with one post.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is online and says so.
    Online,
    /// It is online, and the answer is lost.
    LostAfter,
    /// It never arrived, and neither did the answer.
    LostBefore,
    /// It is accepted and appears at the n-th look from now.
    Pending(u32),
    /// Not now; not before this moment, if one is given.
    Retry(Option<Timestamp>),
    /// The credential is gone.
    Reconnect,
    /// Never.
    Reject,
    /// The adapter is broken, and nothing went out.
    Defect,
    /// The adapter panics before anything goes out.
    PanicBefore,
    /// The adapter panics when the post is out.
    PanicAfter,
}

/// What preparing does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Ready, with the handle so far.
    Ready,
    /// Not over: this handle, to be asked again after so many seconds.
    Again(&'static str, u64),
    /// Fails for the moment.
    Fail,
    /// Panics.
    Panic,
}

/// How the network can be read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// Truly.
    True,
    /// Not at all.
    No,
    /// It cannot tell.
    Unsure,
    /// It says that nothing is there, whatever is.
    DeniesAll,
    /// It fails.
    Fails,
}

/// What taking a post down does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// The channel has no such ability.
    Cannot,
    /// It is gone.
    Gone,
    /// It is gone, and the answer is lost.
    GoneAndLost,
    /// Not now.
    Fails,
    /// Never.
    Rejects,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `prepare`, `publish`, `find` or `unpublish`.
    pub what: &'static str,
    /// When.
    pub at: Timestamp,
    /// The key of the delivery.
    pub key: String,
    /// The text of the post, or the title of the notice.
    pub text: String,
    /// The handle it was given.
    pub handle: Option<String>,
}

struct Inner {
    answers: VecDeque<Answer>,
    always: Answer,
    steps: VecDeque<Step>,
    read_back: ReadBack,
    asked: Vec<Asked>,
    online: Vec<(Timestamp, String, String)>,
    pending: Vec<(String, String, u32)>,
    keeps: bool,
    figures: Option<Vec<Sample>>,
    inbox: Option<Vec<Message>>,
    reads_fail: Option<KindError>,
    downs: VecDeque<Down>,
    down: Down,
}

/// The channel.
pub struct ScriptedChannel(Mutex<Inner>);

impl Default for ScriptedChannel {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            answers: VecDeque::new(),
            always: Answer::Online,
            steps: VecDeque::new(),
            read_back: ReadBack::True,
            asked: Vec::new(),
            online: Vec::new(),
            pending: Vec::new(),
            keeps: false,
            figures: None,
            inbox: None,
            reads_fail: None,
            downs: VecDeque::new(),
            down: Down::Cannot,
        }))
    }
}

impl ScriptedChannel {
    /// A channel that gives these answers and then accepts everything.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let channel = Self::default();
        channel.inner().answers.extend(answers);
        channel
    }

    /// A channel that always gives this answer.
    pub fn always(answer: Answer) -> Self {
        let channel = Self::default();
        channel.inner().always = answer;
        channel
    }

    /// The same, read back in this way.
    #[must_use]
    pub fn read_back(self, how: ReadBack) -> Self {
        self.inner().read_back = how;
        self
    }

    /// The same, taking posts down in these ways one after the other, and then in the last way.
    #[must_use]
    pub fn taking_down(self, ways: impl IntoIterator<Item = Down>) -> Self {
        self.now_takes_down(ways);
        self
    }

    /// From now on it takes posts down in these ways one after the other, and then in the last way.
    pub fn now_takes_down(&self, ways: impl IntoIterator<Item = Down>) {
        let mut inner = self.inner();
        inner.downs = ways.into_iter().collect();
        inner.down = inner.downs.back().copied().unwrap_or(Down::Cannot);
    }

    /// The same, with these steps of preparation first.
    #[must_use]
    pub fn steps(self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.inner().steps.extend(steps);
        self
    }

    /// The same, wanting remembered how often it was called: under `prepare`, `publish` and `find`, as [`ScriptedChannel::OWNER`].
    #[must_use]
    pub fn keeping(self) -> Self {
        self.inner().keeps = true;
        self
    }

    /// Under which name and for what a keeping channel keeps.
    pub const OWNER: (&str, &str) = ("scripted", "test");

    /// From now on these are its figures; those of posts that it is not asked about are left out.
    pub fn now_counts(&self, figures: Vec<Sample>) {
        self.inner().figures = Some(figures);
    }

    /// From now on this is what the public wrote, oldest first. Two to a page; the cursor is how many were given.
    pub fn now_holds(&self, messages: Vec<Message>) {
        self.inner().inbox = Some(messages);
    }

    /// From now on figures and inbox fail like this, or no longer.
    pub fn now_fails_to_read(&self, error: Option<KindError>) {
        self.inner().reads_fail = error;
    }

    /// From now on it can be read back in this way.
    pub fn now_reads_back(&self, how: ReadBack) {
        self.inner().read_back = how;
    }

    /// From now on this is its answer.
    pub fn now_answers(&self, answer: Answer) {
        let mut inner = self.inner();
        inner.answers.clear();
        inner.always = answer;
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every call of one sort.
    pub fn asked(&self, what: &str) -> Vec<Asked> {
        self.inner().asked.iter().filter(|a| a.what == what).cloned().collect()
    }

    /// The texts that are online, in the order in which they appeared.
    pub fn online(&self) -> Vec<String> {
        self.inner().online.iter().map(|(_, _, text)| text.clone()).collect()
    }

    /// When each of them appeared, in seconds since the first.
    pub fn rhythm(&self) -> Vec<u64> {
        let inner = self.inner();
        inner.online.iter().map(|(at, ..)| at.since(inner.online[0].0).as_secs()).collect()
    }

    fn note(&self, what: &'static str, call: &Call<'_>, key: &str, text: &str, handle: Option<&str>) {
        let asked = Asked { what, at: call.now, key: key.into(), text: text.into(), handle: handle.map(str::to_owned) };
        let mut inner = self.inner();
        inner.asked.push(asked);
        if inner.keeps {
            let count = inner.asked.iter().filter(|a| a.what == what).count();
            let (owner, scope) = (Self::OWNER.0.into(), Self::OWNER.1.into());
            call.keep.add([PrivateWrite { owner, scope, key: what.into(), value: Some(count.to_string().into_bytes()) }]);
        }
    }

    fn publish_text(&self, call: &Call<'_>, key: &str, text: &str) -> Result<Outcome, KindError> {
        let mut inner = self.inner();
        let answer = inner.answers.pop_front().unwrap_or_else(|| inner.always.clone());
        let fail = |code: &str, says: &str| Failure::new(code, says);
        if matches!(answer, Answer::Online | Answer::LostAfter | Answer::PanicAfter) {
            inner.online.push((call.now, key.into(), text.into()));
        }
        match answer {
            Answer::Online => Ok(Outcome::Online(receipt(key))),
            Answer::LostAfter | Answer::LostBefore => {
                Err(KindError::Uncertain(fail("timeout", "The network did not answer in time.")))
            }
            Answer::Pending(looks) => {
                inner.pending.push((key.into(), text.into(), looks));
                Ok(Outcome::Pending(pause(call, "container-1")))
            }
            Answer::Retry(at) => Err(KindError::Retry(fail("http-503", "The network is overloaded."), at)),
            Answer::Reconnect => Err(KindError::Reconnect(fail("token", "The token has expired."))),
            Answer::Reject => Err(KindError::Reject(fail("no", "The network does not take this."))),
            Answer::Defect => Err(KindError::Internal(fail("defect", "The adapter made no sense of the answer."))),
            Answer::PanicBefore | Answer::PanicAfter => panic!("the adapter is broken"),
        }
    }

    fn find_text(&self, call: &Call<'_>, key: &str) -> Option<Result<Finding, KindError>> {
        let mut inner = self.inner();
        match inner.read_back {
            ReadBack::No => return None,
            ReadBack::Unsure => return Some(Ok(Finding::Unsure("the list is not up to date".into()))),
            ReadBack::DeniesAll => return Some(Ok(Finding::Absent)),
            ReadBack::Fails => return Some(Err(KindError::Retry(Failure::new("http-502", "The network is down."), None))),
            ReadBack::True => {}
        }
        if let Some(at) = inner.pending.iter().position(|(k, ..)| k == key) {
            inner.pending[at].2 = inner.pending[at].2.saturating_sub(1);
            if inner.pending[at].2 > 0 {
                return Some(Ok(Finding::Pending(pause(call, "container-1"))));
            }
            let (key, text, _) = inner.pending.remove(at);
            inner.online.push((call.now, key, text));
        }
        let there = inner.online.iter().any(|(_, k, _)| k == key);
        Some(Ok(if there { Finding::Online(receipt(key)) } else { Finding::Absent }))
    }
}

fn receipt(key: &str) -> Receipt {
    Receipt { remote_id: format!("remote-{key}"), url: None }
}

fn pause(call: &Call<'_>, handle: &str) -> Pause {
    Pause { handle: handle.into(), not_before: call.now.plus(Duration::from_secs(20)), message: "being processed".into() }
}

impl Channel for ScriptedChannel {
    fn objections(&self, post: &Outgoing) -> Vec<Failure> {
        assert!(!post.text.contains("objections panic"), "the adapter is broken");
        Vec::new()
    }

    fn prepare(&self, call: &Call<'_>, key: &str, post: &Outgoing, so_far: Option<&str>) -> Result<Preparation, KindError> {
        self.note("prepare", call, key, &post.text, so_far);
        let step = self.inner().steps.pop_front().unwrap_or(Step::Ready);
        match step {
            Step::Ready => Ok(Preparation::Ready(so_far.map(str::to_owned))),
            Step::Again(handle, seconds) => {
                let not_before = call.now.plus(Duration::from_secs(seconds));
                Ok(Preparation::Again(Pause { handle: handle.into(), not_before, message: "uploading".into() }))
            }
            Step::Fail => Err(KindError::Retry(Failure::new("http-500", "The upload failed."), None)),
            Step::Panic => panic!("the adapter is broken"),
        }
    }

    fn publish(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Result<Outcome, KindError> {
        self.note("publish", call, key, &post.text, prepared);
        self.publish_text(call, key, &post.text)
    }

    fn find(&self, call: &Call<'_>, key: &str, post: &Outgoing, prepared: Option<&str>) -> Option<Result<Finding, KindError>> {
        self.note("find", call, key, &post.text, prepared);
        self.find_text(call, key)
    }

    fn unpublish(&self, call: &Call<'_>, remote_id: &str) -> Option<Result<(), KindError>> {
        let way = {
            let mut inner = self.inner();
            inner.downs.pop_front().unwrap_or(inner.down)
        };
        if way == Down::Cannot {
            return None;
        }
        self.note("unpublish", call, call.id, remote_id, None);
        if matches!(way, Down::Gone | Down::GoneAndLost) {
            self.inner().online.retain(|(_, key, _)| format!("remote-{key}") != remote_id);
        }
        let fail = |code: &str, says: &str| Failure::new(code, says);
        Some(match way {
            Down::Gone | Down::Cannot => Ok(()),
            Down::GoneAndLost => Err(KindError::Uncertain(fail("timeout", "The network did not answer in time."))),
            Down::Fails => Err(KindError::Retry(fail("http-503", "The network is overloaded."), None)),
            Down::Rejects => Err(KindError::Reject(fail("too-old", "The network keeps posts of this age."))),
        })
    }

    fn metrics(&self, call: &Call<'_>, remote_ids: &[String]) -> Option<Result<Vec<Sample>, KindError>> {
        let figures = self.inner().figures.clone()?;
        self.note("metrics", call, call.id, &remote_ids.join(" "), None);
        if let Some(error) = self.inner().reads_fail.clone() {
            return Some(Err(error));
        }
        let asked = |s: &Sample| s.remote_id.as_ref().is_none_or(|id| remote_ids.contains(id));
        Some(Ok(figures.into_iter().filter(asked).collect()))
    }

    fn inbox(&self, call: &Call<'_>, since: Option<&str>) -> Option<Result<MessagePage, KindError>> {
        let all = self.inner().inbox.clone()?;
        self.note("inbox", call, call.id, "", since);
        if let Some(error) = self.inner().reads_fail.clone() {
            return Some(Err(error));
        }
        let from = since.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0).min(all.len());
        let to = (from + 2).min(all.len());
        let page = MessagePage { messages: all[from..to].to_vec(), cursor: Some(to.to_string()), more: to < all.len() };
        Some(Ok(page))
    }
}

impl Notifier for ScriptedChannel {
    fn notify(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Result<Receipt, KindError> {
        self.note("publish", call, key, &notice.title, None);
        match self.publish_text(call, key, &notice.title)? {
            Outcome::Online(receipt) => Ok(receipt),
            Outcome::Pending(_) => panic!("a notice is never pending: mend the test"),
        }
    }

    fn find(&self, call: &Call<'_>, key: &str, notice: &Notice) -> Option<Result<Finding, KindError>> {
        self.note("find", call, key, &notice.title, None);
        self.find_text(call, key)
    }
}
