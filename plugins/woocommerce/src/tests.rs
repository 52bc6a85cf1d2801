//! The plugin against answers as WooCommerce gives them.

use super::*;
use beffroi_plugin::fake::{Answer, Host};

const API: &str = "https://shop.example/wp-json/wc/v3/products";
const NOW: u64 = 1_795_327_200_000;
const MINUTE: u64 = 60_000;

fn host() -> Host {
    Host::new().now(NOW).settings(json!({ "site": "https://shop.example/", "currency": "eur", "tax": 0, "full-every": 60 }))
}

fn on() -> String {
    format!("GET {API}")
}

fn page(products: Value, pages: u64, total: u64) -> Answer {
    Answer::json(200, products).header("X-WP-TotalPages", pages.to_string()).header("X-WP-Total", total.to_string())
}

fn bread(id: u64) -> Value {
    json!({
        "id": id, "sku": format!("B{id}"), "name": "Pain &amp; levain", "type": "simple", "status": "publish", "permalink": "https://shop.example/pain",
        "price": "4.20", "regular_price": "5.00", "on_sale": true, "manage_stock": true, "stock_quantity": 12, "stock_status": "instock",
        "backorders": "no", "categories": [{ "name": "Pains" }], "images": [{ "src": "https://shop.example/pain.jpg" }],
    })
}

fn poll(host: &Host, since: Option<&str>) -> StockPage {
    host.run(|| WooCommerce::poll(since)).expect("read")
}

#[test]
fn a_product_is_read_as_customers_see_it() {
    let host = host().answer(&on(), page(json!([bread(1)]), 1, 1));
    let read = poll(&host, None);
    let item = &read.items[0];
    assert_eq!((item.sku.as_str(), item.title.as_str(), item.available), ("B1", "Pain & levain", Some(12)));
    assert_eq!(item.price, Some(Price { minor: 420, currency: "EUR".into() }));
    assert_eq!(item.was, Some(Price { minor: 500, currency: "EUR".into() }));
    assert_eq!((item.category.as_deref(), item.image.as_deref()), (Some("Pains"), Some("https://shop.example/pain.jpg")));
    assert_eq!((read.changes, read.more, read.removed.len()), (false, false, 0));
    let request = &host.requests()[0];
    assert_eq!(request.credential.as_deref(), Some("key"));
    assert!(
        request.url.contains("per_page=50&page=1&orderby=id&order=asc") && request.url.ends_with("status=publish"),
        "{}",
        request.url
    );
}

#[test]
fn tax_is_added_where_prices_are_kept_without() {
    let host = host()
        .settings(json!({ "site": "https://shop.example", "currency": "EUR", "tax": 5.5, "full-every": 60 }))
        .answer(&on(), page(json!([bread(1)]), 1, 1));
    assert_eq!(poll(&host, None).items[0].price.as_ref().map(|p| p.minor), Some(443));
}

#[test]
fn counts_tell_none_from_not_counted() {
    let stock = |manage: Value, quantity: Value, status: &str| {
        let mut product = bread(1);
        product["manage_stock"] = manage;
        product["stock_quantity"] = quantity;
        product["stock_status"] = json!(status);
        let host = host().answer(&on(), page(json!([product]), 1, 1));
        poll(&host, None).items[0].available
    };
    assert_eq!(stock(json!(true), json!(3), "instock"), Some(3));
    assert_eq!(stock(json!(true), json!(-2), "onbackorder"), Some(0));
    assert_eq!(stock(json!(false), json!(null), "instock"), None);
    assert_eq!(stock(json!(false), json!(null), "outofstock"), Some(0));
    assert_eq!(stock(json!(false), json!(null), "onbackorder"), None);
}

