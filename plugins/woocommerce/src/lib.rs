//! Reads products, stock and prices of a WooCommerce shop.
//!
//! In: the shop's REST API, version 3. Out: one item for each product, or for each variation where a product has some.
//! Never: trusts the date of change alone. Orders move the stock without moving that date, so the whole catalog is read again
//! every so often, and only that read tells which products are gone.

mod items;
mod pass;
#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{amount, loose, roll};
use pass::Pass;

/// The plugin.
pub struct WooCommerce;

beffroi_plugin::export!(WooCommerce: stock);

/// Products per page.
const PAGE: usize = 50;
/// Variations per page, the most that WooCommerce gives, and how many pages of them.
const VARIATIONS: usize = 100;
const VARIATION_PAGES: usize = 3;
/// Requests and time after which a page is cut short, to go on in the next call.
const REQUESTS: usize = 40;
const TIME_LEFT: u64 = 15_000;

const PRODUCT_FIELDS: &str = "id,sku,name,type,status,permalink,price,regular_price,on_sale,manage_stock,stock_quantity,stock_status,\
                              backorders,categories,images";
const VARIATION_FIELDS: &str =
    "id,sku,status,permalink,price,regular_price,on_sale,manage_stock,stock_quantity,stock_status,backorders,attributes,image";

/// What the owner filled in.
pub(crate) struct Settings {
    site: String,
    pub(crate) currency: String,
    /// In millionths of a percent.
    pub(crate) tax: i64,
    full_every: u64,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let currency = loose::text(&all, "/currency").trim().to_ascii_uppercase();
        let tax = amount::micros(&loose::text(&all, "/tax")).unwrap_or(0);
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) || !(0..=100_000_000).contains(&tax) {
            return Err(Error::reject(
                "price-settings",
                pick(
                    "Le réglage « currency » doit être un code comme EUR, et « tax » un pourcentage entre 0 et 100.",
                    "The setting “currency” must be a code such as EUR, and “tax” a percentage between 0 and 100.",
                ),
            ));
        }
        Ok(Self {
            site: loose::text(&all, "/site").trim_end_matches('/').to_owned(),
            currency,
            tax,
            full_every: loose::whole(&all, "/full-every").and_then(|minutes| u64::try_from(minutes).ok()).unwrap_or(60) * 60_000,
        })
    }

    fn request(&self, path: &str) -> http::Request {
        http::get(format!("{}/wp-json/wc/v3/{path}", self.site)).credential("key")
    }
}

/// A list out of the shop, with the answer that carried it.
fn list(request: http::Request) -> Result<(Vec<Value>, http::Response), Error> {
    let mut response = request.send_raw().map_err(|e| http::explain(e, true))?;
    if !response.is_good() {
        return Err(refusal(&response));
    }
    // Some shops send a byte order mark, out of a file of theirs.
    if response.body.starts_with(b"\xef\xbb\xbf") {
        response.body.drain(..3);
    }
    match response.json()? {
        Value::Array(list) => Ok((list, response)),
        _ => Err(Error::retry(
            "no-list",
            pick("La boutique a répondu sans liste de produits.", "The shop answered without a list of products."),
        )),
    }
}

/// What a refusal means. What is not JSON does not come from WooCommerce, but from something in front of it.
fn refusal(response: &http::Response) -> Error {
    let code = response.json::<Value>().ok().and_then(|body| loose::some_text(&body, "/code"));
    match (response.status, code.as_deref()) {
        (401, _) | (403, Some(_)) => Error::reconnect(
            "key-refused",
            pick(
                "La boutique refuse la clé. Créez-en une en lecture seule pour un administrateur (WooCommerce, Réglages, \
                 Avancé, API REST) et vérifiez que l'adresse commence par https.",
                "The shop refuses the key. Make one for reading, for an administrator (WooCommerce, Settings, Advanced, \
                 REST API), and check that the address begins with https.",
            ),
        ),
        (403 | 501, None) => Error::reject(
            "firewall",
            pick(
                format!(
                    "Un pare-feu ou un module de sécurité bloque l'API de la boutique (réponse {}) : autorisez /wp-json/wc/.",
                    response.status
                ),
                format!("A firewall or security plugin blocks the shop's API (answer {}): allow /wp-json/wc/.", response.status),
            ),
        ),
        (404, _) => Error::reject(
            "no-api",
            pick(
                "La boutique n'a pas d'API WooCommerce à cette adresse. Vérifiez l'adresse, que WooCommerce est actif, et \
                 que les permaliens ne sont pas « simples ».",
                "The shop has no WooCommerce API at this address. Check the address, that WooCommerce is active, and that \
                 permalinks are not “plain”.",
            ),
        ),
        _ => response.error(),
    }
}

