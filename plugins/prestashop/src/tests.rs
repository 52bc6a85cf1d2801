//! The plugin against answers as PrestaShop gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

const API: &str = "https://shop.example/api/";

fn host() -> Host {
    Host::new().settings(json!({ "site": "https://shop.example/", "currency": "EUR", "language": 1, "shop": 0, "counted": true }))
}

fn on(resource: &str) -> String {
    format!("GET {API}{resource}")
}

fn product(id: u64) -> Value {
    json!({
        "id": id, "id_default_image": "123", "id_category_default": "2", "reference": "REF", "name": "Pain &amp; sel", "available_for_order": "1",
        "price": "3.500000", "beffroi_now": "4.200000", "beffroi_was": "4.200000", "associations": {},
    })
}

fn with(host: Host, products: Value, stock: Value) -> Host {
    host.answer(&on("products"), Answer::json(200, products))
        .answer(&on("stock_availables"), Answer::json(200, stock))
        .answer(&on("categories"), Answer::json(200, json!({ "categories": [{ "id": 2, "name": "Pains" }] })))
}

fn poll(host: &Host, since: Option<&str>) -> StockPage {
    host.run(|| PrestaShop::poll(since)).expect("read")
}

#[test]
fn a_product_is_joined_with_its_stock() {
    let stock = json!({ "stock_availables": [{ "id_product": "7", "id_product_attribute": "0", "id_shop": "1", "quantity": "5", "out_of_stock": "1" }] });
    let host = with(host(), json!({ "products": [product(7)] }), stock);
    let read = poll(&host, None);
    let item = &read.items[0];
    assert_eq!((item.sku.as_str(), item.title.as_str(), item.available), ("#7", "Pain & sel", Some(5)));
    assert_eq!((&item.price, &item.was), (&Some(Price { minor: 420, currency: "EUR".into() }), &None));
    assert_eq!(item.category.as_deref(), Some("Pains"));
    assert_eq!(item.image.as_deref(), Some("https://shop.example/img/p/1/2/3/123.jpg"));
    assert_eq!(item.url.as_deref(), Some("https://shop.example/index.php?controller=product&id_product=7"));
    assert_eq!(item.attributes, [Attribute::new("backorders", "yes"), Attribute::new("reference", "REF")]);
    assert_eq!((read.changes, read.more, read.next.as_deref()), (false, false, Some("0")));
    let requests = host.requests();
    assert!(requests.iter().all(|request| request.credential.as_deref() == Some("key")));
    assert!(requests[0].url.contains("filter%5Bid%5D=%5B1%2C4294967295%5D"), "{}", requests[0].url);
    assert!(requests[0].url.contains("price%5Bbeffroi_now%5D%5Buse_tax%5D=1"), "{}", requests[0].url);
}

#[test]
fn a_reduction_shows_and_a_price_that_was_not_computed_does_not() {
    let mut reduced = product(7);
    reduced["beffroi_was"] = json!("5.000000");
    let mut bare = product(8);
    bare["beffroi_now"] = json!(null);
    bare["available_for_order"] = json!("0");
    let host = with(host(), json!({ "products": [reduced, bare] }), json!([]));
    let items = poll(&host, None).items;
    assert_eq!(items[0].was.as_ref().map(|p| p.minor), Some(500));
    assert_eq!((&items[1].price, &items[1].was, items[1].available), (&None, &None, None));
    assert!(items[1].attributes.contains(&Attribute::new("orderable", "no")));
}

#[test]
fn combinations_are_items_with_their_names() {
    let mut shirt = product(7);
    shirt["name"] = json!([{ "id": "2", "value": "Shirt" }, { "id": "1", "value": "Chemise" }]);
    shirt["associations"] = json!({ "combinations": [{ "id": "70" }, { "id": "71" }] });
    let combinations = json!({ "combinations": [
        { "id": 70, "id_product": "7", "reference": "C-M", "beffroi_now": "20.000000", "beffroi_was": "25.000000", "associations": { "product_option_values": [{ "id": "1" }, { "id": "5" }], "images": [{ "id": "44" }] } },
        { "id": 71, "id_product": "7", "reference": "", "associations": { "product_option_values": [{ "id": "2" }] } },
        { "id": "x", "id_product": "7" },
    ]});
    let stock = json!({ "stock_availables": [
        { "id_product": "7", "id_product_attribute": "0", "quantity": "9" },
        { "id_product": "7", "id_product_attribute": "70", "quantity": "9" },
        { "id_product": "7", "id_product_attribute": "71", "quantity": "-3" },
    ]});
    let host =
        with(host(), json!({ "products": [shirt] }), stock).answer(&on("combinations"), Answer::json(200, combinations)).answer(
            &on("product_option_values"),
            Answer::json(
                200,
                json!({ "product_option_values": [{ "id": 1, "name": "M" }, { "id": 5, "name": { "1": "Bleu" } }] }),
            ),
        );
    let items = poll(&host, None).items;
    let seen: Vec<_> =
        items.iter().map(|i| (i.sku.as_str(), i.title.as_str(), i.available, i.price.as_ref().map(|p| p.minor))).collect();
    assert_eq!(seen, [("#7-70", "Chemise – M, Bleu", Some(9), Some(2000)), ("#7-71", "Chemise", Some(0), None)]);
    assert_eq!(items[0].image.as_deref(), Some("https://shop.example/img/p/4/4/44.jpg"));
    assert_eq!(items[1].image.as_deref(), Some("https://shop.example/img/p/1/2/3/123.jpg"));
}

