//! Files that are not what they seem: truncated, forged, unsigned, swapped, made for another daemon, or too much to compile.
//!
//! In: the bytes of a good package, changed. Out: a refusal before anything is run. Never: a linker's words, or a believed forgery.

use crate::bench::{Bench, Case, End, Seen, compiled, component, manifest_text};
use crate::forge;
use crate::network::case;
use beffroi::domain::Digest;
use beffroi::plugin::manifest;
use beffroi::plugin::package::{self, SigningKey};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

fn key() -> SigningKey {
    SigningKey::generate().expect("a key")
}

/// A signed package with this manifest.
fn signed(name: &str, more: &str) -> Vec<u8> {
    let unsigned = package::embed(&component(), &manifest_text(name, more)).expect("embedded");
    package::sign(&unsigned, &key()).expect("signed")
}

/// How a package is refused, first by its reader and, were it to pass, for want of a signature.
fn refusal(bytes: impl Into<Vec<u8>>) -> Seen {
    match package::read(bytes.into()).and_then(|package| package.signed().cloned()) {
        Ok(_) => Seen::stopped("it was taken"),
        Err(refused) => Seen::refused(refused.to_string()),
    }
}

pub(crate) fn refusal_of_manifest(text: &str) -> Seen {
    match manifest::parse(text, Path::new("beffroi-plugin.toml")) {
        Ok(_) => Seen::stopped("it was taken"),
        Err(problems) => Seen::refused(problems.iter().map(|p| p.render()).collect::<String>()),
    }
}

/// How a component is refused when it is to be taken up, signature or not.
fn taken_up(bench: &Bench, name: &str, bytes: &[u8]) -> Seen {
    match bench.put(name, "", bytes) {
        Ok(()) => Seen::stopped("it was taken"),
        Err(sentence) => Seen::refused(sentence),
    }
}

/// A component that exports nothing of ours but asks for this.
fn asking(name: &str) -> Vec<u8> {
    // A type (an empty instance), and an import of that type by name.
    let kinds = forge::section(7, &[1, 0x42, 0]);
    let import = [&[1, 0][..], &forge::leb(name.len() as u64), name.as_bytes(), &[5, 0]].concat();
    forge::shell(&[kinds, forge::section(10, &import)])
}

/// Loads what a changed cache holds: the good plugin goes on, compiled anew.
fn cached(bench: &Bench, name: &str, change: impl Fn(&Path)) -> Seen {
    let bytes = forge::shell_with_note(&smallest(), name);
    bench.put(name, "", &bytes).expect("a plugin");
    let prefix = Digest::of(&bytes).to_string();
    let files: Vec<_> = std::fs::read_dir(compiled())
        .expect("the cache")
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            p.extension().is_some_and(|e| e == "cwasm") && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix))
        })
        .collect();
    assert_eq!(files.len(), 1, "compiled once");
    let before = std::fs::read(&files[0]).expect("readable");
    change(&files[0]);
    let again = bench.put(name, "", &bytes);
    std::fs::set_permissions(compiled(), std::fs::Permissions::from_mode(0o700)).expect("private again");
    let mended = std::fs::read(&files[0]).is_ok_and(|now| now == before);
    drop(std::fs::remove_file(&files[0]));
    drop(std::fs::remove_file(files[0].with_extension("sum")));
    Seen::stopped(format!("it is taken up: {} whole again: {mended}", again.is_ok()))
}

/// The smallest plugin: quick to compile.
fn smallest() -> Vec<u8> {
    beffroi_tests::component::component(&[], beffroi_tests::component::FEED)
}

/// Refused or compiled, but soon.
fn soon(bench: &Bench, name: &str, module: &[u8]) -> Seen {
    let started = Instant::now();
    let seen = taken_up(bench, name, &forge::with_module(&smallest(), module, 0));
    if started.elapsed().as_secs() < 10 {
        seen
    } else {
        Seen::stopped(format!("{} after {:?}", seen.sentence, started.elapsed()))
    }
}

