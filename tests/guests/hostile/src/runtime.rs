//! Attacks on the machine itself: time, memory, stack, output, and ways of dying.

use crate::{deed, size, text};
use beffroi_plugin::prelude::*;
use std::hint::black_box;
use std::io::Write as _;

pub(crate) fn act(orders: &Value) -> Option<Result<String, Error>> {
    Some(match deed(orders) {
        "loop" => {
            let mut n = 0_u64;
            loop {
                n = black_box(n.wrapping_add(1));
            }
        }
        "loop-asking" => loop {
            black_box(run::now());
        },
        "loop-logging" => loop {
            log::info("again");
        },
        "loop-keeping" => loop {
            drop(black_box(state::set("k", [1; 100])));
        },
        "loop-listing" => loop {
            drop(black_box(state::keys("", None, u32::MAX)));
        },
        "loop-settings" => loop {
            drop(black_box(settings::get::<Value>()));
        },
        "loop-refused" => loop {
            drop(black_box(http::get("https://10.0.0.1/").send_raw()));
        },
        "sleep" => {
            std::thread::sleep(std::time::Duration::from_secs(u64::MAX / 4));
            Ok("woke".into())
        }
        "naps" => loop {
            std::thread::sleep(std::time::Duration::from_micros(1));
        },
        "hoard" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(black_box(vec![1; 1 << 20]));
            }
        }
        "grow" => Ok(grow()),
        "dig" => Ok(dig(0).to_string()),
        "panic" => panic!("{}", text(orders, "text")),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(i32::try_from(size(orders, "count")).unwrap_or(1)),
        "unreachable" => {
            trap();
            Ok("went on".into())
        }
        "divide" => Ok((black_box(1) / black_box(size(orders, "count"))).to_string()),
        "index" => Ok(black_box([1, 2, 3])[black_box(size(orders, "count"))].to_string()),
        "flood-log" => {
            let line = "flood ".repeat(size(orders, "size").max(1));
            for n in 0..size(orders, "count") {
                log::warn(format!("{n} {line}"));
            }
            Ok("flooded".into())
        }
        "flood-out" => {
            let piece = vec![b'x'; 64 << 10];
            let mut out = std::io::stdout();
            for _ in 0..size(orders, "count") {
                drop(out.write_all(&piece));
                drop(out.flush());
            }
            Ok("flooded".into())
        }
        "flood-err" => {
            for n in 0..size(orders, "count") {
                eprintln!("line {n} {}", "y".repeat(100));
            }
            Ok("flooded".into())
        }
        "garble" => {
            drop(std::io::stdout().write_all(b"\xff\xfe\x80 not text \xc3\x28\n\x1b[2J\x1b]0;owned\x07 steered\r\n\0\n"));
            drop(std::io::stderr().write_all(b"\xf0\x28\x8c\x28 \x1b[31mred\n"));
            log::write(log::Level::Error, "one\ntwo\r\x1b[1A\u{202e}three", &[Attribute::new("a\nb", "c\u{9b}d")]);
            Ok("garbled".into())
        }
        "fields" => {
            let fields: Vec<Attribute> =
                (0..size(orders, "count")).map(|n| Attribute::new(format!("field-{n}"), "v".repeat(1_000))).collect();
            log::write(log::Level::Info, "many", &fields);
            Ok("logged".into())
        }
        "alias" => {
            log::write(log::Level::Info, "the same again", aliased(size(orders, "size"), size(orders, "count")));
            Ok("logged".into())
        }
        "say" => {
            log::info(text(orders, "text"));
            println!("{}", text(orders, "text"));
            Ok(text(orders, "text").into())
        }
        "look" => Ok(look()),
        _ => return None,
    })
}

#[allow(unconditional_recursion, reason = "this is the attack")]
fn dig(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    black_box(dig(depth + 1)) + here[7]
}

#[cfg(target_family = "wasm")]
fn grow() -> String {
    let mut pages = 0;
    while core::arch::wasm32::memory_grow(0, 64) != usize::MAX {
        pages += 64;
    }
    format!("grown by {pages} pages")
}

#[cfg(not(target_family = "wasm"))]
fn grow() -> String {
    String::new()
}

/// Many texts that are all the same bytes: small here, huge where each is copied.
#[allow(unsafe_code, reason = "this is the attack: a host must not believe that texts have room of their own")]
pub(crate) fn aliased(size: usize, count: usize) -> &'static [Attribute] {
    let bytes = Box::leak(vec![b'a'; size].into_boxed_slice());
    let (start, length) = (bytes.as_mut_ptr(), bytes.len());
    let text = || unsafe { String::from_raw_parts(start, length, length) };
    // Leaked: nothing of it is ever given back.
    let all: Vec<Attribute> = (0..count).map(|_| Attribute { name: String::new(), value: text() }).collect();
    Vec::leak(all)
}

#[cfg(target_family = "wasm")]
fn trap() {
    core::arch::wasm32::unreachable();
}

#[cfg(not(target_family = "wasm"))]
fn trap() {}

/// Everything that WASI may offer: what is found is told.
fn look() -> String {
    let mut found: Vec<String> = std::env::vars().map(|(name, _)| format!("variable {name}")).collect();
    found.extend(std::env::args().map(|arg| format!("argument {arg}")));
    if let Ok(folder) = std::env::current_dir() {
        // The folder's name is the language's own; that something lies in it would be the host's.
        found.extend(std::fs::read_dir(folder).into_iter().flatten().map(|_| "an entry".to_owned()));
    }
    for path in ["/", ".", "..", "/etc/passwd", "/proc/self/environ", "/proc/1/mem", "beffroi.toml", "/dev/tcp", "//", "/tmp"] {
        if std::fs::read(path).is_ok() || std::fs::read_dir(path).is_ok() || std::fs::metadata(path).is_ok() {
            found.push(format!("path {path}"));
        }
    }
    for path in ["here", "/tmp/here", "../here"] {
        if std::fs::write(path, "x").is_ok() || std::fs::create_dir(path).is_ok() {
            found.push(format!("wrote {path}"));
        }
    }
    for place in ["127.0.0.1:80", "[::1]:22", "169.254.169.254:80", "1.1.1.1:53"] {
        if std::net::TcpStream::connect(place).is_ok() {
            found.push(format!("connection {place}"));
        }
    }
    if std::net::TcpListener::bind("0.0.0.0:0").is_ok() {
        found.push("a listening socket".into());
    }
    if let Ok(socket) = std::net::UdpSocket::bind("0.0.0.0:0")
        && socket.send_to(b"x", "127.0.0.1:53").is_ok()
    {
        found.push("a datagram".into());
    }
    if std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok() {
        found.push("a name".into());
    }
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).is_ok_and(|n| n > 0) {
        found.push("standard input".into());
    }
    if std::process::Command::new("sh").spawn().is_ok() {
        found.push("a process".into());
    }
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().map(|t| t.as_millis()).unwrap_or_default();
    if clock != u128::from(run::now()) {
        found.push(format!("the machine's time {clock}"));
    }
    if found.is_empty() { "found nothing".into() } else { format!("FOUND {}", found.join(", ")) }
}
