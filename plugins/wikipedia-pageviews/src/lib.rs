//! Reads which articles of a Wikipedia were looked up most on the last day that is counted.
//!
//! In: Wikimedia's daily ranking. Out: signals with views, rank, and the change against the day before.
//! Never: the same day twice. A day is counted hours after it ended, so a day that is not there yet is no error: the one
//! before is.

#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, text};

/// The plugin.
pub struct Pageviews;

beffroi_plugin::export!(Pageviews: feed);

const DAY: u64 = 86_400_000;
/// How many days to step back before giving up: yesterday, and three for a late count.
const BACK: u64 = 4;
/// Where the last ranking is kept, to see what rises.
const LAST: &str = "last";
/// Articles of the last ranking that are kept.
const KEPT: usize = 500;

/// First words of titles that are no articles, on the larger Wikipedias; in lower case, before the colon.
const SPACES: [&str; 44] = [
    "special",
    "spécial",
    "spezial",
    "especial",
    "speciale",
    "speciaal",
    "wikipedia",
    "wikipédia",
    "wikipedie",
    "project",
    "file",
    "fichier",
    "datei",
    "archivo",
    "bestand",
    "ficheiro",
    "image",
    "portal",
    "portail",
    "portale",
    "help",
    "aide",
    "hilfe",
    "ayuda",
    "aiuto",
    "ajuda",
    "category",
    "catégorie",
    "kategorie",
    "categoría",
    "categoria",
    "categorie",
    "user",
    "utilisateur",
    "benutzer",
    "usuario",
    "utente",
    "talk",
    "discussion",
    "discussione",
    "template",
    "modèle",
    "vorlage",
    "draft",
];

/// Main pages that carry no such word.
const MAIN_PAGES: [&str; 5] = ["Main_Page", "Pagina_principale", "Hoofdpagina", "Hauptseite", "Portada"];

/// Whether a title is that of an article that people looked for: neither a main page, nor search, nor noise of robots.
fn is_article(title: &str) -> bool {
    if title.is_empty() || title == "-" || MAIN_PAGES.contains(&title) {
        return false;
    }
    match title.split_once(':') {
        // `Mission:_Impossible` and `2001:_A_Space_Odyssey` are articles.
        Some((space, _)) => !SPACES.contains(&space.replace('_', " ").to_lowercase().as_str()),
        None => true,
    }
}

/// A title without the decoration that depends on who wrote it.
fn same(title: &str) -> String {
    title.trim().replace('_', " ").to_lowercase()
}

struct Settings {
    project: String,
    agent: String,
    count: usize,
    exclude: Vec<String>,
}

impl Settings {
    fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let project = loose::text(&all, "/project").trim().trim_end_matches(".org").to_lowercase();
        if project.is_empty() || !project.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') {
            return Err(Error::reject(
                "project-setting",
                pick(
                    "Le réglage « project » doit ressembler à fr.wikipedia.",
                    "The setting “project” must look like en.wikipedia.",
                ),
            ));
        }
        // A header holds no line breaks and nothing beyond ASCII.
        let contact: String = loose::text(&all, "/contact").trim().chars().filter(|c| c.is_ascii_graphic()).take(200).collect();
        if contact.is_empty() {
            return Err(Error::reject(
                "contact-setting",
                pick(
                    "Wikimedia veut savoir qui lit : mettez votre adresse mail ou votre site dans le réglage « contact ».",
                    "Wikimedia wants to know who reads: put your mail address or web site into the setting “contact”.",
                ),
            ));
        }
        Ok(Self {
            project,
            agent: format!("beffroi-wikipedia-pageviews/{} ({contact})", env!("CARGO_PKG_VERSION")),
            count: loose::whole(&all, "/count").unwrap_or(30).clamp(1, 200) as usize,
            exclude: loose::text(&all, "/exclude").split(',').map(same).filter(|title| !title.is_empty()).collect(),
        })
    }
}

/// One line of the ranking.
struct Line {
    title: String,
    views: i64,
}

/// A day, as `2026-11-21`.
fn day(now: u64, back: u64) -> String {
    time::write(now.saturating_sub(back * DAY)).chars().take(10).collect()
}