#[test]
fn odd_products_do_not_stop_the_read() {
    let mut free = bread(2);
    free["price"] = json!("");
    free["sku"] = json!("");
    free["images"] = json!([]);
    let mut sale = bread(3);
    sale["regular_price"] = json!("4.20");
    let host = host().answer(&on(), page(json!([free, sale, "garbage"]), 1, 3));
    let items = poll(&host, None).items;
    assert_eq!((items[0].sku.as_str(), &items[0].price, &items[0].was), ("#2", &None, &None));
    assert_eq!(items[1].was, None, "a reduction that reduces nothing");
}

#[test]
fn variations_are_items_with_keys_of_their_own() {
    let family = json!({ "id": 9, "sku": "TS", "name": "T-shirt", "type": "variable", "status": "publish", "price": "20", "manage_stock": true, "stock_quantity": 7, "images": [{ "src": "https://shop.example/t.jpg" }] });
    let variations = json!([
        // Without a key of its own, a variation shows its product's.
        { "id": 91, "sku": "TS", "status": "publish", "price": "20.00", "manage_stock": "parent", "attributes": [{ "name": "Taille", "option": "M" }, { "name": "Couleur", "option": "Bleu" }] },
        { "id": 92, "sku": "TS-L", "status": "publish", "price": "22.00", "manage_stock": true, "stock_quantity": 0, "image": { "src": "https://shop.example/l.jpg" }, "attributes": [] },
        { "id": 93, "sku": "TS-XL", "status": "private", "price": "22.00" },
    ]);
    let host =
        host().answer(&on(), page(json!([family]), 1, 1)).answer(&format!("{}/9/variations", on()), page(variations, 1, 3));
    let read = poll(&host, None);
    let seen: Vec<_> = read.items.iter().map(|i| (i.sku.as_str(), i.title.as_str(), i.available, i.image.as_deref())).collect();
    assert_eq!(
        seen,
        [
            ("TS#91", "T-shirt – M, Bleu", Some(7), Some("https://shop.example/t.jpg")),
            ("TS-L", "T-shirt", Some(0), Some("https://shop.example/l.jpg")),
        ]
    );
    assert!(read.items[0].attributes.contains(&Attribute::new("parent", "TS")));
    assert!(read.removed.is_empty(), "what was never there is not reported as gone by a complete read");
}

#[test]
fn pages_follow_one_another_and_the_end_tells_who_is_gone() {
    let host = host()
        .answer(&format!("{}?{}", on(), query(1)), page(json!([bread(1), bread(2)]), 2, 3))
        .answer(&format!("{}?{}", on(), query(2)), page(json!([bread(3)]), 2, 3))
        .answer(&format!("{}?{}", on(), query(1)), page(json!([bread(1), bread(3)]), 1, 2));
    let first = poll(&host, None);
    assert_eq!((first.items.len(), first.more, first.changes), (2, true, false));
    let second = poll(&host, first.next.as_deref());
    assert_eq!((second.items.len(), second.more, second.removed.len()), (1, false, 0));
    let later = host.now(NOW + 61 * MINUTE);
    let third = poll(&later, second.next.as_deref());
    assert_eq!((third.changes, third.more, third.removed), (false, false, vec!["B2".to_owned()]));
}

fn query(page: u64) -> String {
    format!("per_page=50&page={page}&orderby=id&order=asc&_fields={}&status=publish", PRODUCT_FIELDS.replace(',', "%2C"))
}

#[test]
fn between_complete_reads_only_changes_are_asked_for() {
    let mut draft = bread(2);
    draft["status"] = json!("draft");
    let host = host()
        .answer(&on(), page(json!([bread(1), bread(2)]), 1, 2))
        .answer(&on(), page(json!([bread(3), draft]), 1, 2))
        .answer(&on(), page(json!([bread(1)]), 1, 1));
    let first = poll(&host, None);
    let soon = host.now(NOW + 15 * MINUTE);
    let second = poll(&soon, first.next.as_deref());
    assert_eq!((second.changes, second.items.len(), second.removed.clone()), (true, 1, vec!["B2".to_owned()]));
    let url = &soon.requests()[1].url;
    assert!(
        url.contains("status=any&modified_after=2026-11-22T05%3A50%3A00&dates_are_gmt=true"),
        "ten minutes of overlap: {url}"
    );

    // What came in between counts as known, and is gone at the next complete read.
    let later = soon.now(NOW + 61 * MINUTE);
    let third = poll(&later, second.next.as_deref());
    assert_eq!((third.changes, third.removed), (false, vec!["B2".to_owned(), "B3".to_owned()]));
}

