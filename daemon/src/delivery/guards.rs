//! Whether what a post promises is true at this moment: stock and price, from data of known age.
//!
//! In: the conditions, and what the catalogs say. Out: nothing, or the sentence that says what stands in the way.
//! Never: takes "unknown" for "yes". A product that is not in the catalog, a file that cannot be read and data that is too
//! old all hold the post.

use crate::adapters::Stock;
use crate::craft::show;
use crate::domain::{Language, Timestamp};
use crate::effects::Guards;
use std::sync::Arc;
use std::time::Duration;

/// The first thing that stands in the way. `catalogs` holds each catalog asked, with the age up to which it is believed.
pub(super) fn obstacle(
    guards: &Guards,
    catalogs: &[(Duration, Result<Arc<Stock>, String>)],
    now: Timestamp,
    language: Language,
    moment: impl Fn(Timestamp) -> String,
) -> Option<String> {
    let mut problem = None;
    for (max_age, stock) in catalogs {
        let stock = match stock {
            Ok(stock) => stock,
            Err(why) => {
                problem = Some(why.clone());
                continue;
            }
        };
        let Some(item) = stock.get(&guards.sku) else { continue };
        let limit = guards.max_age.and_then(|ms| u64::try_from(ms).ok()).map_or(*max_age, Duration::from_millis);
        let age = now.since(stock.as_of);
        if age > limit {
            // Named by its time, not by its age: the sentence stays the same from one look to the next.
            let (from, limit) = (moment(stock.as_of), show::span(limit, language));
            return Some(language.pick(
                format!("le stock de « {} » date du {from}, il y a plus de {limit}", item.title),
                format!("the stock of \"{}\" is from {from}, more than {limit} ago", item.title),
            ));
        }
        if let Some(available) = item.available.filter(|n| *n < guards.at_least) {
            return Some(if available <= 0 {
                language.pick(format!("« {} » est épuisé", item.title), format!("\"{}\" is sold out", item.title))
            } else {
                language.pick(
                    format!("il ne reste que {available} « {} », il en faut {}", item.title, guards.at_least),
                    format!("only {available} of \"{}\" are left, {} are needed", item.title, guards.at_least),
                )
            });
        }
        if let Some(price) = guards.price
            && item.price.map(|p| p.minor) != Some(price)
        {
            let now_is = item.price.map_or_else(|| "?".to_owned(), |p| p.show(language));
            return Some(language.pick(
                format!("le prix de « {} » a changé : {now_is}", item.title),
                format!("the price of \"{}\" has changed: {now_is}", item.title),
            ));
        }
        return None;
    }
    Some(problem.unwrap_or_else(|| {
        language.pick(
            format!("le produit {} n'est dans aucun catalogue", guards.sku),
            format!("the product {} is in no catalog", guards.sku),
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Money;
    use crate::effects::OnFail;
    use crate::kinds::Item;

    fn stock(available: Option<i64>, price: i64) -> Arc<Stock> {
        let item = Item {
            sku: "TARTE".into(),
            title: "Tarte".into(),
            available,
            price: Some(Money::eur(price)),
            was: None,
            url: None,
            image: None,
            category: None,
        };
        Arc::new(Stock::new(vec![item], Timestamp::from_millis(1_000_000)))
    }

    fn guards() -> Guards {
        Guards { sku: "TARTE".into(), catalog: None, at_least: 2, price: Some(1_200), max_age: None, on_fail: OnFail::Hold }
    }

    fn said(known: Result<Arc<Stock>, String>, now: i64) -> Option<String> {
        obstacle(&guards(), &[(Duration::from_secs(60), known)], Timestamp::from_millis(now), Language::En, |at| {
            at.millis().to_string()
        })
    }

    #[test]
    fn only_enough_stock_at_the_named_price_in_fresh_data_lets_it_pass() {
        let now = 1_030_000;
        assert_eq!(said(Ok(stock(Some(2), 1_200)), now), None);
        assert_eq!(said(Ok(stock(None, 1_200)), now), None, "what is not counted is not sold out");
        assert_eq!(said(Ok(stock(Some(0), 1_200)), now).unwrap(), "\"Tarte\" is sold out");
        assert!(said(Ok(stock(Some(1), 1_200)), now).unwrap().contains("only 1"));
        assert!(said(Ok(stock(Some(9), 1_300)), now).unwrap().contains("has changed: €13.00"));
        assert!(said(Ok(stock(Some(9), 1_200)), 1_070_000).unwrap().contains("is from 1000000, more than 1\u{a0}min ago"));
        assert_eq!(said(Err("the file is being written".into()), now).unwrap(), "the file is being written");
        assert!(said(Ok(Arc::new(Stock::new(vec![], Timestamp::from_millis(now)))), now).unwrap().contains("in no catalog"));
    }
}
