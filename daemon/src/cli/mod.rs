//! The command line: what can be typed, and which part answers.
//!
//! In: arguments. Out: text or one JSON document on standard output, sentences on standard error, an exit status.
//! Never: does anything to a daemon except through its socket.

mod ask;
pub mod caller;
mod demo;
mod doctor;
mod offline;
mod outbox;
mod page;
mod plugin_dev;
mod plugin_watch;
mod plugins;
mod replay;
mod simulate;

pub use doctor::{Doctor, Since};
pub use outbox::{Recall, Thaw};
pub use plugins::{Allow, Plugin, PluginAsk};
pub use replay::{Bundle, Replay};
pub use simulate::Simulate;

use crate::domain::{Json, Timestamp, Zone};
use crate::schedule::cron::Dst;
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;

/// Rings for a small firm's social networks: runs its workflows on time and keeps a person in charge.
#[derive(Debug, Parser)]
#[command(name = "beffroi", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Arguments {
    /// The daemon's socket; else ./beffroi.sock if it is there, else /run/beffroi/admin.sock
    #[arg(long, global = true, env = "BEFFROI_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Prints one JSON document instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// A configuration file.
#[derive(Debug, Args)]
pub struct Config {
    /// The configuration; else ./beffroi.toml if it is there, else /etc/beffroi/beffroi.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the daemon writes; else $STATE_DIRECTORY, else the configuration's folder
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl Config {
    /// The file meant.
    pub fn file(&self) -> PathBuf {
        let here = PathBuf::from("beffroi.toml");
        self.config.clone().unwrap_or_else(|| if here.exists() { here } else { PathBuf::from("/etc/beffroi/beffroi.toml") })
    }
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the daemon until it is stopped
    Start(Config),
    /// Lays out the sample business, lets every workflow run once, and goes on
    Demo {
        /// Where; a new or empty folder, or one in which the sample lies already
        #[arg(long, value_name = "DIR", default_value = "demo")]
        dir: PathBuf,
        /// Ends after the first round
        #[arg(long)]
        once: bool,
        /// Where the packages of plugins lie; else ./target/plugins/packages, else share/beffroi/plugins beside the program
        #[arg(long, value_name = "DIR")]
        plugins: Option<PathBuf>,
    },
    /// Finds every problem of a configuration and its scripts
    Check(Config),
    /// Runs the tests that lie beside scripts
    Test {
        /// Test files, or folders of scripts; ./scripts when left out
        #[arg(value_name = "PATH", default_value = "scripts")]
        paths: Vec<PathBuf>,
    },
    /// Shows how the daemon is: what runs, what comes next, what needs you
    Status,
    /// Lists the workflows
    Workflows,
    /// Says when a workflow, or a crontab expression, is due
    Next(Next),
    /// Runs a workflow now
    Run(Run),
    /// Does a run again from what it was told, or tries another script on it; without effect
    Replay(Replay),
    /// Writes a run into a file that can be replayed elsewhere, with what is private blacked out
    Bundle(Bundle),
    /// Lets a new version of a script run beside the one in force, its effects only compared
    Shadow(Shadow),
    /// Lists runs, newest first
    Runs {
        /// Only of this workflow
        workflow: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Shows everything about a run
    Show {
        /// The run, such as r12
        run: String,
    },
    /// Shows the lines a run logged
    Logs {
        /// The run, such as r12
        run: String,
    },
    /// Lists posts, newest first
    Posts {
        /// Only in this state, such as held, online, unknown
        #[arg(long)]
        state: Option<String>,
        /// Only to this account
        #[arg(long)]
        account: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Lists what the public wrote: comments, mentions, messages, newest first
    Inbox {
        /// Only to this account
        account: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Lists the accounts, and with --check asks the networks whether they work
    Accounts {
        /// Asks the networks; changes nothing there
        #[arg(long)]
        check: bool,
        /// With --check: only this account
        #[arg(requires = "check")]
        account: Option<String>,
    },
    /// Says yes to posts, exactly as they stand
    Approve(Approve),
    /// Says no to posts
    Reject {
        /// Deliveries (d12) or posts (p7: all of its deliveries)
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        /// Who says so
        #[arg(long, default_value_t = user())]
        by: String,
    },
    /// Explains why something went out, or did not
    Why {
        /// A delivery (d12), a post (p7), a run (r5), an account, a workflow, an item of the library, a product; or an hour
        subject: String,
        /// For an account or a workflow: only what was to happen then, such as 2026-11-20T09:00, 09:00, monday 09:00, yesterday
        #[arg(value_name = "WHEN", num_args = 0..=3)]
        when: Vec<String>,
    },
    /// Looks at everything that can be out of order; ends with 0 when all is well, 1 for warnings, 2 for errors
    Doctor(doctor::Doctor),
    /// Shows or changes what scripts remember
    State(State),
    /// Reads a feed the way the daemon does, without a daemon
    Feed {
        /// A file or an http(s) address
        place: String,
        /// A private place that may be called, such as 127.0.0.1:8080
        #[arg(long, value_name = "HOST:PORT")]
        allow_private: Vec<String>,
    },
    /// Pauses a workflow
    Pause {
        /// The workflow
        workflow: String,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lets a paused workflow go on
    Resume {
        /// The workflow
        workflow: String,
    },
    /// Reads the configuration again
    Reload,
    /// Stops all sending, or one account's
    Freeze {
        /// Only this account
        account: Option<String>,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lets sending go on, all of it or post by post, and says what will go out
    Thaw(outbox::Thaw),
    /// Takes posts down that are online, and stops those that are not yet
    Recall(outbox::Recall),
    /// Asks a run to stop
    Cancel {
        /// The run, such as r12
        run: String,
    },
    /// Writes a whole copy of the database to a new file
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Stops the daemon and waits until it has ended
    Stop,
    /// Installs, shows and removes plugins; makes, tests and packs new ones
    Plugin(plugins::Plugin),
    /// Lives the coming days in advance and shows their calendar, with what deserves a look; sends nothing
    Simulate(simulate::Simulate),
    /// Prints the reference of the functions that scripts can call
    Functions {
        /// Writes definition files for editors into this folder instead
        #[arg(long, value_name = "DIR")]
        definitions: Option<PathBuf>,
        /// As Markdown, which is also what happens without it
        #[arg(long, conflicts_with = "definitions")]
        markdown: bool,
    },
}

/// When something is due.
#[derive(Debug, Args)]
pub struct Next {
    /// A workflow, or a crontab expression between quotes
    #[arg(value_name = "WORKFLOW|EXPRESSION")]
    pub what: String,
    /// The IANA zone; for an expression else this machine's, for a workflow else its own
    #[arg(long, value_parser = zone)]
    pub zone: Option<Zone>,
    /// Strictly after this moment, such as 2026-03-28T22:50:00+01:00; else now
    #[arg(long, value_parser = moment)]
    pub from: Option<Timestamp>,
    /// How many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub count: u16,
    /// For an expression: what fixed times do on days the clocks change: vixie, skip or twice
    #[arg(long, default_value = "vixie", value_parser = |text: &str| Dst::parse(text).map_err(|e| e.to_string()))]
    pub dst: Dst,
}

/// A run by hand.
#[derive(Debug, Args)]
pub struct Run {
    /// The workflow
    pub workflow: String,
    /// Waits for the end and shows what came of it
    #[arg(long)]
    pub wait: bool,
    /// A JSON document that the script finds as its payload
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub payload: Option<Json>,
    /// How to run it without effect
    #[command(flatten)]
    pub dry: Dry,
}

/// A run without effect.
#[derive(Debug, Args)]
pub struct Dry {
    /// Shows what it would do beside what the calendar holds; sends nothing and writes nothing
    #[arg(long, conflicts_with = "wait")]
    pub dry: bool,
    /// With --dry: on what a run (r12) or a recording was told, instead of what the world says now
    #[arg(long, requires = "dry", value_name = "RUN|FILE")]
    pub from: Option<String>,
    /// With --dry: writes what it was told into this file, for --from
    #[arg(long, requires = "dry", value_name = "FILE", conflicts_with = "from")]
    pub record: Option<PathBuf>,
}

/// A version of a script beside the one in force.
#[derive(Debug, Args)]
pub struct Shadow {
    /// The workflow
    pub workflow: String,
    /// Puts this script beside
    #[arg(long, value_name = "FILE")]
    pub put: Option<PathBuf>,
    /// Writes it over the script in force, and reloads
    #[arg(long, conflicts_with = "put")]
    pub promote: bool,
    /// Takes it away
    #[arg(long, conflicts_with_all = ["put", "promote"])]
    pub drop: bool,
}

/// A person's answer.
#[derive(Debug, Args)]
pub struct Approve {
    /// Deliveries (d12) or posts (p7: all of its deliveries that wait)
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Who says yes
    #[arg(long, default_value_t = user())]
    pub by: String,
    /// For what may have gone out or was given up: it did not go out, send it
    #[arg(long, conflicts_with = "done")]
    pub again: bool,
    /// For what may have gone out: it did
    #[arg(long)]
    pub done: bool,
    /// With --done: where it can be seen
    #[arg(long, requires = "done")]
    pub url: Option<String>,
}

/// What scripts remember.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct State {
    /// Shows this key; without it, all keys
    pub key: Option<String>,
    /// What else to do
    #[command(subcommand)]
    pub ask: Option<StateAsk>,
}

/// What to do with the memory of scripts.
#[derive(Debug, Subcommand)]
pub enum StateAsk {
    /// Shows the value of a key
    Get {
        /// The key
        key: String,
    },
    /// Lists keys with their values
    List {
        /// Only keys that begin so
        prefix: Option<String>,
    },
    /// Sets a key
    Set {
        /// The key
        key: String,
        /// The value, a JSON document
        #[arg(value_parser = json, allow_hyphen_values = true)]
        value: Json,
    },
    /// Removes a key
    Remove {
        /// The key
        key: String,
    },
}

fn zone(text: &str) -> Result<Zone, String> {
    text.parse().map_err(|_| "there is no such zone; write for example Europe/Paris".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "write for example 2026-03-28T22:50:00+01:00".to_owned())
}

fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str(text)
        .map_err(|e| format!("this is no JSON ({e}); write texts in double quotes, inside single ones: '\"text\"'"))
}

/// Who types.
fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "admin".into())
}

/// What a command says and how it ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// The exit status.
    pub status: u8,
}

impl Said {
    fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), status: 0 }
    }
}