/// The ranking of a day; none when it is not counted yet.
fn ranking(settings: &Settings, day: &str) -> Result<Option<Vec<Line>>, Error> {
    let url = format!(
        "https://wikimedia.org/api/rest_v1/metrics/pageviews/top/{}/all-access/{}",
        settings.project,
        day.replace('-', "/")
    );
    let response = http::get(url).header("user-agent", &settings.agent).send_raw().map_err(|e| http::explain(e, true))?;
    match response.status {
        404 => return Ok(None),
        403 | 429 if response.retry_at().is_none() => {
            return Err(Error::retry(
                "turned-away",
                pick(
                    "Wikimedia refuse de répondre pour l'instant. Vérifiez que le réglage « contact » est une vraie adresse.",
                    "Wikimedia refuses to answer for now. Check that the setting “contact” is a real address.",
                ),
            ));
        }
        _ if !response.is_good() => return Err(response.error()),
        _ => {}
    }
    let answer: Value = response.json()?;
    let Some(articles) = answer.pointer("/items/0/articles").and_then(Value::as_array) else {
        return Err(Error::retry(
            "no-list",
            pick("Wikimedia a répondu sans classement.", "Wikimedia answered without a ranking."),
        ));
    };
    let line =
        |article: &Value| Some(Line { title: loose::some_text(article, "/article")?, views: loose::whole(article, "/views")? });
    Ok(Some(articles.iter().filter_map(line).filter(|line| is_article(&line.title)).collect()))
}

/// The newest ranking that is there, later than the day already read; none when there is nothing newer.
fn newest(settings: &Settings, now: u64, read: Option<&str>) -> Result<Option<(String, Vec<Line>)>, Error> {
    for back in 1..=BACK {
        let day = day(now, back);
        // Days as text compare as days.
        if read.is_some_and(|read| day.as_str() <= read) {
            return Ok(None);
        }
        if let Some(lines) = ranking(settings, &day)? {
            return Ok(Some((day, lines)));
        }
    }
    Err(Error::retry(
        "nothing-counted",
        pick(
            format!("Wikimedia n'a rien pour {} sur quatre jours. Vérifiez le réglage « project ».", settings.project),
            format!("Wikimedia has nothing for {} over four days. Check the setting “project”.", settings.project),
        ),
    ))
}

fn signal(settings: &Settings, day: &str, rank: usize, line: &Line, last: &Value) -> Signal {
    let title = line.title.replace('_', " ");
    // A new day is a new signal: what is looked up again next month is news again.
    let mut signal = Signal::new(format!("{}/{day}/{}", settings.project, line.title), title);
    signal.url = Some(format!("https://{}.org/wiki/{}", settings.project, text::segment(&line.title)));
    signal.published = time::parse(day);
    signal.attributes.push(Attribute::new("rank", rank.to_string()));
    signal.attributes.push(Attribute::new("weight", line.views.to_string()));
    if last.is_object() {
        let before = last.get(&line.title).and_then(Value::as_i64).filter(|views| *views > 0);
        let change = before.map_or_else(|| "new".to_owned(), |before| ((line.views - before) * 100 / before).to_string());
        signal.attributes.push(Attribute::new("change", change));
    }
    signal
}

impl Plugin for Pageviews {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        newest(&settings, run::now(), None)?;
        Ok(format!("{}.org", settings.project))
    }
}

impl Feed for Pageviews {
    fn poll(since: Option<&str>) -> Result<SignalPage, Error> {
        let settings = Settings::read()?;
        // The cursor names the project too: another Wikipedia has its own days.
        let read = since.and_then(|since| since.strip_prefix(&settings.project)?.strip_prefix(' '));
        let Some((day, lines)) = newest(&settings, run::now(), read)? else {
            return Ok(SignalPage { signals: Vec::new(), next: since.map(str::to_owned), unchanged: true });
        };
        let last = if read.is_some() { state::get_json(LAST).unwrap_or_default() } else { None };
        let last: Value = last.unwrap_or_default();
        let kept: Value = lines.iter().take(KEPT).map(|line| (line.title.as_str(), line.views)).collect();
        state::set_json(LAST, &kept)?;
        let wanted = lines.iter().filter(|line| !settings.exclude.contains(&same(&line.title))).take(settings.count);
        let signals = wanted.enumerate().map(|(index, line)| signal(&settings, &day, index + 1, line, &last)).collect();
        Ok(SignalPage { signals, next: Some(format!("{} {day}", settings.project)), unchanged: false })
    }
}
