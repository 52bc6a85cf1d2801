//! Commands that do runs again, try workflows without effect, and let a new version of a script run beside the old one.
//!
//! In: a run or a recording, perhaps a script. Out: what is the same and what would differ, as a shop owner reads it.
//! Never: has an effect, but for `--promote`, which writes the one script it names.

use super::caller::{Caller, part};
use super::offline::document;
use super::page::Reader;
use super::{Dry, Said, Shadow};
use crate::clock::{Clock, SystemClock};
use crate::craft::compare::{self, Line, Voice};
use crate::craft::show::typeset;
use crate::domain::{Json, Language, RunId};
use crate::run::replay::{Other, Recording, Replayed, Replayer};
use anyhow::{Context, anyhow, bail};
use clap::Args;
use hyper::Method;
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A run to be done again.
#[derive(Debug, Args)]
pub struct Replay {
    /// A run, such as r12, or a file that `beffroi bundle` wrote
    #[arg(value_name = "RUN|FILE")]
    pub what: String,
    /// Another script on what the run was told: shows what it would plan otherwise
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// The database file, when no daemon runs
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
}

/// A run to be passed on.
#[derive(Debug, Args)]
pub struct Bundle {
    /// The run, such as r12
    pub run: String,
    /// The new file; else RUN.beffroi.json here
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The database file, when no daemon runs
    #[arg(long, value_name = "FILE")]
    pub database: Option<PathBuf>,
}

/// A recording from a file, from a database, or from the daemon.
fn recording(socket: &Path, what: &str, database: Option<&Path>) -> anyhow::Result<(Recording, Option<Caller>)> {
    let Some(id) = RunId::parse(what).filter(|_| !Path::new(what).exists()) else {
        let text = std::fs::read_to_string(what).with_context(|| {
            format!("\"{what}\" is neither a run (r12) nor a file that can be read. 'beffroi runs' lists the latest runs.")
        })?;
        return Ok((Recording::read(&text).map_err(|e| anyhow!("{what}: {e}"))?, None));
    };
    if let Some(file) = database {
        let reader = crate::store::look_into(file).map_err(|e| anyhow!("{e}"))?;
        return Ok((Recording::of_run(&reader, id).map_err(|e| anyhow!("{e}"))?, None));
    }
    let mut caller = Caller::connect(socket)?;
    let reply = caller.get(&format!("/v1/runs/{id}/recording"))?;
    Ok((Recording::read(&reply.text).map_err(|e| anyhow!("{e}"))?, Some(caller)))
}

fn voice(recording: &Recording) -> anyhow::Result<Voice> {
    let instance = recording.scene.instance().map_err(|e| anyhow!("{e}"))?;
    Ok(Voice { language: instance.business.language, zone: instance.business.zone })
}

/// Lines of a comparison as text.
fn shown(lines: &[Line], language: Language) -> String {
    let mut out = String::new();
    for line in lines {
        let _ = writeln!(out, "  {} {}", line.sign.mark(), typeset(&line.text, language));
        for detail in &line.details {
            let mut rows = detail.lines();
            let _ = writeln!(out, "      {}", typeset(rows.next().unwrap_or_default(), language));
            for row in rows {
                let _ = writeln!(out, "      {row}");
            }
        }
    }
    out
}

/// `beffroi replay`
pub(super) fn replay(socket: &Path, as_json: bool, asked: &Replay) -> anyhow::Result<Said> {
    let (recording, caller) = recording(socket, &asked.what, asked.database.as_deref())?;
    let Voice { language, zone } = voice(&recording)?;
    let other = match &asked.with {
        None => None,
        Some(file) => {
            let source = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
            Some(Other { file: std::path::absolute(file)?, source })
        }
    };
    let done = match caller {
        // A plugin has to be where it is installed.
        Some(mut caller) if recording.scene.workflow.plugin.is_some() && other.is_none() => {
            let reply = caller.post("/v1/replay", &json!({ "recording": recording }))?.json()?;
            serde_json::from_value(reply["replayed"].clone()).context("The daemon's answer cannot be read")?
        }
        _ => Replayer::new().and_then(|r| r.replay(&recording, other.as_ref())).map_err(|e| anyhow!("{e}"))?,
    };
    let same = done.is_as(&recording);
    let before = recording.effects.clone().unwrap_or_else(|| json!({}));
    let lines = compare::effects(&before, &done.effects, Voice { language, zone });
    // With another script nothing is wrong when it plans otherwise, only when it does not come to its end.
    let status = u8::from(if other.is_some() { done.error.is_some() } else { !same });
    if as_json {
        let whole = json!({ "run": RunId(recording.run), "same": same, "lines": lines, "recorded": {
            "effects_hash": recording.effects_hash, "error": recording.error, "effects": recording.effects }, "replayed": done });
        return Ok(Said { status, ..document(&whole) });
    }
    Ok(Said { text: replayed(&recording, &done, &lines, same, other.as_ref(), language), status })
}