/// Carries out a command.
///
/// # Errors
/// A sentence for standard error.
pub fn run(arguments: Arguments) -> anyhow::Result<Said> {
    let Arguments { socket, json, command } = arguments;
    match command {
        Command::Start(config) => {
            crate::service::start_log(tracing::Level::INFO);
            crate::service::run(&config.file(), config.state, None).map(|()| Said::default())
        }
        Command::Demo { dir, once, plugins } => demo::run(&dir, once, plugins, json),
        Command::Test { paths } => offline::test(&paths, json),
        Command::Check(config) => Ok(offline::check(&config.file(), config.state, json)),
        Command::Feed { place, allow_private } => offline::feed(&place, allow_private, json),
        Command::Functions { definitions, markdown: _ } => offline::functions(definitions.as_deref(), json),
        Command::Next(next) if offline::is_expression(&next.what) => offline::next(&next, json),
        Command::Doctor(asked) => doctor::run(&socket.unwrap_or_else(caller::default_socket), json, &asked),
        Command::Simulate(simulate) => simulate::run(simulate, socket, json),
        Command::Plugin(plugin) => plugins::run(&socket.unwrap_or_else(caller::default_socket), json, plugin),
        Command::Replay(asked) => replay::replay(&socket.unwrap_or_else(caller::default_socket), json, &asked),
        Command::Bundle(asked) => replay::bundle(&socket.unwrap_or_else(caller::default_socket), json, asked),
        Command::Shadow(asked) => replay::shadow(&socket.unwrap_or_else(caller::default_socket), json, &asked),
        other => ask::ask(&socket.unwrap_or_else(caller::default_socket), json, other),
    }
}

