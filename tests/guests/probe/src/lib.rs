//! Does what the setting `do` says, in whichever ability it is called.
//!
//! In: a word. Out: the deed, and what there is to tell of it as the title of a signal.
//! Never: installed anywhere but in tests.

use beffroi_plugin::prelude::*;
use std::hint::black_box;

#[derive(Deserialize)]
struct Orders {
    #[serde(rename = "do", default)]
    deed: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    count: u64,
}

fn orders() -> Orders {
    settings::get().unwrap_or(Orders { deed: String::new(), url: String::new(), count: 0 })
}

#[allow(unconditional_recursion, reason = "this is the deed")]
fn dig(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    black_box(dig(depth + 1)) + here[7]
}

fn chance() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one("chance"))
}

fn asked(error: &http::Error) -> String {
    format!("{error:?}").trim_start_matches("HttpError::").to_owned()
}

/// Carries out the order; what it tells is for the test.
#[allow(clippy::disallowed_methods, reason = "what a plugin sees of the machine's clock is looked at here")]
fn act() -> Result<String, Error> {
    let orders = orders();
    match orders.deed.as_str() {
        "loop" => {
            let mut n = 0_u64;
            loop {
                n = black_box(n.wrapping_add(1));
            }
        }
        "sleep" => {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
            Ok("woke".into())
        }
        "nap" => {
            std::thread::sleep(std::time::Duration::from_millis(5));
            Ok("woke".into())
        }
        "hoard" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 1 << 20]));
            }
        }
        "dig" => Ok(dig(0).to_string()),
        "panic" => panic!("the oven is cold"),
        "divide" => Ok((black_box(1) / black_box(orders.count)).to_string()),
        "exit" => std::process::exit(3),
        "flood" => {
            for n in 0..100_000_u32 {
                println!("line {n} {}", "x".repeat(40));
                eprintln!("line {n}");
            }
            log::info("the last one");
            Ok("flooded".into())
        }
        "talk" => {
            log::write(log::Level::Warn, "the oven", &[Attribute::new("heat", "180")]);
            println!("out");
            eprintln!("err");
            print!("an unfinished line");
            drop(std::io::Write::flush(&mut std::io::stdout()));
            Ok("talked".into())
        }
        "look" => {
            let home = std::env::vars().count() + std::env::args().count();
            let file = std::fs::read_to_string("/etc/passwd").is_err() && std::fs::write("here", "x").is_err();
            let socket = std::net::TcpStream::connect("127.0.0.1:80").is_err();
            let since = std::time::SystemTime::UNIX_EPOCH.elapsed().map(|d| d.as_millis()).unwrap_or_default();
            let waited = std::time::Instant::now();
            while waited.elapsed() < std::time::Duration::from_millis(1) {}
            Ok(format!("{home} {file} {socket} {since} {}", chance()))
        }
        "facts" => Ok(format!(
            "{} {} {} {} {} {} {}",
            run::id(),
            run::now(),
            run::attempt(),
            run::name(),
            run::time_zone(),
            run::language(),
            run::time_left() > 0
        )),
        "count" => {
            let n = state::get_json::<u64>("n")?.unwrap_or(0) + 1;
            state::set_json("n", &n)?;
            Ok(format!("{n} {:?}", state::keys("", None, 10)))
        }
        "count-and-fail" => {
            state::set_json("n", &99)?;
            Err(Error::reject("wanted", "As ordered."))
        }
        "count-and-panic" => {
            state::set_json("n", &99)?;
            panic!("after writing");
        }
        "fill" => {
            let mut kept = 0;
            loop {
                if let Err(error) = state::set(&format!("k{kept}"), vec![0; 1_000]) {
                    return Ok(format!("{kept} {}", error.message()));
                }
                kept += 1;
            }
        }
        "fail" => Err(Error::internal("own-defect", "I am broken.")),
        "get" => match http::get(orders.url).send_raw() {
            Ok(answer) => Ok(format!("{} {}", answer.status, answer.text())),
            Err(error) => Ok(asked(&error)),
        },
        "post" => match http::post(orders.url).bytes(vec![b'x'; 10], "text/plain").send_raw() {
            Ok(answer) => Ok(format!("{} {}", answer.status, answer.text())),
            Err(error) => Ok(asked(&error)),
        },
        "post-then-loop" => {
            drop(http::post(orders.url).send_raw());
            loop {
                black_box(());
            }
        }
        "gets" => {
            let mut told = String::new();
            for _ in 0..orders.count {
                match http::get(orders.url.clone()).send_raw() {
                    Ok(answer) => told.push_str(&format!("{} ", answer.status)),
                    Err(error) => told.push_str(&asked(&error)),
                }
            }
            Ok(told)
        }
        "header" => match http::get(orders.url).header("Authorization", "Bearer mine").send_raw() {
            Ok(_) => Ok("sent".into()),
            Err(error) => Ok(asked(&error)),
        },
        "credential" => match http::get(orders.url).credential("token").send_raw() {
            Ok(_) => Ok("sent".into()),
            Err(error) => Ok(asked(&error)),
        },
        other => Ok(other.to_owned()),
    }
}

