//! A simulation as a page: one file that needs nothing else, for a phone, a screen and a printer.
//!
//! In: what a simulation found. Out: HTML.
//! Never: trusts a text (the template escapes everything), or needs a script or the network.

use super::{assumptions, dates, one_line, say, standing, summary};
use crate::craft::calendar::{About, Entry, Finding, Kind};
use crate::craft::show;
use crate::domain::Language;
use crate::simulate::Simulated;
use chrono::Datelike;
use minijinja::value::Value;
use minijinja::{Environment, context};
use std::collections::BTreeMap;
use std::sync::LazyLock;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page.html")).expect("the template is part of the program and tested");
    environment
});

/// Colours that can be told apart on light and dark ground.
const TINTS: usize = 8;

/// As a page.
///
/// # Errors
/// When the template fails, which is a defect.
pub fn page(simulated: &Simulated) -> Result<String, String> {
    let (span, language) = (&simulated.span, simulated.span.language);
    let tints: BTreeMap<&str, usize> = span.accounts.iter().enumerate().map(|(at, a)| (a.name.as_str(), at % TINTS)).collect();
    let entry = |e: &&Entry| {
        let wanted = e.wanted.max(e.planned).local(span.zone);
        let late = e.is_out() && e.moved().as_secs() >= 60;
        let other_day = wanted.date_naive() != e.at().day(span.zone);
        let day = if other_day { format!("{} ", show::day(wanted.date_naive(), language)) } else { String::new() };
        let moved = late.then(|| {
            let moment = format!("{day}{}", wanted.format("%H:%M"));
            say(language, format!("voulait partir le {moment}"), format!("wanted to leave {moment}"))
        });
        context! {
            id => &e.id,
            time => e.at().local(span.zone).format("%H:%M").to_string(),
            target => &e.target,
            tint => tints.get(e.target.as_str()).copied().map_or_else(|| "n".to_owned(), |tint| tint.to_string()),
            notice => e.kind == Kind::Notice,
            out => e.is_out(),
            standing => standing(e, language),
            reason => &e.reason,
            text => &e.text,
            first => one_line(e.text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default()),
            workflow => &e.workflow,
            item => &e.item,
            theme => e.theme.as_deref().filter(|t| !t.is_empty()),
            why => &e.why,
            link => e.link.as_deref().filter(|l| l.starts_with("https://") || l.starts_with("http://")),
            moved => moved,
        }
    };
    let days: Vec<Value> = span
        .days()
        .iter()
        .map(|day| {
            context! {
                weekday => show::weekday(day.date, language),
                day => show::day(day.date, language),
                anchor => day.date.to_string(),
                weekend => day.date.weekday().num_days_from_monday() >= 5,
                monday => day.date.weekday().num_days_from_monday() == 0,
                entries => day.entries.iter().map(entry).collect::<Vec<_>>(),
            }
        })
        .collect();
    // The month at a glance: how much leaves to whom on which day.
    let glance: Vec<Value> = span
        .accounts
        .iter()
        .map(|account| {
            let counts: Vec<Value> = span
                .days()
                .iter()
                .map(|day| {
                    let count = |out: bool| {
                        let here = day.entries.iter().filter(|e| e.kind == Kind::Post && e.target == account.name);
                        here.filter(|e| e.is_out() == out).count()
                    };
                    let weekend = day.date.weekday().num_days_from_monday() >= 5;
                    let (anchor, number) = (day.date.to_string(), day.date.day());
                    context! { out => count(true), other => count(false), anchor, number, weekend }
                })
                .collect();
            context! { name => &account.name, tint => tints.get(account.name.as_str()), counts => counts }
        })
        .collect();
    let finding = |f: &Finding| {
        context! { about => label(f.about, language), grave => f.about <= About::Guard, sentence => &f.sentence, remedy => &f.remedy, posts => &f.posts }
    };
    let words = context! {
        simulation => "simulation",
        findings => language.pick("À regarder", "Worth a look"),
        nothing => language.pick("Rien : tout se passe comme prévu.", "Nothing: all goes as planned."),
        days => language.pick("Jour par jour", "Day by day"),
        glance => language.pick("D'un coup d'œil", "At a glance"),
        assumed => language.pick("Ce qui est supposé", "What is assumed"),
        empty => language.pick("rien", "nothing"),
        why => language.pick("Pourquoi", "Why"),
    };
    let template = TEMPLATES.get_template("page.html").map_err(|e| format!("The page failed: {e:#}."))?;
    template
        .render(context! {
            lang => language.pick("fr", "en"),
            business => &simulated.business,
            dates => dates(simulated),
            summary => summary(simulated),
            assumptions => assumptions(simulated),
            words => words,
            glance => glance,
            days => days,
            findings => simulated.findings.iter().map(finding).collect::<Vec<_>>(),
        })
        .map(|page| page + "\n")
        .map_err(|e| format!("The page failed: {e:#}. This is a defect; please report it."))
}

fn label(about: About, language: Language) -> &'static str {
    let (fr, en) = match about {
        About::Stopped => ("bloqué", "stopped"),
        About::Breach => ("plafond", "limit"),
        About::Unsent => ("non parti", "unsent"),
        About::Guard => ("condition", "condition"),
        About::Gap => ("silence", "silence"),
        About::Collision => ("collision", "collision"),
        About::Echo => ("doublon", "echo"),
        About::Moved => ("retard", "delay"),
        About::Starved => ("bibliothèque", "library"),
        About::Workflow => ("programme", "workflow"),
        About::Draft => ("brouillon", "draft"),
    };
    language.pick(fr, en)
}
