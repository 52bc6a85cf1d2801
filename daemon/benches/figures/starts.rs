//! Starting: how long until ready, how much memory then, how much work while nothing is due.
//!
//! In: configurations of 1,000 and of 100,000 workflows. Out: figures of a process of its own for each, seen from outside:
//! readiness as systemd is told, memory and processor time from /proc.
//! Never: measures in this process, whose memory other measurements have grown.

use crate::place::{Place, Watch, engine};
use crate::{Figure, median};
use beffroi::domain::Timestamp;
use beffroi::store::{Change, Mode, NewOccurrence, Op, TriggerKind};
use sd_notify::NotifyState;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// How this program calls itself to be the daemon's engine.
pub(crate) const CHILD: &str = "--be-the-engine";

/// Longer than any worker rests, so that each is seen waking up.
const IDLE: Duration = Duration::from_secs(31);
const LONGEST: Duration = Duration::from_secs(60);

/// The engine with its threads, until standard input ends.
pub(crate) fn child(config: &Path) -> ExitCode {
    let engine = engine(config, Mode::Threaded);
    let Ok(workers) = engine.threads() else { return ExitCode::FAILURE };
    if sd_notify::notify(&[NotifyState::Ready]).is_err() {
        return ExitCode::FAILURE;
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    engine.begin_stop();
    workers.join(&engine, Duration::from_secs(5));
    ExitCode::SUCCESS
}

/// A daemon in a process of its own.
pub(crate) struct Daemon {
    child: Child,
    /// Milliseconds from before the process was made until it said that it is ready.
    pub(crate) ready: f64,
}

/// The program's own binary, when it can start a daemon.
pub(crate) fn binary() -> Option<PathBuf> {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_beffroi"));
    let help = Command::new(&binary).args(["start", "--help"]).output().ok()?;
    (help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--config")).then_some(binary)
}

impl Daemon {
    /// Starts `beffroi start`, or without it the engine alone, and waits until it is ready.
    pub(crate) fn start(place: &Place) -> Self {
        let notify = place.folder().join("notify");
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).expect("the folder can be written");
        socket.set_read_timeout(Some(LONGEST)).expect("a span above zero");
        let mut command = match binary() {
            Some(binary) => {
                let mut command = Command::new(binary);
                command.args(["start", "--config"]);
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
                command.arg(CHILD);
                command
            }
        };
        command
            .arg(place.config())
            .env("NOTIFY_SOCKET", &notify)
            .env_remove("STATE_DIRECTORY")
            .env_remove("BEFFROI_SOCKET")
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        command.stderr(fs::File::create(place.folder().join("stderr")).expect("the folder can be written"));
        let watch = Watch::start();
        let mut daemon = Self { child: command.spawn().expect("the program can be started"), ready: 0.0 };
        let mut message = [0; 4096];
        loop {
            let length = socket.recv(&mut message).unwrap_or_else(|_| {
                panic!("not ready after {LONGEST:?}: {}", fs::read_to_string(place.folder().join("stderr")).unwrap_or_default())
            });
            if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                daemon.ready = watch.millis();
                return daemon;
            }
        }
    }

    /// A size from /proc/PID/status in MB (of 10⁶ bytes).
    pub(crate) fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kibibytes.expect("Linux tells it") * 1_024.0 / 1e6
    }

    /// Processor time used so far by all threads, in milliseconds.
    fn worked(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("the process is there");
        tasks
            .flatten()
            .filter_map(|task| {
                let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
                text.split(' ').next()?.parse::<f64>().ok()
            })
            .sum::<f64>()
            / 1e6
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        if binary().is_some() {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        let status = self.child.wait().expect("the process ends");
        assert!(status.success(), "it ended with {status}");
    }
}

impl Drop for Daemon {
    /// A measurement that failed leaves no daemon behind.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn started(place: &Place, times: usize) -> (f64, Vec<Daemon>) {
    let mut spans = Vec::new();
    let mut last = Vec::new();
    for _ in 0..times {
        last.drain(..).for_each(Daemon::stop);
        let daemon = Daemon::start(place);
        spans.push(daemon.ready);
        last.push(daemon);
    }
    (median(spans), last)
}

pub(crate) fn measure() -> Vec<Figure> {
    let who = if binary().is_some() { "beffroi start" } else { "the engine alone" };
    let mut out = Vec::new();
    out.extend(thousand(who));
    out.push(in_flight(who));
    out.extend(hundred_thousand(who));
    out
}