struct Probe;

impl Plugin for Probe {
    fn check() -> Result<String, Error> {
        act()
    }
}

impl Feed for Probe {
    fn poll(since: Option<&str>) -> Result<SignalPage, Error> {
        let title = act()?;
        Ok(SignalPage { signals: vec![Signal::new("1", title)], next: since.map(str::to_owned), unchanged: false })
    }
}

impl Publish for Probe {
    fn validate(post: &Post) -> Vec<Problem> {
        let told = act().unwrap_or_else(|e| e.message().to_owned());
        if post.text.is_empty() { vec![Problem::new("empty", told)] } else { Vec::new() }
    }

    fn publish(delivery: &str, post: &Post, prepared: Option<&str>) -> Result<Outcome, Error> {
        if let Some(asset) = post.assets.first() {
            let bytes = media::read_all(asset)?;
            let sent =
                http::post(orders().url).form([http::part("text", post.text.clone()), http::part_file("file", asset)]).send()?;
            let told = format!("{} {} {:?} {} {}", asset.media_type, asset.size, asset.dimensions, bytes.len(), sent.status);
            return Ok(Outcome::Online(Receipt::new(told, None)));
        }
        let told = act()?;
        Ok(Outcome::Online(Receipt::new(format!("{delivery}/{}/{told}", prepared.unwrap_or("-")), None)))
    }
}

impl Stock for Probe {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        let orders = orders();
        let page: u64 = since.and_then(|s| s.strip_prefix("page ")?.parse().ok()).unwrap_or(0);
        if orders.deed == "endless" {
            return Ok(StockPage {
                items: Vec::new(),
                removed: Vec::new(),
                changes: false,
                next: Some("again".into()),
                more: true,
            });
        }
        let items = (0..10).map(|n| Item::new(format!("sku-{}", page * 10 + n), "Pain")).collect();
        let more = page + 1 < orders.count;
        let next = if more { format!("page {}", page + 1) } else { "end".into() };
        Ok(StockPage { items, removed: Vec::new(), changes: false, next: Some(next), more })
    }
}

impl Workflow for Probe {
    fn run(trigger: &Trigger) -> Result<String, Error> {
        if !matches!(orders().deed.as_str(), "") {
            return act();
        }
        let kept: u64 = desk::step("bake", || Ok(desk::run_now()?.unsigned_abs()))?;
        desk::log_info("baked")?;
        println!("printed");
        let hits = desk::state_get("hits", json!(0))?;
        desk::state_set("hits", json!(hits.as_u64().unwrap_or(0) + 1))?;
        let similar = desk::text_similar("pain chaud", "pain chaud")?;
        let refused = match desk::events_emit("noon", ()) {
            Ok(()) => "emitted".to_owned(),
            Err(error) => error.message().to_owned(),
        };
        Ok(format!("{} {} {kept} {hits} {similar} {refused}", trigger.kind, trigger.payload))
    }
}

beffroi_plugin::export!(Probe: feed, publish, stock, workflow);
