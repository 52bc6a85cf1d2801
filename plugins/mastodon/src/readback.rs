//! Tells from the account's own list whether a post is there.
//!
//! In: what the list showed before the post was sent (the anchor), the post, and what the list shows now. Out: online,
//! absent, or unsure with the reason.
//! Never: trusts an idempotency key. Some servers ignore it, so the list alone decides: what is newer than the anchor, has our
//! text and belongs to no other delivery is ours; absence is said only of a list that reaches back to the anchor.

use crate::api::{self, Failed, Status};
use crate::words::{self, Likeness};
use beffroi_plugin::prelude::*;

/// What the account's list showed before the post was sent.
pub(crate) struct Anchor {
    /// The posts of the newest page, each as a number that stands for its identifier.
    known: Vec<u64>,
    /// The newest date among them, by the server's clock.
    newest: Option<u64>,
}

/// Posts asked for in one request; Mastodon gives no more.
const PAGE: usize = 40;
/// Pages read before giving up on reaching back.
const PAGES: usize = 5;
/// Posts kept of one page. Some servers give hundreds at once whatever was asked; dates cover the rest.
const KNOWN: usize = 300;
/// How far a server's clock may be set back without a new post being taken for an old one, in milliseconds.
const CLOCK: u64 = 60_000;
/// Deliveries remembered with the post they became.
const CLAIMS: usize = 200;
const CLAIMED: &str = "claimed";

/// One page of the account's own posts, newest first.
pub(crate) fn page(account: &str, after: Option<&str>) -> Result<Vec<Status>, Failed> {
    let limit = PAGE.to_string();
    let mut values = vec![("limit", limit.as_str()), ("exclude_reblogs", "true")];
    values.extend(after.map(|id| ("max_id", id)));
    match api::read(&format!("/api/v1/accounts/{account}/statuses"), &values)? {
        Value::Array(list) => Ok(list.into_iter().filter_map(Status::of).collect()),
        // Taken for an empty list, it would prove an absence.
        _ => Err(api::nonsense(true).into()),
    }
}

impl Anchor {
    /// What the list shows now.
    pub(crate) fn drop_here(account: &str) -> Result<Self, Failed> {
        let page = page(account, None)?;
        let newest = page.iter().filter_map(Status::at).max();
        Ok(Self { known: page.iter().take(KNOWN).map(|status| digest(status.id())).collect(), newest })
    }

    /// As it is kept in the handle.
    pub(crate) fn write(&self) -> Value {
        json!({ "known": self.known, "newest": self.newest })
    }

    /// Reads what was kept in a handle.
    pub(crate) fn understand(kept: &Value) -> Option<Self> {
        let known = kept["known"].as_array()?.iter().filter_map(Value::as_u64).collect();
        Some(Self { known, newest: kept["newest"].as_u64() })
    }

    fn knows(&self, status: &Status) -> bool {
        self.known.contains(&digest(status.id()))
    }

    /// Whether a post was there before the anchor, by its date.
    fn is_older(&self, status: &Status) -> bool {
        matches!((self.newest, status.at()), (Some(newest), Some(at)) if at + CLOCK < newest)
    }
}

/// A number for an identifier: 48 bits of FNV-1a, which JSON carries unharmed.
fn digest(id: &str) -> u64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash >> 16
}

/// The posts that deliveries became, the latest last.
fn claims() -> Vec<(String, String)> {
    // What cannot be read is forgotten: it only keeps apart deliveries of the very same text.
    let kept = state::get_json::<Value>(CLAIMED).ok().flatten().unwrap_or_default();
    let pairs = kept.as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()))).collect()
}

/// Remembers what a delivery became, so that another delivery of the same text does not take it for its own.
pub(crate) fn claim(delivery: &str, status: &str) -> Result<(), Error> {
    let mut claims = claims();
    if !claims.iter().any(|(_, id)| id == status) {
        claims.push((delivery.to_owned(), status.to_owned()));
        let old = claims.len().saturating_sub(CLAIMS);
        claims.drain(..old);
        state::set(CLAIMED, json!(claims).to_string())?;
    }
    Ok(())
}

