//! Power loss, not only the end of the process: what must be on disk before the first byte leaves is there, when everything that
//! nobody synced is dropped.

use beffroi::clock::{Dice, SimClock, Turn};
use beffroi::config::Base;
use beffroi::daemon::{Engine, Injected};
use beffroi::domain::{AccountName, Timestamp};
use beffroi::kinds::{Call, Channel, Failure, Finding, KindError, Outcome, Outgoing, Receipt};
use beffroi::network::{Network, NetworkError, Request, Response};
use beffroi::store::{Medium, Mode};
use beffroi_tests::disk::{Act, Disk, Loss};
use beffroi_tests::{ACCOUNT, HEAD, START};
use std::sync::{Arc, Mutex};

/// What a question about the disk as power loss would leave it is answered with.
type Found = Result<String, String>;

struct Witness {
    disk: Disk,
    seen: Mutex<Vec<(String, Found)>>,
    order: Mutex<Vec<Act>>,
}

impl Witness {
    fn ask(&self, what: &str, question: &str) {
        self.order.lock().expect("nobody panics").extend(self.disk.asked().last().map(|asked| asked.act));
        let image = self.disk.after(Loss::All);
        let found = image.open("beffroi.db").and_then(|db| db.query_row(question, [], |row| row.get::<_, String>(0)));
        self.seen.lock().expect("nobody panics").push((what.to_owned(), found.map_err(|e| e.to_string())));
    }
}

impl Channel for Witness {
    fn objections(&self, _: &Outgoing) -> Vec<Failure> {
        Vec::new()
    }

    fn publish(&self, _: &Call<'_>, key: &str, post: &Outgoing, _: Option<&str>) -> Result<Outcome, KindError> {
        let id = key.rsplit_once("-d").expect("a delivery's number").1;
        self.ask(&post.text, &format!("SELECT state || ' ' || attempts FROM delivery WHERE id = {id}"));
        Ok(Outcome::Online(Receipt { remote_id: key.into(), url: None }))
    }

    fn find(&self, _: &Call<'_>, _: &str, _: &Outgoing, _: Option<&str>) -> Option<Result<Finding, KindError>> {
        None
    }
}

impl Network for Witness {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let what = String::from_utf8_lossy(&request.body).into_owned();
        let question = match what.as_str() {
            // The attempt is known before anything leaves; then each answer before the next question.
            "first" => "SELECT state FROM run".to_owned(),
            "second" => "SELECT name || ' ' || answer FROM step WHERE name = 'one'".to_owned(),
            _ => "SELECT group_concat(name) FROM (SELECT name FROM step ORDER BY name)".to_owned(),
        };
        self.ask(&what, &question);
        Ok(Response { status: 200, body: request.body.clone(), ..Response::default() })
    }
}

const SCRIPT: &str = r#"
let ask = |what| http::post("https://shop.example/", what).body;
let one = step("one", || ask.call("first"));
let two = step("two", || ask.call("second"));
step("three", || ask.call("third"));
posts::plan(#{ text: `${one} and ${two}`, account: "facebook" });
"#;

/// Runs the script once and delivers what it planned; gives back what was on the synced disk whenever something left.
fn witnessed(durable: bool) -> (Vec<(String, Found)>, Vec<Act>) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("scripts")).expect("written");
    std::fs::write(folder.path().join("scripts/order.rhai"), SCRIPT).expect("written");
    let file = folder.path().join("beffroi.toml");
    std::fs::write(&file, format!("{HEAD}{ACCOUNT}[workflows.order]\nscript = \"order.rhai\"\n")).expect("written");
    let disk = Disk::new(folder.path());
    let medium = Medium { durable, ..disk.medium() };
    let witness = Arc::new(Witness { disk, seen: Mutex::default(), order: Mutex::default() });
    let injected = Injected {
        clock: Arc::new(SimClock::new(Timestamp::parse(START).expect("an instant"))),
        dice: Arc::new(Dice::seeded(1)),
        network: witness.clone(),
        mode: Mode::Inline,
    };
    let engine = Engine::start_on(&file, Base::default(), injected, medium).expect("it starts");
    engine.adapters.install_channel(AccountName::parse("facebook").expect("a name"), witness.clone());
    witness.disk.watch();
    engine.run_soon("order", None).expect("recorded");
    while engine.turn().expect("the store answers") == Turn::Did {}
    let seen = std::mem::take(&mut *witness.seen.lock().expect("nobody panics"));
    let order = std::mem::take(&mut *witness.order.lock().expect("nobody panics"));
    (seen, order)
}

fn found(what: &str, row: &str) -> (String, Found) {
    (what.into(), Ok(row.into()))
}

#[test]
fn the_armed_mark_and_every_steps_answer_are_on_disk_before_the_next_byte_leaves() {
    let (seen, order) = witnessed(true);
    let wanted = [
        found("first", "running"),
        found("second", "one \"first\""),
        found("third", "one,two"),
        found("first and second", "armed 1"),
    ];
    assert_eq!(seen, wanted);
    assert!(order.iter().all(|act| *act == Act::Sync), "the last thing asked of the disk before a byte leaves: {order:?}");
}

#[test]
fn without_waiting_for_the_disk_the_same_look_finds_nothing() {
    let (seen, order) = witnessed(false);
    assert_eq!(seen.len(), 4, "the run and the delivery go on all the same");
    assert!(seen.iter().all(|(_, found)| found.as_deref() != Ok("armed 1") && found.is_err()), "{seen:?}");
    assert!(order.iter().all(|act| *act != Act::Sync), "{order:?}");
}
