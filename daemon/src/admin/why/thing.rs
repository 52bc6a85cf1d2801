//! Why an item of the library, or a product, was used or was not.
//!
//! In: an item's identifier or a product's number. Out: for each account what decided each use, and what stands in the way of the
//! next; for a product, what the catalogs say and which posts depend on it.
//! Never: asks a network: of a catalog behind one it only says who asks.

use super::super::words::{self, first_words};
use super::super::{Refusal, unreadable};
use super::{Asking, Chain};
use crate::adapters::library::LibraryItem;
use crate::craft::rotation::{self, Recent, Use, Wanted};
use crate::craft::show;
use crate::domain::{Json, Timestamp};
use crate::instance::{Account, LibraryConfig};
use crate::store::because;
use crate::store::view::{self, DeliveryRow};

/// Uses that are told of an account.
const USES: u32 = 5;
/// Posts of an account that are looked at for themes.
const LOOK_BACK: usize = 12;

impl Asking<'_> {
    /// An item of the library, or one that was; `None` when nobody has heard of it.
    pub(super) fn item(&self, id: &str) -> Result<Option<Json>, Refusal> {
        let config = self.instance.library.as_ref();
        let item = config.and_then(|config| self.app.engine.adapters.library_item(config, id));
        let mut accounts = because::accounts_with(&self.reader, id).map_err(unreadable)?;
        let (Some(item), Some(config)) = (item, config) else {
            return self.former_item(id, &accounts);
        };
        let mut chain = Chain::default();
        chain.add(self.pick("Contenu", "Item"), &self.about(&item));
        let (mut free, mut never) = (Vec::new(), None);
        let mut answers = Vec::new();
        for account in self.instance.accounts.values() {
            let name = account.name.as_str();
            let obstacle = self.item_obstacle(account, &item, config)?;
            let mut lines = self.uses(name, id)?;
            match &obstacle {
                None => {
                    free.push(name.to_owned());
                    let text = self.pick(
                        "peut être choisi dès maintenant, quand son tour vient : le plus longtemps inutilisé passe d'abord",
                        "may be chosen from now on, when its turn comes: the longest unused goes first",
                    );
                    lines.push(text.to_owned());
                }
                Some(why) => {
                    lines.push(self.pick(format!("pas maintenant : {why}"), format!("not now: {why}")));
                    never.get_or_insert_with(|| (name.to_owned(), why.clone()));
                }
            }
            chain.add(name, &lines);
            accounts.retain(|other| other != name);
        }
        for gone in accounts {
            let mut lines = self.uses(&gone, id)?;
            lines.push(
                self.pick("ce compte n'est plus dans la configuration", "this account is no longer in the configuration").into(),
            );
            chain.add(&gone, &lines);
        }
        if let Some((at, target)) = self.last_use(id)? {
            let at = self.when(at);
            answers.push(self.pick(
                format!("{id} a servi la dernière fois sur {target}, {at}."),
                format!("{id} was last used on {target}, {at}."),
            ));
        } else {
            answers.push(self.pick(format!("{id} n'a encore jamais servi."), format!("{id} has never been used.")));
        }
        answers.push(match (free.as_slice(), never) {
            ([], Some((account, why))) => {
                self.pick(format!("Sur {account}, pas maintenant : {why}."), format!("On {account}, not now: {why}."))
            }
            ([], None) => self.pick("Il n'y a aucun compte.".to_owned(), "There are no accounts.".to_owned()),
            (free, _) => {
                let list = show::list(free, self.language);
                self.pick(format!("Il peut être choisi sur {list}."), format!("It may be chosen on {list}."))
            }
        });
        Ok(Some(chain.answer(id, "item", &answers.join(" "))))
    }

    /// An item that is in the ledger, or in a file with a mistake, but not in the library.
    fn former_item(&self, id: &str, accounts: &[String]) -> Result<Option<Json>, Refusal> {
        let config = self.instance.library.as_ref();
        let problems = config.map(|config| self.app.engine.adapters.library_problems(config)).unwrap_or_default();
        let named = |path: &std::path::Path| path.file_stem().is_some_and(|stem| stem.to_string_lossy() == id);
        let problem = problems.into_iter().find(|problem| named(&problem.file));
        if accounts.is_empty() && problem.is_none() {
            return Ok(None);
        }
        let mut chain = Chain::default();
        for account in accounts {
            chain.add(account, &self.uses(account, id)?);
        }
        let answer = match problem {
            Some(problem) => {
                chain.add(self.pick("Fichier", "File"), &[problem.render().trim_end().to_owned()]);
                self.pick(
                    format!("{id} ne peut pas servir : son fichier a une faute. {}", problem.message),
                    format!("{id} cannot be used: its file has a mistake. {}", problem.message),
                )
            }
            None => self.pick(format!("{id} n'est plus dans la bibliothèque."), format!("{id} is no longer in the library.")),
        };
        Ok(Some(chain.answer(id, "item", &answer)))
    }

    fn about(&self, item: &LibraryItem) -> Vec<String> {
        let mut lines = vec![item.title.clone()];
        if !item.theme().is_empty() {
            lines.push(self.pick(format!("thème {}", item.theme()), format!("theme {}", item.theme())));
        }
        lines.push(item.file.display().to_string());
        lines
    }

    fn last_use(&self, id: &str) -> Result<Option<(Timestamp, String)>, Refusal> {
        let mut last = None;
        for account in because::accounts_with(&self.reader, id).map_err(unreadable)? {
            let used = view::item_uses(&self.reader, &account).map_err(unreadable)?;
            let here = used.into_iter().find(|(item, ..)| item == id).map(|(_, at, _)| (at, account));
            last = [last, here].into_iter().flatten().max();
        }
        Ok(last)
    }

    /// Each use on an account with what decided it.
    fn uses(&self, account: &str, id: &str) -> Result<Vec<String>, Refusal> {
        let mut lines = Vec::new();
        for delivery in because::posts_with(&self.reader, account, id, USES).map_err(unreadable)? {
            let Some(row) = view::delivery(&self.reader, delivery).map_err(unreadable)? else { continue };
            lines.push(self.use_line(&row));
            lines.extend(row.why.iter().map(|why| format!("  {}", first_words(why, 160))));
        }
        Ok(lines)
    }

    fn use_line(&self, row: &DeliveryRow) -> String {
        format!("{} {} ({}, {})", row.id, self.when(row.due), row.workflow, words::state(&row.state, self.language))
    }

    fn item_obstacle(&self, account: &Account, item: &LibraryItem, config: &LibraryConfig) -> Result<Option<String>, Refusal> {
        let (name, zone) = (account.name.as_str(), self.instance.business.zone);
        let used = view::item_uses(&self.reader, name).map_err(unreadable)?;
        let used = used.into_iter().find(|(id, ..)| *id == item.id).map(|(_, last, count)| Use { last, count });
        let recent = view::last_posts(&self.reader, name, LOOK_BACK).map_err(unreadable)?;
        let recent: Vec<Recent<'_>> = recent
            .iter()
            .map(|(at, theme, item)| Recent {
                at: *at,
                item: item.as_deref().unwrap_or_default(),
                theme: theme.as_deref().unwrap_or_default(),
                words: &[],
            })
            .collect();
        let candidate = item.candidate(self.now.day(zone), config.cool_down);
        let wanted = Wanted {
            account: name,
            network: &account.network,
            formats: &account.formats,
            format: None,
            theme: None,
            theme_spacing: config.theme_spacing,
            now: self.now,
            zone,
            language: self.language,
            seed: 0,
        };
        Ok(rotation::in_the_way(&wanted, &candidate, used.as_ref(), &recent))
    }

    /// A product that a catalog holds or a post's conditions name; `None` when nobody has heard of it.
    pub(super) fn product(&self, sku: &str) -> Result<Option<Json>, Refusal> {
        let mut chain = Chain::default();
        let mut known: Option<String> = None;
        let (mut stock, mut asked) = (Vec::new(), Vec::new());
        for catalog in self.instance.catalogs.values() {
            let name = catalog.name.as_str();
            match self.app.engine.stock(catalog) {
                None => asked.push(
                    self.pick(format!("{name} : demandé au moment de l'envoi"), format!("{name}: asked when a post is sent")),
                ),
                Some(Err(why)) => asked.push(self.pick(format!("{name} : {why}"), format!("{name}: {why}"))),
                Some(Ok(read)) => {
                    let Some(item) = read.get(sku) else { continue };
                    let as_of = self.when(read.as_of);
                    let left =
                        item.available.map_or_else(|| self.pick("non compté", "not counted").to_owned(), |n| n.to_string());
                    let price = item.price.map(|price| format!(", {}", price.show(self.language))).unwrap_or_default();
                    let line = self.pick(
                        format!("{} : {left} en stock{price}, d'après {name}, {as_of}", item.title),
                        format!("{}: {left} in stock{price}, says {name}, {as_of}", item.title),
                    );
                    known.get_or_insert(line.clone());
                    stock.push(line);
                }
            }
        }
        stock.extend(asked);
        let mut posts = Vec::new();
        for id in because::posts_about(&self.reader, sku, USES * 4).map_err(unreadable)? {
            posts.extend(view::delivery(&self.reader, id).map_err(unreadable)?);
        }
        if known.is_none() && posts.is_empty() {
            return Ok(None);
        }
        chain.add(self.pick("Stock", "Stock"), &stock);
        let lines: Vec<String> = posts.iter().map(|row| self.standing(row)).collect();
        chain.add(self.pick("Messages qui en dépendent", "Posts that depend on it"), &lines);
        let held = posts.iter().find(|row| row.state == "held" && row.approval != "needed");
        let stock = known.unwrap_or_else(|| {
            self.pick(
                format!("{sku} n'est dans aucun catalogue lisible ici"),
                format!("{sku} is in no catalog that can be read here"),
            )
        });
        let answer = match held {
            Some(row) => format!("{stock}. {}", self.standing(row)),
            None if posts.is_empty() => {
                self.pick(format!("{stock}. Aucun message n'en dépend."), format!("{stock}. No post depends on it."))
            }
            None => self.pick(format!("{stock}. Aucun message ne l'attend."), format!("{stock}. No post waits for it.")),
        };
        Ok(Some(chain.answer(sku, "product", &answer)))
    }
}