/// A process that ended in the middle of a thousand runs: the next one is ready when all of them are on the board again.
fn in_flight(who: &str) -> Figure {
    const RUNS: usize = 1_000;
    let spans = (0..5).map(|_| {
        let place = Place::new("[workflows.tick]\nscript = \"tick.rhai\"\n").script("tick", "run::due()\n");
        let engine = place.engine();
        let now: Timestamp = engine.clock.now();
        let version = engine.workflow("tick").expect("it is in the configuration").version.to_string();
        let begun = (0..RUNS).flat_map(|_| {
            let id = engine.store.next_run();
            let occurrence = NewOccurrence::open(id, "tick", TriggerKind::Later, now);
            [Op::Occur(occurrence), Op::Attempt { id, attempt: 1, interrupted: 0, version: version.clone() }]
        });
        engine.store.commit(Change::new(now, begun.collect())).expect("the disk takes it");
        drop(engine);
        let daemon = Daemon::start(&place);
        let ready = daemon.ready;
        daemon.stop();
        let engine = place.engine();
        let reader = engine.store.read().expect("the database can be read");
        let known: i64 =
            reader.query_row("SELECT count(*) FROM run WHERE interrupted = 1", [], |row| row.get(0)).expect("counted");
        assert!(known > 0, "the daemon took up what was going on");
        ready
    });
    Figure::below("start to all on the board, 1,000 runs in flight", 1_000.0, "ms", median(spans.collect()), who.into())
}

fn thousand(who: &str) -> Vec<Figure> {
    let section = |n: usize, script: &str| {
        format!("[workflows.w{n}]\nscript = \"{script}.rhai\"\nschedule = \"{} {} * * *\"\n", n % 60, n / 60 % 24)
    };
    let own = |n: usize| {
        format!(
            "// Counts what came in for number {n}.\nlet seen = state::get(\"seen/{n}\", 0);\nif seen > {n} {{ log::info(`number {n}: ${{seen}}`); }}\n\
             state::set(\"seen/{n}\", seen + 1);\nseen\n"
        )
    };
    let shared: String = (0..1_000).map(|n| section(n, "shared")).collect();
    let distinct: String = (0..1_000).map(|n| section(n, &format!("s{n}"))).collect();
    let firsts: Vec<f64> = (0..5)
        .map(|_| {
            let daemon = Daemon::start(&Place::new(&shared).script("shared", &own(0)));
            let ready = daemon.ready;
            daemon.stop();
            ready
        })
        .collect();
    let place = Place::new(&shared).script("shared", &own(0));
    let (again, daemons) = started(&place, 7);
    daemons.into_iter().for_each(Daemon::stop);
    let mut place = Place::new(&distinct);
    for n in 0..1_000 {
        place = place.script(&format!("s{n}"), &own(n));
    }
    let (first, daemons) = started(&place, 1);
    daemons.into_iter().for_each(Daemon::stop);
    let (distinct_again, daemons) = started(&place, 7);
    let mut out = vec![
        Figure::below("start to ready, 1,000 workflows of one script, first", 80.0, "ms", median(firsts), who.into()),
        Figure::below("start to ready, the same, later", 80.0, "ms", again, String::new()),
        Figure::shown("start to ready, 1,000 scripts, first", "ms", first, "every script is checked".into()),
        Figure::below("start to ready, 1,000 scripts, later", 80.0, "ms", distinct_again, "checked before".into()),
    ];
    for daemon in daemons {
        let before = daemon.worked();
        std::thread::sleep(IDLE);
        let worked = daemon.worked() - before;
        out.push(Figure::below("idle memory (resident), 1,000 scripts", 30.0, "MB", daemon.memory("VmRSS"), String::new()));
        let percent = worked / IDLE.as_secs_f64() / 10.0;
        let note = format!("{worked:.1} ms in {} s; runs that came due meanwhile included", IDLE.as_secs());
        out.push(Figure::below("idle processor time", 0.2, "%", percent, note));
        daemon.stop();
    }
    out
}

fn hundred_thousand(who: &str) -> Vec<Figure> {
    let mut sections = String::new();
    for n in 0..100_000 {
        // Every expression differs from every other.
        let months = ["*", "1-6", "7-12"][n / 40_320];
        let (minute, hour, day) = (n % 60, n / 60 % 24, n / 1_440 % 28 + 1);
        let _ = write!(sections, "[workflows.w{n}]\nscript = \"tick.rhai\"\nschedule = \"{minute} {hour} {day} {months} *\"\n");
    }
    let place = Place::new(&sections).script("tick", "run::due()\n");
    drop(sections);
    let (first, daemons) = started(&place, 1);
    let first_peak = daemons.iter().map(|d| d.memory("VmHWM")).sum::<f64>();
    let first_memory = daemons.iter().map(|d| d.memory("VmRSS")).sum::<f64>();
    daemons.into_iter().for_each(Daemon::stop);
    let (again, daemons) = started(&place, 3);
    let memory = daemons.iter().map(|d| d.memory("VmRSS")).sum::<f64>();
    let peak = daemons.iter().map(|d| d.memory("VmHWM")).sum::<f64>();
    daemons.into_iter().for_each(Daemon::stop);
    vec![
        Figure::below("start to ready, 100,000 schedules, first", 2_000.0, "ms", first, who.into()),
        Figure::below("start to ready, 100,000 schedules, later", 2_000.0, "ms", again, String::new()),
        Figure::below("memory, 100,000 schedules, first", 150.0, "MB", first_memory, format!("at most {first_peak:.0} MB")),
        Figure::below("memory, 100,000 schedules, later", 150.0, "MB", memory, format!("at most {peak:.0} MB")),
    ]
}
