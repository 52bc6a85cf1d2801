//! What lies outside the daemon's process: networks and a shop behind a socket, in the process that kills.
//!
//! In: one line for each call. Out: an answer, or none, as chance says. Remembers what was accepted.
//! Never: lives in the process that is killed.

use beffroi::clock::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Accounts: can it be read back, does it honour keys?
pub(crate) const ACCOUNTS: &[(&str, bool, bool)] =
    &[("solid", true, true), ("plain", true, false), ("keyed", false, true), ("blind", false, false)];

#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) text: String,
    pub(crate) copies: u32,
    pub(crate) calls: u32,
    attempts: BTreeSet<String>,
    may: bool,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) kept: BTreeMap<(String, String), Kept>,
    /// What the shop was asked for: the key, and whether it was taken.
    pub(crate) orders: BTreeMap<String, (String, bool)>,
    pub(crate) promised: BTreeSet<i64>,
    pub(crate) broken: Vec<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

pub(crate) struct Outside {
    record: Mutex<Record>,
    dice: Dice,
    working: AtomicUsize,
    /// Asks for the daemon's death in the middle of a call.
    kill: Mutex<Sender<()>>,
    calm: std::sync::atomic::AtomicBool,
}

/// What the outside does with a call.
enum Fate {
    Good,
    /// It takes effect, and the connection ends.
    Lost,
    /// It does not, and the connection ends.
    Dropped,
    /// It takes effect or not, and the daemon dies before an answer comes.
    Kill(bool),
    /// It certainly does not, and says so.
    No,
}

impl Outside {
    /// Listens at a socket from now on.
    pub(crate) fn listen(socket: &Path, seed: u64, kill: Sender<()>) -> Arc<Self> {
        let listener = UnixListener::bind(socket).expect("a new socket");
        let outside = Arc::new(Self {
            record: Mutex::default(),
            dice: Dice::seeded(seed),
            working: AtomicUsize::new(0),
            kill: Mutex::new(kill),
            calm: std::sync::atomic::AtomicBool::new(false),
        });
        let server = outside.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                server.working.fetch_add(1, Ordering::SeqCst);
                let server = server.clone();
                std::thread::spawn(move || {
                    server.serve(stream);
                    server.working.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        outside
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics here")
    }

    /// Everything goes well from now on.
    pub(crate) fn calm(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }

    /// Whoever was killed may have left calls on the way: they arrive before this returns.
    pub(crate) fn drain(&self, socket: &Path) {
        assert_eq!(call(socket, &["ping"]), Some("pong".into()), "the outside answers");
        while self.working.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }

    fn serve(&self, mut stream: UnixStream) {
        let mut line = String::new();
        // A call that did not arrive whole was never made.
        if BufReader::new(&stream).read_line(&mut line).is_err() || !line.ends_with('\n') {
            return;
        }
        let parts: Vec<&str> = line.trim_end().split('\t').collect();
        let answer = match *parts {
            ["ping"] => Some("pong".to_owned()),
            ["promise", id] => {
                self.record().promised.insert(id.trim_start_matches('r').parse().expect("a number"));
                Some("noted".into())
            }
            ["look", target, key] => Some(self.look(target, key)),
            ["find", target, key] => self.find(target, key),
            ["publish", target, key, attempt, text] => self.publish(target, key, attempt, text),
            ["order", key, what] => self.order(key, what),
            _ => panic!("nobody speaks like this: {line}"),
        };
        if let Some(answer) = answer {
            let _ = writeln!(stream, "{answer}");
        }
    }

    fn fate(&self) -> Fate {
        if self.calm.load(Ordering::SeqCst) {
            return Fate::Good;
        }
        match self.dice.below(30) {
            0..=2 => Fate::Lost,
            3..=5 => Fate::Dropped,
            6 => Fate::Kill(true),
            7 => Fate::Kill(false),
            8 => Fate::No,
            _ => Fate::Good,
        }
    }

    fn kills(&self) {
        let _ = self.kill.lock().expect("nobody panics here").send(());
        // Death comes before an answer does.
        std::thread::sleep(Duration::from_millis(30));
    }

    fn publish(&self, target: &str, key: &str, attempt: &str, text: &str) -> Option<String> {
        let fate = self.fate();
        let honours = ACCOUNTS.iter().any(|(name, _, honours)| *name == target && *honours);
        let accepts = matches!(fate, Fate::Good | Fate::Lost | Fate::Kill(true));
        {
            let mut record = self.record();
            let record = &mut *record;
            let kept = record.kept.entry((target.into(), key.into())).or_default();
            if kept.calls > 0 && !kept.may {
                record.broken.push(format!("{key} to {target} is sent again blindly"));
            }
            if !kept.attempts.insert(attempt.into()) {
                record.broken.push(format!("{key} to {target} is sent twice in attempt {attempt}"));
            }
            (kept.calls, kept.may) = (kept.calls + 1, matches!(fate, Fate::No));
            text.clone_into(&mut kept.text);
            if accepts && !(honours && kept.copies > 0) {
                kept.copies += 1;
                if kept.copies > 1 {
                    record.broken.push(format!("{key} is on {target} {} times", kept.copies));
                }
            }
            let word = match fate {
                Fate::Good => "posts accepted",
                Fate::Lost => "posts accepted, answer dropped",
                Fate::Dropped => "posts dropped before they arrived",
                Fate::Kill(true) => "killed with the post accepted",
                Fate::Kill(false) => "killed before the post arrived",
                Fate::No => "posts refused for the moment",
            };
            *record.counts.entry(word).or_default() += 1;
        }
        match fate {
            Fate::Good => Some("online".into()),
            Fate::No => Some("later".into()),
            Fate::Lost | Fate::Dropped => None,
            Fate::Kill(_) => {
                self.kills();
                None
            }
        }
    }

    fn find(&self, target: &str, key: &str) -> Option<String> {
        if !self.calm.load(Ordering::SeqCst) && self.dice.below(5) == 0 {
            return None;
        }
        Some(self.look(target, key))
    }

    /// Whether it is there; when it is not, it may be sent again.
    fn look(&self, target: &str, key: &str) -> String {
        let mut record = self.record();
        *record.counts.entry("looks and read-backs").or_default() += 1;
        let kept = record.kept.entry((target.into(), key.into())).or_default();
        kept.may |= kept.copies == 0;
        if kept.copies > 0 { "online".into() } else { "absent".into() }
    }

    fn order(&self, key: &str, what: &str) -> Option<String> {
        let fate = self.fate();
        {
            let mut record = self.record();
            let record = &mut *record;
            let (first, taken) = record.orders.entry(what.into()).or_insert_with(|| (key.to_owned(), false));
            if first != key {
                record.broken.push(format!("the order {what} came as {first}, and now as {key}"));
            }
            *taken |= matches!(fate, Fate::Good | Fate::Lost | Fate::Kill(true));
            *record.counts.entry("orders asked for").or_default() += 1;
        }
        match fate {
            Fate::Good => Some("taken".into()),
            Fate::Kill(_) => {
                self.kills();
                None
            }
            Fate::No | Fate::Lost | Fate::Dropped => None,
        }
    }
}

/// One call; `None` when no answer came.
pub(crate) fn call(socket: &Path, parts: &[&str]) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(format!("{}\n", parts.join("\t")).as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.ends_with('\n').then(|| line.trim_end().to_owned())
}

/// A channel on which deaths are asked for, and its other end.
pub(crate) fn deaths() -> (Sender<()>, std::sync::mpsc::Receiver<()>) {
    channel()
}
