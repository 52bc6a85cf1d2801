//! Hands a delivery that the daemon cannot finish to the people, with everything that is known of it.
//!
//! In: a delivery, what is the matter, what was said last. Out: one notice to each person, once per delivery and matter, in their
//! language.
//! Never: tells about a notice, or instead of a person.

use super::Outbox;
use crate::craft::show::{self, typeset};
use crate::domain::{Language, Timestamp, Zone};
use crate::effects::PlannedNotice;
use crate::instance::{Instance, Person};
use crate::kinds::Notice;
use crate::store::view::{self, DeliveryRow};
use crate::store::{Change, CommitError, Op};
use std::fmt::Write as _;

/// What a person has to deal with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matter {
    /// It was sent, and nobody can tell whether it is online.
    Unknown,
    /// The network accepted it long ago, and it is not there.
    Pending,
    /// It was given up.
    Dead,
    /// It was called back and could not be taken down.
    StaysOnline,
}

impl Matter {
    /// Part of the notice's once key: an unknown outcome is one matter, whatever it turns out to be.
    fn word(self) -> &'static str {
        match self {
            Self::Unknown | Self::Pending => "unknown",
            Self::Dead => "dead",
            Self::StaysOnline => "recall",
        }
    }
}

impl Outbox {
    /// The notices about a delivery to those who have not had one. None about a notice.
    pub(super) fn letters(&self, row: &DeliveryRow, matter: Matter, said: &str, now: Timestamp) -> Result<Vec<Op>, CommitError> {
        if row.kind != "post" {
            return Ok(Vec::new());
        }
        let instance = self.current.get();
        let once = format!("{}/{}", matter.word(), row.id);
        let reader = self.store.read()?;
        let mut history = None;
        let mut ops = Vec::new();
        for person in instance.people.values() {
            if view::notice_used(&reader, person.name.as_str(), &once)? {
                continue;
            }
            let history = match &mut history {
                Some(known) => known,
                None => history.insert(view::delivery_history(&reader, row.id)?),
            };
            let notice = letter(row, matter, said, history, &instance, person);
            let planned = PlannedNotice { to: person.name.clone(), once: Some(once.clone()), notice };
            ops.push(planned.into_op(row.run, now));
        }
        Ok(ops)
    }

    /// Hands a delivery over now, unless that was done before.
    pub(super) fn hand_over(&self, row: &DeliveryRow, matter: Matter, said: &str, now: Timestamp) -> Result<(), CommitError> {
        let letters = self.letters(row, matter, said, now)?;
        if !letters.is_empty() {
            self.store.commit(Change::new(now, letters))?;
        }
        Ok(())
    }
}

/// A moment with its date: a letter may be read days later.
fn moment(at: Timestamp, zone: Zone, language: Language) -> String {
    let local = at.local(zone);
    format!("{} {}", show::day(local.date_naive(), language), local.format("%H:%M"))
}

