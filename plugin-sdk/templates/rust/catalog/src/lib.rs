//! Reads the products of a service with a small JSON interface: replace it by the shop you want to read.

use beffroi_plugin::prelude::*;

struct Catalog;

#[derive(Deserialize)]
struct Settings {
    service: String,
}

#[derive(Deserialize)]
struct Products {
    products: Vec<Product>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Product {
    sku: String,
    title: String,
    stock: Option<i64>,
    cents: Option<i64>,
    currency: Option<String>,
    url: Option<String>,
}

fn read(page: Option<&str>) -> Result<Products, Error> {
    let settings: Settings = settings::get()?;
    let mut request = http::get(format!("{}/products", settings.service.trim_end_matches('/'))).credential("token");
    if let Some(page) = page {
        request = request.query("page", page);
    }
    request.send()?.json()
}

impl Plugin for Catalog {
    fn check() -> Result<String, Error> {
        read(None)?;
        Ok("{{title}}".to_owned())
    }
}

impl Stock for Catalog {
    fn poll(since: Option<&str>) -> Result<StockPage, Error> {
        let page = read(since)?;
        let item = |product: Product| Item {
            available: product.stock,
            price: product.cents.zip(product.currency).map(|(minor, currency)| Price { minor, currency }),
            url: product.url,
            ..Item::new(product.sku, product.title)
        };
        // Page by page the whole catalog; the last page leaves no cursor, and so the next read begins anew.
        let more = page.next.is_some() && page.next.as_deref() != since;
        Ok(StockPage {
            items: page.products.into_iter().map(item).collect(),
            removed: Vec::new(),
            changes: false,
            next: if more { page.next } else { None },
            more,
        })
    }
}

beffroi_plugin::export!(Catalog: stock);

#[cfg(test)]
mod tests {
    use super::*;
    use beffroi_plugin::fake::{Answer, Host};

    #[test]
    fn a_product_without_a_count_is_not_counted() {
        let product = json!({ "sku": "pain", "title": "Pain", "cents": 420, "currency": "EUR" });
        let host = Host::new()
            .settings(json!({ "service": "https://api.example.com" }))
            .answer("GET https://api.example.com/products", Answer::json(200, json!({ "products": [product] })));
        let page = host.run(|| Catalog::poll(None)).expect("read");
        assert_eq!(page.items[0].available, None);
        assert_eq!(page.items[0].price, Some(Price { minor: 420, currency: "EUR".to_owned() }));
        assert!(!page.more);
    }
}
