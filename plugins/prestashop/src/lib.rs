//! Reads products, stock and prices of a PrestaShop shop.
//!
//! In: the shop's webservice. Out: one item for each product, or for each combination where a product has some.
//! Never: reads changes only. PrestaShop moves the stock without touching a product's date of change, so each read is
//! complete, page by page, in the order of the products' numbers: what comes or goes meanwhile shifts no page.

mod items;
#[cfg(test)]
mod tests;

use beffroi_plugin::prelude::*;
use beffroi_plugin::{loose, roll};
use items::Shelf;

/// The plugin.
pub struct PrestaShop;

beffroi_plugin::export!(PrestaShop: stock);

/// Products per page. Whole products come with their descriptions, in every language that was not left out.
const PAGE: usize = 50;
/// The largest number a product can have.
const LAST: u64 = 4_294_967_295;

/// What the owner filled in.
pub(crate) struct Settings {
    pub(crate) site: String,
    pub(crate) currency: String,
    pub(crate) language: i64,
    pub(crate) shop: i64,
    pub(crate) counted: bool,
}

impl Settings {
    pub(crate) fn read() -> Result<Self, Error> {
        let all: Value = settings::get()?;
        let currency = loose::text(&all, "/currency").trim().to_ascii_uppercase();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(Error::reject(
                "currency-setting",
                pick(
                    "Le réglage « currency » doit être un code comme EUR.",
                    "The setting “currency” must be a code such as EUR.",
                ),
            ));
        }
        Ok(Self {
            site: loose::text(&all, "/site").trim_end_matches('/').trim_end_matches("/api").to_owned(),
            currency,
            language: loose::whole(&all, "/language").unwrap_or(1),
            shop: loose::whole(&all, "/shop").unwrap_or(0),
            counted: all.get("counted").is_none() || loose::truth(&all, "/counted"),
        })
    }

    fn request(&self, resource: &str) -> http::Request {
        let request = http::get(format!("{}/api/{resource}", self.site)).credential("key").query("output_format", "JSON");
        if self.shop > 0 { request.query("id_shop", self.shop.to_string()) } else { request }
    }

    /// All entries of a resource whose field is one of these numbers.
    fn of(&self, resource: &str, display: &str, field: &str, numbers: &[i64]) -> Result<Vec<Value>, Error> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let any = numbers.iter().map(i64::to_string).collect::<Vec<_>>().join("|");
        let request = self.request(resource).query("display", display).query(&format!("filter[{field}]"), format!("[{any}]"));
        let request = if display == "full" { self.with_prices(request) } else { request };
        list(request.query("language", self.language.to_string()), resource)
    }

    /// Asks for the price that customers see and the one before reductions, computed by the shop: with its taxes and rules.
    fn with_prices(&self, request: http::Request) -> http::Request {
        request
            .query("price[beffroi_now][use_tax]", "1")
            .query("price[beffroi_now][use_reduction]", "1")
            .query("price[beffroi_was][use_tax]", "1")
            .query("price[beffroi_was][use_reduction]", "0")
    }
}

/// A list out of the shop. An empty one is `[]`, any other an object with the resource's name.
fn list(request: http::Request, resource: &str) -> Result<Vec<Value>, Error> {
    let response = request.send_raw().map_err(|e| http::explain(e, true))?;
    if !response.is_good() {
        return Err(refusal(&response, resource));
    }
    match response.json()? {
        Value::Array(list) => Ok(list),
        Value::Object(mut object) => match object.get_mut(resource).map(Value::take) {
            Some(Value::Array(list)) => Ok(list),
            Some(Value::Object(one)) => Ok(vec![Value::Object(one)]),
            _ => Err(no_list()),
        },
        _ => Err(no_list()),
    }
}

fn no_list() -> Error {
    Error::retry(
        "no-list",
        pick("La boutique a répondu sans liste de produits.", "The shop answered without a list of products."),
    )
}

