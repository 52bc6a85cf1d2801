//! Speaks to a running daemon.
//!
//! In: a socket and a request. Out: the answer, or a sentence that says what to do.
//! Never: starts a daemon, or tries a request twice.

use crate::admin;
use crate::domain::{Json, Language};
use crate::problem::Problem;
use anyhow::{Context, anyhow, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

/// A connection to a daemon.
pub struct Caller {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
    /// The daemon's process, as the system knows it.
    pub pid: Option<i32>,
}

/// An answer.
pub struct Reply {
    /// The language of its sentences and of the shop.
    pub language: Language,
    /// Its text, one JSON document.
    pub text: String,
}

impl Reply {
    /// The document.
    ///
    /// # Errors
    /// When it is none, which is a fault of the daemon.
    pub fn json(&self) -> anyhow::Result<Json> {
        serde_json::from_str(&self.text)
            .context("The daemon's answer cannot be read. Are command and daemon of the same version?")
    }
}

/// Where the daemon's socket is when nobody said: here, else where the packaged service has it.
pub fn default_socket() -> PathBuf {
    let here = Path::new("beffroi.sock");
    if here.exists() { Path::new(".").join(here) } else { PathBuf::from("/run/beffroi/admin.sock") }
}

impl Caller {
    /// Connects.
    ///
    /// # Errors
    /// A sentence with the remedy, when nobody answers there.
    pub fn connect(socket: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (sender, pid) = runtime.block_on(async {
            let stream = UnixStream::connect(socket).await.map_err(|error| silent(socket, &error))?;
            let pid = stream.peer_cred().ok().and_then(|who| who.pid());
            let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // How it ends shows in the request that needs it.
            tokio::spawn(async { drop(connection.await) });
            anyhow::Ok((sender, pid))
        })?;
        Ok(Self { runtime, sender, pid })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The daemon's sentence.
    pub fn get(&mut self, path: &str) -> anyhow::Result<Reply> {
        self.send(Method::GET, path, None)
    }

    /// Has something done.
    ///
    /// # Errors
    /// The daemon's sentence, with every problem it names.
    pub fn post(&mut self, path: &str, body: &Json) -> anyhow::Result<Reply> {
        self.send(Method::POST, path, Some(body))
    }

    /// Sends any request.
    ///
    /// # Errors
    /// The daemon's sentence, with every problem it names.
    pub fn send(&mut self, method: Method, path: &str, body: Option<&Json>) -> anyhow::Result<Reply> {
        let bytes = body.map(|json| Bytes::from(json.to_string())).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "beffroi")
            .header("content-type", "application/json")
            .body(Full::new(bytes))?;
        let sender = &mut self.sender;
        let (status, language, bytes) = self
            .runtime
            .block_on(async {
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                let language = response.headers().get(admin::LANGUAGE).and_then(|l| Language::parse(l.to_str().ok()?));
                let status = response.status();
                anyhow::Ok((status, language, response.into_body().collect().await?.to_bytes()))
            })
            .map_err(|error| anyhow!("The daemon went away before it answered: {error}. See its log, then 'beffroi status'."))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            return Ok(Reply { language: language.unwrap_or_else(own_language), text });
        }
        Err(refusal(status, &text))
    }
}

/// The language of the person at the keyboard, for what no daemon was asked about.
pub fn own_language() -> Language {
    let said = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| std::env::var(name).ok()).find(|text| !text.is_empty());
    said.and_then(|text| Language::parse(text.split('.').next()?)).unwrap_or(Language::En)
}

fn silent(socket: &Path, error: &std::io::Error) -> anyhow::Error {
    let at = socket.display();
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => anyhow!(
            "You may not speak to the Beffroi at {at}. Use sudo, or become a member of the group that the socket belongs to."
        ),
        _ => {
            anyhow!("No Beffroi answers at {at}. Start it with 'beffroi start --config FILE', or name its socket with --socket.")
        }
    }
}

fn refusal(status: StatusCode, text: &str) -> anyhow::Error {
    let Ok(json) = serde_json::from_str::<Json>(text) else {
        return anyhow!("The daemon answered {status} without a reason. Are command and daemon of the same version?");
    };
    let mut sentence = String::new();
    for problem in json["problems"].as_array().into_iter().flatten() {
        sentence.push_str(&problem_of(problem).render());
    }
    sentence.push_str(json["error"].as_str().unwrap_or("The daemon gave no reason."));
    anyhow!(sentence)
}

/// A problem as the daemon sent it: without the excerpt, which stays where the file is.
pub fn problem_of(json: &Json) -> Problem {
    let text = |key: &str| json[key].as_str().unwrap_or_default();
    let number = |key: &str| json[key].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let problem = Problem::file(Path::new(text("file")), text("message"), text("help"));
    let problem = Problem { line: number("line"), column: number("column"), ..problem };
    if text("severity") == "warning" { problem.warning() } else { problem }
}

/// A part of an address, with whatever could be taken for something else written out.
pub fn part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An address with what follows its question mark; what has no value is left out.
pub fn address(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let pairs: Vec<String> =
        query.iter().filter_map(|(name, value)| value.map(|value| format!("{name}={}", part(value)))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

impl Caller {
    /// Waits until the daemon's process has ended.
    ///
    /// # Errors
    /// When it takes longer than the daemon gives its runs.
    pub fn wait_for_end(self) -> anyhow::Result<()> {
        let Some(pid) = self.pid.filter(|pid| *pid > 0) else { return Ok(()) };
        let process = PathBuf::from(format!("/proc/{pid}"));
        self.runtime.block_on(async {
            for _ in 0..4_000 {
                if !process.exists() || ended(&process) {
                    return Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            bail!("The daemon (process {pid}) still stops. Its runs may be finishing; see its log.")
        })
    }
}

/// A process that has ended stays in the list until its parent has looked.
fn ended(process: &Path) -> bool {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_addresses_cannot_become_other_addresses() {
        assert_eq!(part("stock/été?x"), "stock%2F%C3%A9t%C3%A9%3Fx");
        assert_eq!(address("/v1/runs", &[("workflow", Some("a b")), ("limit", None)]), "/v1/runs?workflow=a%20b");
        assert_eq!(address("/v1/runs", &[("limit", None)]), "/v1/runs");
    }

    #[test]
    fn a_refusal_shows_every_problem_before_its_sentence() {
        let body = r#"{"error":"Mend them.","problems":[{"file":"b.toml","line":3,"column":1,"severity":"error","message":"No.","help":"Do."}]}"#;
        let text = refusal(StatusCode::UNPROCESSABLE_ENTITY, body).to_string();
        assert_eq!(text, "b.toml:3:1: error: No.\n        = Do.\nMend them.");
    }
}