/// Everything that is known, and the answers there are.
fn letter(
    row: &DeliveryRow,
    matter: Matter,
    said: &str,
    history: &[(Timestamp, String, String)],
    instance: &Instance,
    person: &Person,
) -> Notice {
    let (language, zone, id) = (person.language, instance.business.zone, row.id);
    let account = instance.accounts.values().find(|a| a.name.as_str() == row.target);
    let place = account.map_or_else(|| row.target.clone(), |a| format!("{} ({})", row.target, a.network));
    let (title, opening) = match matter {
        Matter::Unknown => language.pick(
            (
                format!("{id} est-il en ligne sur {} ?", row.target),
                "Ce message a été envoyé, et personne ne peut dire s'il est en ligne. Il ne sera pas renvoyé tant que vous n'avez pas répondu.",
            ),
            (
                format!("Is {id} online on {}?", row.target),
                "This post was sent, and nobody can tell whether it is online. It will not be sent again before you have answered.",
            ),
        ),
        Matter::Pending => language.pick(
            (
                format!("{id} n'apparaît pas sur {}", row.target),
                "Le réseau a accepté ce message il y a plus d'un jour, et il n'y est toujours pas. Il reste suivi ; il ne sera pas renvoyé tant que vous n'avez pas répondu.",
            ),
            (
                format!("{id} does not appear on {}", row.target),
                "The network accepted this post more than a day ago, and it is still not there. It is followed on; it will not be sent again before you have answered.",
            ),
        ),
        Matter::Dead => language.pick(
            (format!("{id} est abandonné sur {}", row.target), "Ce message n'a pas pu être envoyé. Plus rien n'est tenté sans vous."),
            (format!("{id} was given up on {}", row.target), "This post could not be sent. Nothing more is tried without you."),
        ),
        Matter::StaysOnline => language.pick(
            (
                format!("{id} est toujours en ligne sur {}", row.target),
                "Ce message devait être retiré, et cela n'a pas marché. Il est toujours en ligne.",
            ),
            (
                format!("{id} is still online on {}", row.target),
                "This post was to be taken down, and that did not work. It is still online.",
            ),
        ),
    };
    let mut text = format!("{}\n\n", typeset(opening, language));
    let body = row.content["text"].as_str().unwrap_or_default();
    for line in body.lines() {
        let _ = writeln!(text, "  | {line}");
    }
    let mut fact = |fr: &str, en: &str, value: &str| {
        let line = language.pick(format!("{fr} : {value}"), format!("{en}: {value}"));
        let _ = writeln!(text, "{}", typeset(line.trim_end_matches(' '), language));
    };
    fact("\nCompte", "\nAccount", &place);
    if let Some(at) = row.armed_at {
        let times = if row.attempts > 1 {
            language.pick(format!(" (essai nº {})", row.attempts), format!(" (attempt no. {})", row.attempts))
        } else {
            String::new()
        };
        fact("Envoyé", "Sent", &format!("{}{times}", moment(at, zone, language)));
    }
    fact("Ce qu'on sait", "What is known", said);
    if let Some(url) = &row.url {
        fact("Adresse", "Address", url);
    } else if matches!(matter, Matter::Unknown | Matter::Pending) {
        let how = language.pick(
            format!("ouvrez {place} et cherchez ce texte autour de cette heure ; y compris dans les brouillons et les messages en attente"),
            format!("open {place} and look for this text around that time; among drafts and pending posts too"),
        );
        fact("Pour le voir", "How to look", &how);
    }
    let told: Vec<&(Timestamp, String, String)> = history.iter().filter(|(_, _, said)| said != "planned").collect();
    if !told.is_empty() {
        fact("Ce qui s'est passé", "What happened", "");
        for (at, _, said) in &told[told.len().saturating_sub(8)..] {
            let _ = writeln!(text, "  {}  {}", moment(*at, zone, language), typeset(said, language));
        }
    }
    let answers: &[(&str, &str, &str)] = match matter {
        Matter::Unknown | Matter::Pending => &[
            (
                "approve {id} --done",
                "il y est (ajoutez --url ADRESSE si vous l'avez)",
                "it is there (add --url ADDRESS if you have it)",
            ),
            ("approve {id} --again", "il n'y est pas : à renvoyer", "it is not there: send it again"),
        ],
        Matter::Dead => {
            &[("approve {id} --again", "à essayer encore", "try again"), ("reject {id}", "à laisser tomber", "let it be")]
        }
        Matter::StaysOnline => &[
            ("recall {id} --done", "vous l'avez retiré à la main", "you have taken it down by hand"),
            ("recall {id}", "à essayer encore", "try again"),
        ],
    };
    let _ = writeln!(text, "\n{}", typeset(language.pick("Votre réponse :", "Your answer:"), language));
    for (command, fr, en) in answers {
        let command = command.replace("{id}", &id.to_string());
        let _ = writeln!(text, "  beffroi {command}   {}", typeset(language.pick(fr, en), language));
    }
    Notice { kind: "alert".into(), title: typeset(&title, language), text, html: None }
}