/// All variations of a product.
fn variations(settings: &Settings, product: i64, requests: &mut usize) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for page in 1..=VARIATION_PAGES {
        *requests += 1;
        let request = settings
            .request(&format!("products/{product}/variations"))
            .query("per_page", VARIATIONS.to_string())
            .query("page", page.to_string())
            .query("_fields", VARIATION_FIELDS);
        let (found, _) = list(request)?;
        let full = found.len() >= VARIATIONS;
        all.extend(found);
        if !full {
            break;
        }
    }
    Ok(all)
}

impl Plugin for WooCommerce {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        list(settings.request("products").query("per_page", "1").query("_fields", "id"))?;
        Ok(settings.site.trim_start_matches("https://").to_owned())
    }
}

impl Stock for WooCommerce {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        let settings = Settings::read()?;
        let pass = Pass::after(since, run::now(), settings.full_every);
        if pass.full && pass.page == 1 && pass.skip == 0 {
            roll::begin()?;
        }
        let request = settings
            .request("products")
            .query("per_page", PAGE.to_string())
            .query("page", pass.page.to_string())
            .query("orderby", "id")
            .query("order", "asc")
            .query("_fields", PRODUCT_FIELDS);
        let request = match pass.modified_after {
            // What was unpublished has to show, to be struck off.
            Some(after) => {
                request.query("status", "any").query("modified_after", &time::write(after)[..19]).query("dates_are_gmt", "true")
            }
            None => request.query("status", "publish"),
        };
        let (products, response) = list(request)?;
        let number = |name| response.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        let total = number("x-wp-total");
        if let Some(again) = pass.restarted(total) {
            log::info(pick(
                "Le catalogue a changé pendant la lecture : elle reprend au début.",
                "The catalog changed while it was read: the read begins again.",
            ));
            return Ok(StockPage {
                items: Vec::new(),
                removed: Vec::new(),
                changes: !again.full,
                next: Some(again.text()),
                more: true,
            });
        }

        let mut page = items::Found::default();
        let mut requests = 1;
        let mut done = pass.skip.min(products.len());
        for product in &products[done..] {
            let id = loose::whole(product, "/id").unwrap_or(0);
            if items::has_variations(product) {
                if done > pass.skip && (requests >= REQUESTS || run::time_left() < TIME_LEFT) {
                    break;
                }
                let variations = variations(&settings, id, &mut requests)?;
                page.family(product, &variations, &settings);
            } else {
                page.single(product, &settings);
            }
            done += 1;
        }

        let skus = page.items.iter().map(|item| item.sku.as_str());
        if pass.full {
            roll::note(skus)?;
        } else {
            roll::join(skus)?;
        }
        let last_page = number("x-wp-totalpages").map_or(products.len() < PAGE, |pages| pass.page >= pages);
        let next = pass.next(done, done >= products.len(), last_page, total);
        if next.is_none() && pass.full {
            page.removed = roll::finish()?;
        }
        let more = next.is_some();
        Ok(StockPage {
            items: page.items,
            removed: page.removed,
            changes: !pass.full,
            next: Some(next.map_or_else(|| pass.over(), |next| next.text())),
            more,
        })
    }
}
