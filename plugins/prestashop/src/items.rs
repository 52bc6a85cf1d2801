//! Products, combinations and their stock as items.
//!
//! In: the lists of a page, each as the webservice gives it: numbers as text, texts in one language or in many. Out: items.
//! Never: a price that the shop did not compute. One without tax, or without its reductions, would be wrong in a post.

use crate::Settings;
use beffroi_plugin::prelude::*;
use beffroi_plugin::{amount, loose, text};

/// A page of products and what belongs to them.
pub(crate) struct Shelf {
    pub(crate) products: Vec<Value>,
    pub(crate) stock: Vec<Value>,
    pub(crate) combinations: Vec<Value>,
    pub(crate) options: Vec<Value>,
    pub(crate) categories: Vec<Value>,
}

/// A text that is one, or a list by language.
pub(crate) fn localised(value: &Value, pointer: &str, language: i64) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text::plain(text),
        Some(Value::Array(texts)) => {
            let ours = texts.iter().find(|text| loose::whole(text, "/id") == Some(language)).or_else(|| texts.first());
            ours.map(|text| text::plain(&loose::text(text, "/value"))).unwrap_or_default()
        }
        Some(Value::Object(texts)) => {
            let ours = texts.get(&language.to_string()).or_else(|| texts.values().next());
            text::plain(ours.and_then(Value::as_str).unwrap_or_default())
        }
        _ => String::new(),
    }
}

/// A price above zero; a shop that shows no prices gives zero.
fn price(thing: &Value, pointer: &str, settings: &Settings) -> Option<Price> {
    let minor = amount::minor(&loose::text(thing, pointer), &settings.currency, 0).filter(|minor| *minor > 0)?;
    Some(Price { minor, currency: settings.currency.clone() })
}

/// The address of a picture: its number, digit by digit.
fn picture(site: &str, id: i64) -> String {
    let digits: String = id.to_string().chars().map(|digit| format!("{digit}/")).collect();
    format!("{site}/img/p/{digits}{id}.jpg")
}

impl Shelf {
    /// The row of a product's stock; 0 is the product as a whole. With several shops and none chosen, the first row counts.
    fn row(&self, product: i64, combination: i64, shop: i64) -> Option<&Value> {
        let mut rows = self.stock.iter().filter(|row| {
            loose::whole(row, "/id_product") == Some(product) && loose::whole(row, "/id_product_attribute") == Some(combination)
        });
        let first = rows.clone().next();
        rows.find(|row| loose::whole(row, "/id_shop") == Some(shop)).or(first)
    }

    fn name(list: &[Value], id: i64, language: i64) -> Option<String> {
        let entry = list.iter().find(|entry| loose::whole(entry, "/id") == Some(id))?;
        Some(localised(entry, "/name", language)).filter(|name| !name.is_empty())
    }

    fn item(&self, thing: &Value, product: &Value, combination: i64, settings: &Settings) -> Option<Item> {
        let id = loose::whole(product, "/id")?;
        let key = if combination > 0 { format!("#{id}-{combination}") } else { format!("#{id}") };
        let mut item = Item::new(key, localised(product, "/name", settings.language));
        if let Some(row) = self.row(id, combination, settings.shop) {
            // A count below zero comes of orders taken without stock: there is none then.
            item.available = loose::whole(row, "/quantity").map(|count| count.max(0));
            if loose::whole(row, "/out_of_stock") == Some(1) {
                item.attributes.push(Attribute::new("backorders", "yes"));
            }
        }
        item.price = price(thing, "/beffroi_now", settings);
        let now = item.price.as_ref().map(|price| price.minor);
        item.was = price(thing, "/beffroi_was", settings).filter(|was| now.is_some_and(|now| was.minor > now));
        let anchor = if combination > 0 { format!("&id_product_attribute={combination}") } else { String::new() };
        item.url = Some(format!("{}/index.php?controller=product&id_product={id}{anchor}", settings.site));
        let image = loose::whole(thing, "/associations/images/0/id").or_else(|| loose::whole(product, "/id_default_image"));
        item.image = image.filter(|image| *image > 0).map(|image| picture(&settings.site, image));
        item.category =
            loose::whole(product, "/id_category_default").and_then(|id| Self::name(&self.categories, id, settings.language));
        if loose::text(product, "/available_for_order") == "0" {
            item.attributes.push(Attribute::new("orderable", "no"));
        }
        Some(item)
    }

    /// Everything on the shelf. References go into `reference`: PrestaShop does not keep them from being used twice.
    pub(crate) fn items(&self, settings: &Settings) -> Vec<Item> {
        let mut items = Vec::new();
        for product in &self.products {
            let id = loose::whole(product, "/id");
            let mut combined = false;
            for combination in self.combinations.iter().filter(|c| id.is_some() && loose::whole(c, "/id_product") == id) {
                let Some(number) = loose::whole(combination, "/id").filter(|number| *number > 0) else { continue };
                let Some(mut item) = self.item(combination, product, number, settings) else { continue };
                combined = true;
                let options: Vec<String> = loose::list(combination, "/associations/product_option_values")
                    .iter()
                    .filter_map(|option| Self::name(&self.options, loose::whole(option, "/id")?, settings.language))
                    .collect();
                if !options.is_empty() {
                    item.title = format!("{} – {}", item.title, options.join(", "));
                }
                item.attributes.push(Attribute::new("parent", format!("#{}", id.unwrap_or(0))));
                reference(&mut item, combination);
                push(&mut items, item);
            }
            if !combined && let Some(mut item) = self.item(product, product, 0, settings) {
                reference(&mut item, product);
                push(&mut items, item);
            }
        }
        items
    }
}

fn reference(item: &mut Item, thing: &Value) {
    if let Some(reference) = loose::some_text(thing, "/reference") {
        item.attributes.push(Attribute::new("reference", reference));
    }
}

/// No key twice, whatever the shop repeats.
fn push(items: &mut Vec<Item>, item: Item) {
    if !items.iter().any(|other| other.sku == item.sku) {
        items.push(item);
    }
}