/// What is looked for.
pub(crate) struct Wanted<'a> {
    /// The delivery.
    pub(crate) delivery: &'a str,
    /// The text as it was sent.
    pub(crate) text: &'a str,
    /// What it answers.
    pub(crate) reply_to: Option<&'a str>,
    /// How many files go with it.
    pub(crate) files: usize,
    /// Whether the list can be trusted to show a post of this visibility.
    pub(crate) listed: bool,
}

impl Wanted<'_> {
    fn likeness(&self, status: &Status) -> Likeness {
        let elsewhere = match (self.reply_to, status.text("in_reply_to_id")) {
            (Some(ours), Some(theirs)) => ours != theirs,
            (None, Some(_)) => true,
            // Some servers drop the answered message when they do not know it.
            (_, None) => false,
        };
        if elsewhere {
            return Likeness::Different;
        }
        let to_the_letter = status.text("text").is_some_and(|text| !text.is_empty() && text.trim() == self.text.trim());
        let likeness = if to_the_letter {
            Likeness::Same
        } else {
            words::likeness(self.text, &words::plain(status.text("content").unwrap_or_default()))
        };
        let bare = self.text.trim().is_empty();
        match likeness {
            // Without a text, the number of pictures is all there is to go by.
            Likeness::Same if bare && self.files != status.files() => Likeness::Near,
            other => other,
        }
    }
}

/// Looks for a post in the account's list.
pub(crate) fn look(account: &str, anchor: &Anchor, wanted: &Wanted<'_>) -> Result<Finding, Error> {
    let claims = claims();
    let taken = |id: &str| claims.iter().any(|(delivery, claimed)| claimed == id && delivery != wanted.delivery);
    let mut seen: Vec<String> = Vec::new();
    let mut same: Option<Status> = None;
    let mut near = false;
    let mut reached = false;
    for number in 0..PAGES {
        let page = page(account, seen.last().map(String::as_str))?;
        let empty = page.is_empty();
        let fresh: Vec<Status> = page.into_iter().filter(|status| !seen.iter().any(|id| id == status.id())).collect();
        if fresh.is_empty() {
            reached = match (number, empty) {
                // An account that had posts and now shows none proves nothing.
                (0, _) => anchor.known.is_empty(),
                // The end of the list.
                (_, true) => true,
                // The same page again: this server cannot page. A first page that was not full was the whole list.
                (_, false) => seen.len() < PAGE,
            };
            break;
        }
        seen.extend(fresh.iter().map(|status| status.id().to_owned()));
        for status in fresh {
            if anchor.knows(&status) || anchor.is_older(&status) {
                reached = true;
            } else if !taken(status.id()) {
                match wanted.likeness(&status) {
                    // The oldest: should two deliveries have the same text, each takes the next.
                    Likeness::Same => same = Some(status),
                    Likeness::Near => near = true,
                    Likeness::Different => {}
                }
            }
        }
        if reached {
            break;
        }
    }
    if let Some(status) = same {
        claim(wanted.delivery, status.id())?;
        return Ok(Finding::Online(Receipt::new(status.id(), status.page())));
    }
    Ok(if near {
        Finding::Unsure(pick(
            "Un post très semblable est en ligne, et rien ne dit si c'est celui-ci. Regardez votre profil et tranchez.",
            "A very similar post is online, and nothing tells whether it is this one. Look at your profile and decide.",
        ))
    } else if !reached {
        Finding::Unsure(pick(
            "La liste de vos posts ne remonte pas assez loin pour dire si celui-ci est en ligne. Regardez votre profil et tranchez.",
            "The list of your posts does not go back far enough to tell whether this one is online. Look at your profile and decide.",
        ))
    } else if !wanted.listed {
        Finding::Unsure(pick(
            "Votre serveur ne montre pas les posts de cette visibilité dans sa liste. Regardez votre profil et tranchez.",
            "Your server does not show posts of this visibility in its list. Look at your profile and decide.",
        ))
    } else {
        Finding::Absent
    })
}
