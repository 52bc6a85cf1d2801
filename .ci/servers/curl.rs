//! Takes what a plugin sends in a test to a genuine server, with curl, and its answer back.
//!
//! In: a request as the fake host got it, the value of its `Authorization` header, the bytes of its files. Out: the answer, or
//! that there was none.
//! Never: in a plain `cargo test`; the tests that use it are ignored unless a lane starts a server for them.

use beffroi_plugin::fake::{Answer, Sent};
use beffroi_plugin::http::{Body, Content};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

/// Sends it.
pub(crate) fn send(sent: &Sent, authorization: Option<&str>, files: &BTreeMap<String, Vec<u8>>) -> Answer {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "--http1.1", "--globoff", "--max-time", "30", "-X", &sent.method, "-H", "Expect:"]);
    for (name, value) in &sent.headers {
        curl.args(["-H", &format!("{name}: {value}")]);
    }
    if let Some(value) = authorization {
        curl.args(["-H", &format!("Authorization: {value}")]);
    }
    let file = |id: &String| files.get(id).cloned().unwrap_or_else(|| panic!("there is no file {id}"));
    let mut kept = Vec::new();
    let input = match &sent.body {
        Body::Empty if sent.method == "GET" => None,
        Body::Empty => Some(Vec::new()),
        Body::Bytes(bytes) => Some(bytes.clone()),
        Body::File(id) => Some(file(id)),
        Body::Form(parts) => {
            for part in parts {
                let bytes = match &part.content {
                    Content::Bytes(bytes) => bytes.clone(),
                    Content::File(id) => file(id),
                };
                let path = std::env::temp_dir().join(format!("beffroi-part-{}-{}", std::process::id(), kept.len()));
                std::fs::write(&path, bytes).expect("the folder for temporary files takes a file");
                let kind = part.media_type.as_ref().map(|kind| format!(";type={kind}")).unwrap_or_default();
                let name = part.filename.as_ref().map(|name| format!(";filename={name}")).unwrap_or_default();
                // `<` sends a text, `@` a file with its name.
                let sign = if part.filename.is_some() { '@' } else { '<' };
                curl.args(["-F", &format!("{}={sign}{}{kind}{name}", part.name, path.display())]);
                kept.push(path);
            }
            None
        }
    };
    if input.is_some() {
        curl.args(["--data-binary", "@-"]);
    }
    let mut child = curl.arg(&sent.url).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl is installed");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(&input.unwrap_or_default()).expect("curl reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("curl ends");
    for path in kept {
        std::fs::remove_file(path).expect("it was just written");
    }
    match output.status.code() {
        Some(0) => answer(&output.stdout),
        // Not resolved, not connected.
        Some(6 | 7) => Answer::not_sent(),
        _ => Answer::lost(),
    }
}

fn answer(output: &[u8]) -> Answer {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends with an empty line");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a head begins with a status");
    let answer = Answer::bytes(status, "", &output[end + 4..]);
    lines.filter_map(|line| line.split_once(": ")).fold(answer, |answer, (name, value)| answer.header(name, value))
}
