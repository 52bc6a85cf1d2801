// Reads the products of a service with a small JSON interface: replace it by the shop you want to read.
#include "beffroi.h"

#include <stdlib.h>
#include <string.h>

static request reading(const text *page) {
  request ask = {.method = "GET", .url = at("/products"), .credential = "token", .harmless = true};
  if (page) {
    put(&ask.url, "?page=");
    put_query(&ask.url, *page);
  }
  return ask;
}

static bool item_of(const json *product, exports_beffroi_plugin_stock_item_t *to) {
  bool priced, valued;
  int64_t cents;
  text currency;
  if (!json_text(json_get(product, "sku"), &to->sku) || !json_text(json_get(product, "title"), &to->title)) return false;
  if (!json_maybe_whole(json_get(product, "stock"), &to->available.is_some, &to->available.val)) return false;
  if (!json_maybe_whole(json_get(product, "cents"), &priced, &cents)) return false;
  if (!json_maybe_text(json_get(product, "currency"), &valued, &currency)) return false;
  if (priced && valued) {
    to->price.is_some = true;
    to->price.val = (exports_beffroi_plugin_stock_price_t){cents, currency};
  }
  return json_maybe_text(json_get(product, "url"), &to->url.is_some, &to->url.val);
}

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  request ask = reading(NULL);
  const json *page;
  if (!sent(&ask, &page, why)) return false;
  *name = copied("{{title}}");
  return true;
}

bool exports_beffroi_plugin_stock_poll(text *since, exports_beffroi_plugin_stock_page_t *page, error *why) {
  request ask = reading(since);
  const json *answer;
  if (!sent(&ask, &answer, why)) return false;
  memset(page, 0, sizeof *page);
  const json *products = json_get(answer, "products");
  size_t count;
  if (!json_list(products, &count)) return senseless(&ask, why);
  page->items.ptr = calloc(count + 1, sizeof *page->items.ptr);
  if (!page->items.ptr) abort();
  for (size_t i = 0; i < count; i++) {
    if (!item_of(json_at(products, i), &page->items.ptr[page->items.len++])) return senseless(&ask, why);
  }
  if (!json_maybe_text(json_get(answer, "next"), &page->next.is_some, &page->next.val)) return senseless(&ask, why);
  // Page by page the whole catalog; the last page leaves no cursor, and so the next read begins anew.
  bool same = since && page->next.is_some && since->len == page->next.val.len && memcmp(since->ptr, page->next.val.ptr, since->len) == 0;
  if (same) page->next.is_some = false;
  page->more = page->next.is_some;
  return true;
}