/// Prints what a command said.
///
/// # Errors
/// When standard output cannot be written; a reader that has seen enough is no error.
pub fn print(said: &Said) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(said.text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("beffroi").chain(line.split(' ')))
    }

    #[test]
    fn the_grammar_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_before_and_after_the_command() {
        let arguments = parse("status --json --socket /tmp/s").unwrap();
        assert!(arguments.json && arguments.socket.is_some());
        assert!(parse("--json status").unwrap().json);
    }

    #[test]
    fn state_reads_a_key_with_and_without_a_verb() {
        let state = |line| match parse(line).unwrap().command {
            Command::State(state) => state,
            other => panic!("{other:?}"),
        };
        assert_eq!(state("state stock/tarte").key.as_deref(), Some("stock/tarte"));
        assert!(matches!(state("state get a").ask, Some(StateAsk::Get { .. })));
        assert!(matches!(state("state set a -1").ask, Some(StateAsk::Set { value, .. }) if value == -1));
        let nothing = state("state list");
        assert!(matches!(nothing.ask, Some(StateAsk::List { prefix: None })));
    }

    #[test]
    fn an_hour_may_be_said_in_several_words() {
        let when = |line| match parse(line).unwrap().command {
            Command::Why { subject, when } => (subject, when.join(" ")),
            other => panic!("{other:?}"),
        };
        assert_eq!(when("why d12"), ("d12".into(), String::new()));
        assert_eq!(when("why rotation monday 09:00"), ("rotation".into(), "monday 09:00".into()));
        assert!(
            matches!(parse("doctor --deep --since 90d --state /tmp").unwrap().command, Command::Doctor(d) if d.deep && d.since.is_some())
        );
    }

    #[test]
    fn wrong_calls_are_refused() {
        for line in [
            "start over",
            "run",
            "run a --payload {",
            "next",
            "next daily --from yesterday",
            "next daily --zone Europe/Pari",
            "next daily --count 0",
            "approve",
            "approve d1 --again --done",
            "approve d1 --url https://x.example",
            "runs --limit 0",
            "doctor --since lately",
            "state set a",
            "state set a word",
            "recall",
            "thaw --all maybe",
            "thaw --list --all send",
            "launch",
            "simulate --format pdf",
            "simulate --days many",
            "simulate --approve sometimes",
            "simulate --feeds real",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