fn replayed(
    recording: &Recording,
    done: &Replayed,
    lines: &[Line],
    same: bool,
    other: Option<&Other>,
    language: Language,
) -> String {
    let run = RunId(recording.run);
    let workflow = &recording.scene.workflow.name;
    let mut out = String::new();
    let head = match (same, other) {
        (true, None) => language.pick(
            format!("{run} ({workflow}) rejoué : exactement les mêmes effets qu'alors."),
            format!("{run} ({workflow}) replayed: exactly the effects it had."),
        ),
        (false, None) => language.pick(
            format!("{run} ({workflow}) rejoué : les effets ne sont PAS les mêmes."),
            format!("{run} ({workflow}) replayed: the effects are NOT the same."),
        ),
        (_, Some(other)) => {
            let file = other.file.file_name().unwrap_or_default().to_string_lossy();
            language.pick(
                format!("{run} ({workflow}) avec {file}, sur ce qu'il savait alors (rien n'est parti) :"),
                format!("{run} ({workflow}) with {file}, on what it was told then (nothing was sent):"),
            )
        }
    };
    let _ = writeln!(out, "{}", typeset(&head, language));
    if other.is_some() && done.error.is_none() && !compare::differs(lines) {
        let _ = writeln!(out, "  {}", language.pick("Aucune différence.", "No difference."));
    }
    if other.is_some() || !same {
        out.push_str(&shown(lines, language));
    }
    if let Some(error) = done.error.as_ref().filter(|_| other.is_some() || !same) {
        let head = language.pick("Il ne va pas jusqu'au bout :", "It does not come to its end:");
        let _ = writeln!(out, "{}", typeset(head, language));
        for line in error.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    for question in done.unanswered.iter().take(5) {
        let text = language.pick(
            format!("Il demande « {question} », que l'exécution d'alors n'avait pas demandé : ce qui suit est inconnu."),
            format!("It asks \"{question}\", which the run did not ask then: what comes after is unknown."),
        );
        let _ = writeln!(out, "  ? {}", typeset(&text, language));
    }
    let program = env!("CARGO_PKG_VERSION");
    if !same && other.is_none() && recording.scene.program != program {
        let text = language.pick(
            format!("L'exécution a été faite par Beffroi {}, ceci est Beffroi {program}.", recording.scene.program),
            format!("The run was made by Beffroi {}; this is Beffroi {program}.", recording.scene.program),
        );
        let _ = writeln!(out, "  {text}");
    }
    out
}

/// `beffroi bundle`
pub(super) fn bundle(socket: &Path, as_json: bool, asked: Bundle) -> anyhow::Result<Said> {
    let id = RunId::parse(&asked.run).ok_or_else(|| anyhow!("\"{}\" is no run. Write for example r12.", asked.run))?;
    let clean = match &asked.database {
        // Without the daemon nobody knows its secrets; scripts never see them, so they are nowhere in a journal unless a site
        // sent them back.
        Some(_) => {
            let (whole, _) = recording(socket, &asked.run, asked.database.as_deref())?;
            Replayer::new().and_then(|r| whole.redact(&r, &str::to_owned)).map_err(|e| anyhow!("{e}"))?
        }
        None => {
            let reply = Caller::connect(socket)?.get(&format!("/v1/runs/{id}/bundle"))?;
            Recording::read(&reply.text).map_err(|e| anyhow!("{e}"))?
        }
    };
    let language = voice(&clean)?.language;
    let run = RunId(clean.run);
    let file = asked.out.unwrap_or_else(|| PathBuf::from(format!("{run}.beffroi.json")));
    if file.exists() {
        bail!("{} exists already. Name a new file with --out.", file.display());
    }
    std::fs::write(&file, clean.write()).with_context(|| format!("{} cannot be written", file.display()))?;
    let redacted = clean.redacted.as_ref();
    let places = redacted.map_or(0, |r| r.places);
    let same = redacted.is_some_and(|r| r.effects_hash == clean.effects_hash);
    if as_json {
        return Ok(document(&json!({ "file": file, "blacked_out": places, "same_effects": same })));
    }
    let name = file.display();
    let mut text = language.pick(
        format!("{run} est dans {name} ; {places} passage(s) noirci(s). Relisez le fichier avant de le transmettre.\nPour le rejouer : beffroi replay {name}\n"),
        format!("{run} is in {name}; {places} place(s) blacked out. Read the file before you pass it on.\nTo replay it: beffroi replay {name}\n"),
    );
    if !same {
        text.push_str(language.pick(
            "Ce qui est noirci figurait dans les effets : le fichier rejoue les effets noircis.\n",
            "What is blacked out was part of the effects: the file replays the effects as blacked out.\n",
        ));
    }
    Ok(Said::good(typeset(&text, language)))
}

/// `beffroi run --dry`
pub(super) fn dry(caller: &mut Caller, as_json: bool, workflow: &str, payload: Option<Json>, dry: &Dry) -> anyhow::Result<Said> {
    let mut body = json!({});
    if let Some(payload) = payload {
        body["payload"] = payload;
    }
    if let Some(from) = &dry.from {
        if RunId::parse(from).is_some() && !Path::new(from).exists() {
            body["from"] = json!(from);
        } else {
            let text = std::fs::read_to_string(from)
                .with_context(|| format!("\"{from}\" is neither a run (r12) nor a recording that can be read"))?;
            let recording = Recording::read(&text).map_err(|e| anyhow!("{from}: {e}"))?;
            body["recording"] = serde_json::to_value(recording)?;
        }
    }
    let reply = caller.post(&format!("/v1/workflows/{}/dry", part(workflow)), &body)?;
    let answer = reply.json()?;
    let language = reply.language;
    if let Some(file) = &dry.record {
        let recording =
            answer.get("recording").filter(|r| !r.is_null()).context("With --from there is nothing new to record.")?;
        std::fs::write(file, serde_json::to_string_pretty(recording)? + "\n")
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let replayed = &answer["replayed"];
    let failed = !replayed["error"].is_null();
    let status = u8::from(failed);
    if as_json {
        let mut whole = answer.clone();
        if let Some(map) = whole.as_object_mut() {
            map.remove("recording");
        }
        return Ok(Said { status, ..document(&whole) });
    }
    let lines: Vec<Line> = serde_json::from_value(answer["lines"].clone()).context("The daemon's answer cannot be read")?;
    let mut out = String::new();
    let head = language.pick(
        format!("{workflow}, à blanc : rien n'est parti, rien n'est écrit."),
        format!("{workflow}, without effect: nothing was sent, nothing was written."),
    );
    let _ = writeln!(out, "{}", typeset(&head, language));
    if lines.is_empty() && !failed {
        let _ = writeln!(out, "  {}", language.pick("Il ne prévoirait rien.", "It would plan nothing."));
    }
    out.push_str(&shown(&lines, language));
    for day in answer["calendar"].as_array().into_iter().flatten() {
        let (account, title) = (day["account"].as_str().unwrap_or_default(), day["day"].as_str().unwrap_or_default());
        let _ = writeln!(out, "\n{account}, {title}");
        for entry in day["entries"].as_array().into_iter().flatten() {
            let mark = if entry["sign"] == "new" { '+' } else { ' ' };
            let words = crate::admin::words::first_words(entry["text"].as_str().unwrap_or_default(), 70);
            let _ = writeln!(out, "  {mark} {}  {words}", entry["at"].as_str().unwrap_or_default());
        }
    }
    for line in replayed["log"].as_array().into_iter().flatten().filter(|line| line["level"] != "debug") {
        let _ = writeln!(out, "  {}: {}", line["level"].as_str().unwrap_or_default(), line["text"].as_str().unwrap_or_default());
    }
    if let Some(error) = replayed["error"].as_str() {
        let _ =
            writeln!(out, "{}", typeset(language.pick("Il ne va pas jusqu'au bout :", "It does not come to its end:"), language));
        for line in error.lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    Ok(Said { text: out, status })
}

/// `beffroi shadow`
pub(super) fn shadow(socket: &Path, as_json: bool, asked: &Shadow) -> anyhow::Result<Said> {
    let mut caller = Caller::connect(socket)?;
    let path = format!("/v1/workflows/{}/shadow", part(&asked.workflow));
    let reply = match (&asked.put, asked.drop) {
        (Some(file), _) => {
            let source = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let body =
                json!({ "file": file.file_name().unwrap_or_default().to_string_lossy(), "source": source, "by": super::user() });
            caller.send(Method::PUT, &path, Some(&body))?
        }
        (None, true) => caller.send(Method::DELETE, &path, None)?,
        (None, false) => caller.get(&path)?,
    };
    let answer = reply.json()?;
    if asked.promote {
        return promote(caller, as_json, &answer, &path, reply.language);
    }
    if as_json {
        return Ok(Said::good(reply.text + "\n"));
    }
    let to = Reader { language: reply.language, now: SystemClock::new().now() };
    Ok(Said::good(beside(&answer, to)))
}

fn beside(answer: &Json, to: Reader) -> String {
    let language = to.language;
    let name = answer["workflow"].as_str().unwrap_or_default();
    if answer["removed"] == true {
        let text = language.pick(
            format!("Plus aucune version ne tourne à côté de « {name} ».\n"),
            format!("No version runs beside \"{name}\" any more.\n"),
        );
        return typeset(&text, language);
    }
    let file = answer["file"].as_str().unwrap_or_default();
    let (runs, same, failed) =
        (answer["runs"].as_i64().unwrap_or(0), answer["same"].as_i64().unwrap_or(0), answer["failed"].as_i64().unwrap_or(0));
    let mut out = typeset(
        &language.pick(
            format!("{file} tourne à côté de « {name} » ; ses effets sont seulement comparés.\n"),
            format!("{file} runs beside \"{name}\"; its effects are only compared.\n"),
        ),
        language,
    );
    let text = language.pick(
        format!("{runs} comparaison(s) : {same} identique(s), {} différente(s), {failed} échec(s).\n", runs - same - failed),
        format!("{runs} comparison(s): {same} alike, {} different, {failed} failed.\n", runs - same - failed),
    );
    out.push_str(&typeset(&text, language));
    for run in answer["latest"].as_array().into_iter().flatten().filter(|run| run["same"] == false) {
        let at = crate::admin::words::moment_of(run["at"].as_str().unwrap_or_default(), to.now, language);
        let _ = writeln!(out, "\n{} ({at})", run["run"].as_str().unwrap_or_default());
        if let Some(error) = run["error"].as_str() {
            for line in error.lines() {
                let _ = writeln!(out, "  ! {line}");
            }
        }
        let lines: Vec<Line> = serde_json::from_value(run["difference"].clone()).unwrap_or_default();
        out.push_str(&shown(&lines, language));
    }
    let text = language.pick(
        format!("\nPour l'adopter : beffroi shadow {name} --promote ; pour l'abandonner : --drop\n"),
        format!("\nTo adopt it: beffroi shadow {name} --promote; to give it up: --drop\n"),
    );
    out.push_str(&typeset(&text, language));
    out
}

/// Replaces a file whole: whoever reads meanwhile sees the one or the other. Its permissions stay.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut new, text.as_bytes())?;
    new.as_file().set_permissions(std::fs::metadata(file)?.permissions())?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|e| e.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Writes the version beside over the script in force, reloads, and takes it away. The version before stays in the database.
fn promote(mut caller: Caller, as_json: bool, answer: &Json, path: &str, language: Language) -> anyhow::Result<Said> {
    let script = answer["script"].as_str().unwrap_or_default();
    let name = answer["workflow"].as_str().unwrap_or_default();
    let source = answer["source"].as_str().context("The daemon's answer has no script in it.")?;
    if script.starts_with("builtin:") {
        bail!(
            "The workflow \"{name}\" runs the built-in script {script}, which cannot be written. Put the new one into the folder of scripts, and name it with script = \"…\" under [workflows.{name}]."
        );
    }
    let file = Path::new(script);
    replace(file, source).with_context(|| {
        format!(
            "{script} cannot be written. Do this as the user who may, or copy the script there yourself and run: beffroi reload"
        )
    })?;
    caller.post("/v1/reload", &json!({}))?;
    caller.send(Method::DELETE, path, None)?;
    if as_json {
        return Ok(document(&json!({ "workflow": name, "promoted": script })));
    }
    let text = language.pick(
        format!("{script} est remplacé et rechargé ; « {name} » tourne désormais dans la nouvelle version.\n"),
        format!("{script} is replaced and reloaded; \"{name}\" runs in the new version from now on.\n"),
    );
    Ok(Said::good(typeset(&text, language)))
}
