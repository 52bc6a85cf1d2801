//! What the shop really has, and what it costs.
//!
//! In: the catalogs as last read. Out: products with stock and price, and the moment for which they are true.
//! Never: takes a product nobody knows for one that is sold out.

use super::fields::Args;
use super::{Row, may, need, row};
use crate::adapters::Stock;
use crate::domain::{CatalogName, Json, Timestamp};
use crate::instance::CatalogConfig;
use crate::kinds::Item;
use crate::problem::perhaps;
use crate::run::desk::{Answer, RunDesk};
use crate::run::function::Kind::{Map, Text};
use crate::run::function::Refusal;
use crate::run::journal;
use serde_json::json;
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    row!(Read stock::get(need("sku", Text, "the product's identifier"), may("catalog", Text, "a catalog's name; all are asked when left out")) -> Any,
        "A product as the catalog has it now: #{sku, title, available, price, price_text, was, was_text, url, image, category, as_of}; nothing when no catalog knows it. Prices are in minor units; available is nothing when the product is not counted.",
        "let tarte = stock::get(\"TAR-001\"); if tarte != () && tarte.available == 0 { log::info(\"sold out\"); }", get),
    row!(Read stock::items(may("options", Map, "catalog, category")) -> List, "All products, each as stock::get gives it.",
        "for item in stock::items(#{ category: \"tartes\" }) { log::info(item.title); }", items),
];

impl RunDesk {
    /// The catalogs with this name, or all.
    fn stocks(&mut self, catalog: Option<&str>) -> Result<Vec<Arc<Stock>>, Refusal> {
        let instance = self.instance.clone();
        let chosen: Vec<&CatalogConfig> =
            instance.catalogs.values().filter(|c| catalog.is_none_or(|name| name == c.name.as_str())).collect();
        if let (Some(name), true) = (catalog, chosen.is_empty()) {
            let near = perhaps(name, instance.catalogs.keys().map(CatalogName::as_str));
            let text = format!("There is no catalog \"{name}\" under [catalogs].{near} Name one of those, or add this one.");
            return Err(Refusal::Error(text));
        }
        let mut stocks = Vec::new();
        let mut problems = Vec::new();
        for config in chosen {
            let known = self.sense_shared(
                &format!("stock {}", config.name),
                |desk, tools| tools.adapters.stock(config, &desk.adapter_call(tools)).map_err(Refusal::Error),
                |_, stock| stock.part(|stock| journal::part(&serde_json::to_vec(stock).expect("a stock is plain data"))),
            );
            match known {
                Ok(stock) => stocks.push(stock),
                Err(Refusal::Error(problem)) => problems.push(problem),
                Err(stop) => return Err(stop),
            }
        }
        // One catalog that cannot be read does not hide the others, unless there is no other.
        if stocks.is_empty() && !problems.is_empty() {
            return Err(Refusal::Error(problems.join(" ")));
        }
        for problem in problems {
            self.write_log("warn", &problem);
        }
        Ok(stocks)
    }
}

fn shown(desk: &RunDesk, item: &Item, as_of: Timestamp) -> Json {
    let language = desk.instance.business.language;
    json!({
        "sku": item.sku, "title": item.title, "available": item.available,
        "price": item.price.map(|p| p.minor), "price_text": item.price.map(|p| p.show(language)),
        "was": item.was.map(|p| p.minor), "was_text": item.was.map(|p| p.show(language)),
        "url": item.url, "image": item.image, "category": item.category, "as_of": as_of.millis(),
    })
}

fn get(desk: &mut RunDesk, mut args: Args) -> Answer {
    let sku = args.text();
    let catalog = args.given_text();
    let stocks = desk.stocks(catalog.as_deref())?;
    let found = stocks.iter().find_map(|s| s.get(&sku).map(|item| shown(desk, item, s.as_of)));
    Ok(found.unwrap_or_default())
}

fn items(desk: &mut RunDesk, mut args: Args) -> Answer {
    let mut options = args.map();
    let (catalog, category) = (options.text("catalog")?, options.text("category")?);
    options.end()?;
    let stocks = desk.stocks(catalog.as_deref())?;
    let wanted = |item: &&Item| category.as_ref().is_none_or(|c| item.category.as_ref() == Some(c));
    Ok(stocks.iter().flat_map(|s| s.items.iter().filter(wanted).map(|item| shown(desk, item, s.as_of))).collect())
}