#[test]
fn an_empty_page_ends_the_read() {
    let host = host().answer(&on(), Answer::json(200, json!([])));
    let read = poll(&host, None);
    assert_eq!((read.items.len(), read.more), (0, false));
}

#[test]
fn a_catalog_that_moves_is_read_again_but_not_for_ever() {
    let full: Vec<Value> = (1..=50).map(bread).collect();
    let host = (0..6).fold(host(), |host, n| host.answer(&on(), page(Value::Array(full.clone()), 3, 150 + n)));
    let mut cursor = poll(&host, None).next;
    let mut restarts = 0;
    for _ in 0..5 {
        let read = poll(&host, cursor.as_deref());
        restarts += usize::from(read.items.is_empty());
        cursor = read.next;
        if !read.more {
            break;
        }
    }
    assert_eq!(restarts, 2);
}

#[test]
fn a_page_is_cut_short_when_time_runs_out() {
    let family =
        |id: u64| json!({ "id": id, "sku": format!("F{id}"), "name": "Famille", "type": "variable", "status": "publish" });
    let variation = |id: u64| page(json!([{ "id": id * 10, "sku": format!("V{id}"), "price": "1" }]), 1, 1);
    let host = host()
        .time_left(1000)
        .answer(&on(), page(json!([family(1), family(2)]), 1, 2))
        .answer(&format!("{}/1/variations", on()), variation(1))
        .answer(&format!("{}/2/variations", on()), variation(2));
    let first = poll(&host, None);
    assert_eq!((first.items[0].sku.as_str(), first.items.len(), first.more), ("V1", 1, true));
    let second = poll(&host, first.next.as_deref());
    assert_eq!((second.items[0].sku.as_str(), second.items.len(), second.more), ("V2", 1, false));
}

#[test]
fn refusals_say_what_to_do_next() {
    let cases = [
        (Answer::json(401, json!({ "code": "woocommerce_rest_cannot_view", "message": "Sorry" })), "key-refused"),
        (Answer::text(403, "<html>Wordfence</html>"), "firewall"),
        (Answer::text(501, "Not implemented"), "firewall"),
        (Answer::json(404, json!({ "code": "rest_no_route" })), "no-api"),
        (Answer::text(404, "<html>"), "no-api"),
        (Answer::text(503, "<html>Maintenance"), "http-503"),
        (Answer::text(200, "<html>Are you a robot?"), "answer"),
        (Answer::text(200, "[{\"id\": 1, \"na"), "answer"),
        (Answer::json(200, json!({ "code": "?" })), "no-list"),
        (Answer::lost(), "lost"),
    ];
    for (answer, code) in cases {
        let host = host().answer(&on(), answer);
        assert_eq!(host.run(|| WooCommerce::poll(None)).map(|_| ()).map_err(|e| e.code().to_owned()), Err(code.into()));
        assert!(host.state().is_empty(), "a failed read leaves no trace");
    }
    let marked = host().answer(&on(), Answer::text(200, "\u{feff}[]"));
    assert_eq!(marked.run(WooCommerce::check), Ok("shop.example".into()));
}

#[test]
fn cursors_of_others_are_no_cursors() {
    for cursor in ["", "null", "{\"page\":-1}", "[1,2]", "{\"started\":1,\"last_full\":\"x\",\"page\":2}"] {
        let host = host().answer(&on(), page(json!([bread(1)]), 1, 1));
        assert!(!poll(&host, Some(cursor)).changes, "{cursor}");
    }
}
