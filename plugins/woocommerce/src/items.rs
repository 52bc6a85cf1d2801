//! Products as items.
//!
//! In: products and variations as the shop gives them. Out: items, and those that are no longer sold.
//! Never: two items of one key. A variation without a key of its own shows its product's; it gets its number added.

use crate::Settings;
use beffroi_plugin::prelude::*;
use beffroi_plugin::{amount, loose, text};

/// What a page holds.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) items: Vec<Item>,
    pub(crate) removed: Vec<String>,
}

/// Whether the stock is with the variations.
pub(crate) fn has_variations(product: &Value) -> bool {
    // Extensions have kinds of their own, such as `variable-subscription`.
    loose::text(product, "/type").starts_with("variable") && published(product)
}

fn published(thing: &Value) -> bool {
    matches!(loose::text(thing, "/status").as_str(), "publish" | "")
}

fn key(thing: &Value) -> String {
    loose::some_text(thing, "/sku").unwrap_or_else(|| format!("#{}", loose::text(thing, "/id")))
}

fn price(thing: &Value, pointer: &str, settings: &Settings) -> Option<Price> {
    let minor = amount::minor(&loose::text(thing, pointer), &settings.currency, settings.tax)?;
    Some(Price { minor, currency: settings.currency.clone() })
}

/// How many there are. `outofstock` is a count of none even where nobody counts; the other states are no counts.
fn available(thing: &Value, product: &Value) -> Option<i64> {
    let counted = match thing.get("manage_stock") {
        Some(Value::String(parent)) if parent == "parent" => loose::whole(product, "/stock_quantity"),
        _ if loose::truth(thing, "/manage_stock") => loose::whole(thing, "/stock_quantity"),
        _ => None,
    };
    match counted {
        // Backorders take a count below zero: there is none then.
        Some(count) => Some(count.max(0)),
        None if loose::text(thing, "/stock_status") == "outofstock" => Some(0),
        None => None,
    }
}

/// What products and variations have in common.
fn item(thing: &Value, product: &Value, settings: &Settings) -> Item {
    let mut item = Item::new(key(thing), text::plain(&loose::text(product, "/name")));
    item.available = available(thing, product);
    item.price = price(thing, "/price", settings);
    if loose::truth(thing, "/on_sale") {
        let now = item.price.as_ref().map(|price| price.minor);
        item.was = price(thing, "/regular_price", settings).filter(|regular| now.is_some_and(|now| regular.minor > now));
    }
    item.url = loose::some_text(thing, "/permalink").or_else(|| loose::some_text(product, "/permalink"));
    item.image = loose::some_text(thing, "/image/src").or_else(|| loose::some_text(product, "/images/0/src"));
    item.category = loose::some_text(product, "/categories/0/name").map(|name| text::plain(&name));
    if matches!(loose::text(thing, "/backorders").as_str(), "yes" | "notify") {
        item.attributes.push(Attribute::new("backorders", "yes"));
    }
    item
}

impl Found {
    /// A product that is sold as it is.
    pub(crate) fn single(&mut self, product: &Value, settings: &Settings) {
        if published(product) {
            self.items.push(item(product, product, settings));
        } else {
            self.removed.push(key(product));
        }
    }

    /// A product that is sold in variations.
    pub(crate) fn family(&mut self, product: &Value, variations: &[Value], settings: &Settings) {
        let parent = key(product);
        for variation in variations {
            let mut item = item(variation, product, settings);
            if item.sku == parent {
                item.sku = format!("{parent}#{}", loose::text(variation, "/id"));
            }
            if !published(variation) {
                self.removed.push(item.sku);
                continue;
            }
            let options: Vec<String> = loose::list(variation, "/attributes")
                .iter()
                .filter_map(|attribute| loose::some_text(attribute, "/option"))
                .map(|option| text::plain(&option))
                .collect();
            if !options.is_empty() {
                item.title = format!("{} – {}", item.title, options.join(", "));
            }
            item.attributes.push(Attribute::new("parent", &parent));
            self.items.push(item);
        }
    }
}