#[test]
fn pages_go_on_after_the_last_number_and_the_end_tells_who_is_gone() {
    let full: Vec<Value> = (1..=50).map(product).collect();
    let mut host = with(host(), json!({ "products": full }), json!([]));
    host = host.answer(&on("products"), Answer::json(200, json!({ "products": [product(60)] })));
    let first = poll(&host, None);
    assert_eq!((first.items.len(), first.more, first.next.as_deref()), (50, true, Some("50")));
    let second = poll(&host, first.next.as_deref());
    assert_eq!((second.items.len(), second.more, second.next.as_deref()), (1, false, Some("0")));
    // The next read finds a single product: fifty are gone.
    let third = poll(&host, second.next.as_deref());
    assert_eq!((third.removed.len(), third.more), (50, false));
}

#[test]
fn a_shop_that_ignores_the_filter_does_not_go_round_for_ever() {
    let full: Vec<Value> = (1..=50).map(product).collect();
    let host = with(host(), json!({ "products": full }), json!([]));
    assert!(!poll(&host, Some("50")).more);
}

#[test]
fn an_empty_shop_is_an_empty_list() {
    let host = host().answer(&on("products"), Answer::json(200, json!([])));
    let read = poll(&host, None);
    assert_eq!((read.items.len(), read.more, host.requests().len()), (0, false, 1));
}

#[test]
fn without_stock_management_nothing_is_counted() {
    let host = Host::new()
        .settings(json!({ "site": "https://shop.example", "currency": "EUR", "counted": false, "shop": 3 }))
        .answer(&on("products"), Answer::json(200, json!({ "products": [product(7)] })))
        .answer(&on("categories"), Answer::json(200, json!([])));
    assert_eq!(poll(&host, None).items[0].available, None);
    assert!(host.requests().iter().all(|request| request.url.contains("id_shop=3")));
}

#[test]
fn the_row_of_the_shop_counts_where_there_are_several() {
    let stock = json!({ "stock_availables": [
        { "id_product": 7, "id_product_attribute": 0, "id_shop": 1, "quantity": 5 },
        { "id_product": 7, "id_product_attribute": 0, "id_shop": 3, "quantity": 8 },
    ]});
    let settings = |shop: i64| json!({ "site": "https://shop.example", "currency": "EUR", "shop": shop });
    for (shop, count) in [(0, 5), (3, 8)] {
        let host = with(Host::new().settings(settings(shop)), json!({ "products": [product(7)] }), stock.clone());
        assert_eq!(poll(&host, None).items[0].available, Some(count));
    }
}

#[test]
fn refusals_say_what_to_do_next() {
    let cases = [
        (Answer::text(401, ""), "key-refused"),
        (Answer::json(401, json!({ "errors": [{ "code": 18, "message": "no permission" }] })), "key-refused"),
        (
            Answer::text(503, "The PrestaShop webservice is disabled. Please activate it in the PrestaShop Back Office"),
            "webservice-off",
        ),
        (Answer::text(503, "<html>Maintenance"), "http-503"),
        (Answer::text(404, "<html>"), "no-webservice"),
        (Answer::json(400, json!({ "errors": [{ "code": 35, "message": "Unable to display this field" }] })), "shop-refused"),
        (Answer::text(200, "<br />Notice: Undefined index {\"products\": []}"), "answer"),
        (Answer::text(200, "{\"products\": [{\"id\""), "answer"),
        (Answer::json(200, json!({ "errors": [] })), "no-list"),
        (Answer::lost(), "lost"),
    ];
    for (answer, code) in cases {
        let host = host().answer(&on("products"), answer);
        assert_eq!(host.run(|| PrestaShop::poll(None)).map(|_| ()).map_err(|e| e.code().to_owned()), Err(code.into()));
        assert!(host.state().is_empty());
    }
}

#[test]
fn the_check_asks_for_every_right_that_the_read_needs() {
    let mut host = host();
    for resource in ["products", "stock_availables", "combinations", "product_option_values"] {
        host = host.answer(&on(resource), Answer::json(200, json!([])));
    }
    host = host.answer(&on("categories"), Answer::status(401));
    let error = host.run(PrestaShop::check).expect_err("one is missing");
    assert!(error.message().contains("« categories »"), "{error}");
}