/// What a refusal means.
fn refusal(response: &http::Response, resource: &str) -> Error {
    let body: Value = response.json().unwrap_or_default();
    let said = loose::text(&body, "/errors/0/message");
    let text = response.text().to_ascii_lowercase();
    match response.status {
        401 | 403 => Error::reconnect(
            "key-refused",
            pick(
                format!(
                    "La boutique refuse la clé pour « {resource} ». Dans Paramètres avancés, Webservice, activez-la et \
                     donnez-lui GET sur products, stock_availables, combinations, product_option_values et categories."
                ),
                format!(
                    "The shop refuses the key for “{resource}”. In Advanced Parameters, Webservice, enable it and give it \
                     GET on products, stock_availables, combinations, product_option_values and categories."
                ),
            ),
        ),
        503 if text.contains("webservice is disabled") => Error::reject(
            "webservice-off",
            pick(
                "Le webservice de la boutique est éteint : activez-le dans Paramètres avancés, Webservice.",
                "The shop's webservice is switched off: enable it in Advanced Parameters, Webservice.",
            ),
        ),
        404 => Error::reject(
            "no-webservice",
            pick(
                "La boutique n'a pas de webservice à cette adresse : vérifiez l'adresse et la réécriture d'URL.",
                "The shop has no webservice at this address: check the address, and that URL rewriting is on.",
            ),
        ),
        400 if !said.is_empty() => Error::reject(
            "shop-refused",
            pick(
                format!("La boutique refuse la demande : {said}. Vérifiez les réglages « language » et « shop »."),
                format!("The shop refuses the request: {said}. Check the settings “language” and “shop”."),
            ),
        ),
        _ => response.error(),
    }
}

/// The distinct numbers that these pointers lead to.
fn numbers(list: &[Value], find: impl Fn(&Value) -> Vec<i64>) -> Vec<i64> {
    let mut numbers: Vec<i64> = Vec::new();
    for number in list.iter().flat_map(find) {
        if number > 0 && !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

fn links(value: &Value, pointer: &str) -> Vec<i64> {
    loose::list(value, pointer).iter().filter_map(|link| loose::whole(link, "/id")).collect()
}

/// The products after this number, and all that belongs to them.
fn shelf(settings: &Settings, after: u64) -> Result<Shelf, Error> {
    let request = settings
        .request("products")
        .query("display", "full")
        .query("language", settings.language.to_string())
        .query("filter[active]", "[1]")
        .query("filter[id]", format!("[{},{LAST}]", after + 1))
        .query("sort", "[id_ASC]")
        .query("limit", PAGE.to_string());
    let products = list(settings.with_prices(request), "products")?;
    let ids = numbers(&products, |product| loose::whole(product, "/id").into_iter().collect());
    let combined = numbers(&products, |product| {
        let id = loose::whole(product, "/id").filter(|_| !loose::list(product, "/associations/combinations").is_empty());
        id.into_iter().collect()
    });
    let combinations = settings.of("combinations", "full", "id_product", &combined)?;
    let options = numbers(&combinations, |combination| links(combination, "/associations/product_option_values"));
    let categories = numbers(&products, |product| loose::whole(product, "/id_category_default").into_iter().collect());
    Ok(Shelf {
        stock: if settings.counted {
            settings.of(
                "stock_availables",
                "[id_product,id_product_attribute,id_shop,quantity,out_of_stock]",
                "id_product",
                &ids,
            )?
        } else {
            Vec::new()
        },
        options: settings.of("product_option_values", "[id,name]", "id", &options)?,
        categories: settings.of("categories", "[id,name]", "id", &categories)?,
        products,
        combinations,
    })
}

impl Plugin for PrestaShop {
    fn check() -> Result<String, Error> {
        let settings = Settings::read()?;
        // Each resource has a right of its own; the read needs them all.
        for resource in ["products", "stock_availables", "combinations", "product_option_values", "categories"] {
            list(settings.request(resource).query("display", "[id]").query("limit", "1"), resource)?;
        }
        Ok(settings.site.trim_start_matches("https://").to_owned())
    }
}

impl Stock for PrestaShop {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        let settings = Settings::read()?;
        let after = since.and_then(|since| since.parse::<u64>().ok()).unwrap_or(0).min(LAST);
        if after == 0 {
            roll::begin()?;
        }
        let shelf = shelf(&settings, after)?;
        let items = shelf.items(&settings);
        roll::note(items.iter().map(|item| item.sku.as_str()))?;
        let last =
            shelf.products.iter().filter_map(|product| loose::whole(product, "/id")).max().and_then(|id| u64::try_from(id).ok());
        // A shop that ignored the filter would give the same page for ever.
        let further = last.filter(|last| *last > after && shelf.products.len() >= PAGE);
        let removed = if further.is_none() { roll::finish()? } else { Vec::new() };
        Ok(StockPage { items, removed, changes: false, next: Some(further.unwrap_or(0).to_string()), more: further.is_some() })
    }
}