pub(crate) const CASES: &[Case] =
    &[
        case!("file-empty", "is an empty file", "a plugin is a component", &["."], Refused, |_, _| refusal(Vec::new())),
        case!("file-text", "is a script", "a plugin is a component", &["WebAssembly"], Refused, |_, _| refusal(
            *b"#!/bin/sh\nrm -rf /\n"
        )),
        case!("file-module", "is a core module", "a plugin is a component", &["component"], Refused, |_, _| refusal(
            forge::endless()
        )),
        case!("file-truncated", "is cut off, at two hundred places", "a package is whole", &["."], Refused, |_, n| {
            let whole = signed(n, "");
            let step = whole.len() / 200;
            let taken = (0..whole.len())
                .step_by(step.max(1))
                .chain(whole.len() - 200..whole.len())
                .filter(|at| package::read(whole[..*at].to_vec()).is_ok_and(|p| p.signed().is_ok()))
                .count();
            let last = refusal(&whole[..whole.len() / 2]);
            if taken == 0 { last } else { Seen::stopped(format!("{taken} were taken")) }
        }),
        case!(
            "file-flipped",
            "has one bit changed, at three hundred places",
            "the signature covers every byte",
            &["."],
            Refused,
            |_, n| {
                let whole = signed(n, "");
                let mut last = Seen::stopped("it was taken");
                for at in (0..whole.len()).step_by(whole.len() / 150).chain(whole.len() - 150..whole.len()) {
                    let mut changed = whole.clone();
                    changed[at] ^= 1 << (at % 8);
                    last = refusal(changed.clone());
                    // The comment that minisign does not trust may be anything.
                    let comment = String::from_utf8_lossy(&changed[at.saturating_sub(80)..at]).contains("untrusted comment");
                    if last.end != End::Refused && !comment {
                        return Seen::stopped(format!("taken with byte {at} of {} changed", whole.len()));
                    }
                    if last.end != End::Refused {
                        last = refusal(&changed[..at]);
                    }
                }
                last
            }
        ),
        case!(
            "file-appended",
            "has something behind its signature",
            "the signature is the last section",
            &["follows the signature", "nobody signed"],
            Refused,
            |_, n| refusal([signed(n, ""), forge::custom("evil", b"x")].concat())
        ),
        case!(
            "file-prepended",
            "has a section put in before the signature",
            "the signature covers every byte",
            &["signature"],
            Refused,
            |_, n| {
                let whole = signed(n, "");
                refusal([&whole[..8], &forge::custom("evil", b"x"), &whole[8..]].concat())
            }
        ),
        case!("unsigned", "is not signed", "packages are signed", &["not signed", "beffroi plugin pack"], Refused, |_, n| {
            refusal(package::embed(&component(), &manifest_text(n, "")).expect("embedded"))
        }),
        case!(
            "signature-swapped",
            "bears the signature of another package",
            "a signature is of one file",
            &["signature"],
            Refused,
            |_, n| {
                let (mine, other) = (signed(n, ""), signed("other", ""));
                let body = package::unsigned(&mine).expect("a package");
                let tail = &other[package::unsigned(&other).expect("a package").len()..];
                refusal([body, tail].concat())
            }
        ),
        case!(
            "signature-other-key",
            "claims another publisher's key",
            "a signature is of one key",
            &["not the one it was signed with"],
            Refused,
            |_, n| {
                let whole = signed(n, "");
                let (_, text) = package::signature(&whole).expect("a signature");
                let claimed = format!("{}\n{text}", key().publisher().as_str());
                let body = package::unsigned(&whole).expect("a package");
                refusal([body, &forge::custom("beffroi:signature", claimed.as_bytes())].concat())
            }
        ),
        case!("signature-twice", "is signed twice", "one signature", &["signature"], Refused, |_, n| {
            let whole = signed(n, "");
            let tail = whole[package::unsigned(&whole).expect("a package").len()..].to_vec();
            refusal([whole, tail].concat())
        }),
        case!("signature-garbage", "bears garbage for a signature", "a signature is minisign's", &["."], Refused, |_, n| {
            let body = package::embed(&component(), &manifest_text(n, "")).expect("embedded");
            refusal([&body[..], &forge::custom("beffroi:signature", b"\xff\xfe\0garbage")].concat())
        }),
        case!(
            "signature-hidden",
            "hides a signature inside a module",
            "only outermost sections count",
            &["not signed"],
            Refused,
            |_, n| {
                let body = package::embed(&component(), &manifest_text(n, "")).expect("embedded");
                let hidden = forge::module(&[forge::custom("beffroi:signature", b"RWQ\nuntrusted comment: x")]);
                refusal(forge::with_module(&body, &hidden, 0))
            }
        ),
        case!("manifest-none", "carries no manifest", "a package says what it is", &["carries no manifest"], Refused, |_, _| {
            refusal(component())
        }),
        case!(
            "manifest-twice",
            "carries two manifests: one to be read, one to be used",
            "one manifest",
            &["manifest"],
            Refused,
            |_, n| {
                let body = package::embed(&component(), &manifest_text(n, "")).expect("embedded");
                refusal([body, forge::custom("beffroi:manifest", manifest_text("bluesky", "").as_bytes())].concat())
            }
        ),
        case!(
            "manifest-widened",
            "has its manifest widened after it was signed",
            "the signature covers the manifest",
            &["signature"],
            Refused,
            |_, n| {
                let whole = signed(n, "");
                let at = whole.windows(9).position(|w| w == b"Essai.\", ").expect("the manifest's text");
                let mut changed = whole;
                changed[at] = b'X';
                refusal(changed)
            }
        ),
        case!(
            "manifest-hidden",
            "hides a second manifest inside a module",
            "only outermost sections count",
            &["not signed"],
            Refused,
            |_, n| {
                let body = package::embed(&component(), &manifest_text(n, "")).expect("embedded");
                let hidden = forge::module(&[forge::custom("beffroi:manifest", manifest_text("bluesky", "").as_bytes())]);
                let both = forge::with_module(&body, &hidden, 0);
                assert_eq!(package::read(both.clone()).map(|p| p.manifest.name.to_string()).as_deref(), Ok(n));
                refusal(both)
            }
        ),
        case!(
            "manifest-deep",
            "carries a manifest of arrays within arrays",
            "manifests are read within bounds",
            &["."],
            Refused,
            |_, n| refusal_of_manifest(&manifest_text(n, &format!("[x]\na = {}{}\n", "[".repeat(20_000), "]".repeat(20_000))))
        ),
        case!(
            "manifest-tables",
            "carries a manifest of tables within tables",
            "manifests are read within bounds",
            &["."],
            Refused,
            |_, n| refusal_of_manifest(&manifest_text(n, &format!("[{}]\nb = 1\n", vec!["a"; 20_000].join("."))))
        ),
        case!(
            "manifest-large",
            "carries a manifest of a megabyte",
            "manifests have at most 64 KiB",
            &["larger than 64 KiB"],
            Refused,
            |_, n| refusal_of_manifest(&manifest_text(n, &"# x\n".repeat(1 << 18)))
        ),
        case!(
            "manifest-steering",
            "steers the terminal of whoever is asked for consent",
            "texts of manifests are plain",
            &["."],
            Refused,
            |_, n| refusal_of_manifest(&manifest_text(
                n,
                "[[http]]\nhost = \"a.example\"\nmethods = [\"GET\"]\npaths = [\"/*\"]\n\
            reason = { fr = \"a\\u001b[2Jb\", en = \"only your \\u202Etsop\" }\n"
            ))
        ),
        case!("manifest-wide", "asks for every host at once", "hosts are named", &["."], Refused, |_, n| refusal_of_manifest(
            &manifest_text(
                n,
                "[[http]]\nhost = \"*\"\nmethods = [\"GET\"]\npaths = [\"/*\"]\nreason = { fr = \"a\", en = \"a\" }\n\
            [[http]]\nhost = \"*.com\"\nmethods = [\"GET\"]\npaths = [\"/*\"]\nreason = { fr = \"a\", en = \"a\" }\n"
            )
        )),
        case!(
            "manifest-credential",
            "binds a credential to a host that it never asks for",
            "credentials go where requests may go",
            &["No [[http]] asks for the host"],
            Refused,
            |_, n| refusal_of_manifest(&manifest_text(
                n,
                "[[credentials]]\nname = \"token\"\nkind = \"bearer\"\nhosts = [\"evil.example\"]\n\
            label = { fr = \"a\", en = \"a\" }\nreason = { fr = \"a\", en = \"a\" }\n"
            ))
        ),
        case!("manifest-name", "has a name that is a path", "names are letters, digits and -", &["."], Refused, |_, _| {
            refusal_of_manifest(&manifest_text("../../etc/cron.d/x", ""))
        }),
        case!(
            "api-later",
            "is made for a later contract",
            "lines of the contract",
            &["API 0.9", "this daemon offers 0.1"],
            Refused,
            |b, n| taken_up(b, n, &asking("beffroi:plugin/http@0.9.0"))
        ),
        case!(
            "import-unknown",
            "asks for what this daemon does not offer",
            "what is offered is known",
            &["wasi:http/outgoing-handler", "does not offer"],
            Refused,
            |b, n| taken_up(b, n, &asking("wasi:http/outgoing-handler@0.2.0"))
        ),
        case!("import-steering", "asks for a thing whose name steers terminals", "names are plain", &["."], Refused, |b, n| {
            taken_up(b, n, &asking("evil:a/b\u{1b}[2J@0.1.0"))
        }),
        case!(
            "export-none",
            "exports nothing that is a plugin's",
            "a plugin exports plugin",
            &["no plugin for Beffroi"],
            Refused,
            |b, n| taken_up(b, n, &forge::shell(&[]))
        ),
        case!(
            "export-types",
            "exports the right names with the wrong types",
            "the contract's types",
            &["another edition of API 0.1"],
            Defect,
            |b, n| {
                if let Err(sentence) = b.put(n, "", &smallest()) {
                    return Seen::refused(sentence);
                }
                let call = b.call(n, std::time::Duration::from_secs(2), &crate::bench::Nowhere);
                let used = crate::bench::used(n, "feed:town", json!({}));
                Seen::of(b.plugins.source(&used).poll(&call, None), crate::bench::told)
            }
        ),
        case!("dolls", "is components within components", "compilation ends", &["it was taken"], Stopped, |b, n| taken_up(
            b,
            n,
            &[&smallest()[..], &forge::section(4, &forge::russian_dolls(2_000))].concat()
        )),
        case!(
            "compile-locals",
            "has a function of fifty thousand variables",
            "size of functions",
            &["too large to be compiled"],
            Refused,
            |b, n| soon(b, n, &forge::dense(49_999, 20_000))
        ),
        case!(
            "compile-branches",
            "has a function of a million branches",
            "size of functions",
            &["too large to be compiled"],
            Refused,
            |b, n| soon(b, n, &forge::dense(100, 400_000))
        ),
        case!(
            "compile-nested",
            "has a function of blocks within blocks",
            "size of functions",
            &["too large to be compiled"],
            Refused,
            |b, n| soon(b, n, &forge::nested(1_000_000))
        ),
        case!("compile-many", "has a million functions", "size of functions", &["too large to be compiled"], Refused, |b, n| {
            soon(b, n, &forge::many_functions(999_999))
        }),
        case!(
            "cache-tampered",
            "finds its compiled form changed by somebody",
            "compiled files have a sum",
            &["it is taken up: true", "whole again: true"],
            Stopped,
            |b, n| cached(b, n, |file| {
                let mut bytes = std::fs::read(file).expect("readable");
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0xff;
                std::fs::write(file, bytes).expect("written");
            })
        ),
        case!(
            "cache-open",
            "finds its compiled form writable by others",
            "compiled files are private",
            &["it is taken up: true", "whole again: true"],
            Stopped,
            |b, n| cached(b, n, |file| {
                std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666)).expect("opened");
            })
        ),
        case!(
            "cache-linked",
            "finds its compiled form replaced by a link",
            "compiled files are files",
            &["it is taken up: true"],
            Stopped,
            |b, n| cached(b, n, |file| {
                let aside = file.with_extension("aside");
                std::fs::rename(file, &aside).expect("moved");
                std::os::unix::fs::symlink(&aside, file).expect("linked");
            })
        ),
        case!(
            "cache-folder-open",
            "finds the folder of compiled plugins writable by others",
            "the folder is private",
            &["it is taken up: true"],
            Stopped,
            |b, n| cached(b, n, |file| {
                std::fs::set_permissions(file.parent().expect("a folder"), std::fs::Permissions::from_mode(0o777))
                    .expect("opened");
            })
        ),
        case!(
            "cache-swapped",
            "finds another plugin's compiled form in its place",
            "compiled files have a sum",
            &["it is taken up: true", "whole again: true"],
            Stopped,
            |b, n| {
                cached(b, n, |file| {
                    let other = std::fs::read_dir(compiled())
                        .expect("the cache")
                        .flatten()
                        .map(|e| e.path())
                        .find(|p| p.extension().is_some_and(|e| e == "cwasm") && p != file)
                        .expect("another one");
                    std::fs::copy(other, file).expect("swapped");
                    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("private");
                })
            }
        ),
    ];
