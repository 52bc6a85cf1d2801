// Reads items of a service with a small JSON interface: replace it by the one you want to read.
#include "beffroi.h"

#include <stdlib.h>
#include <string.h>

static request reading(const text *since) {
  request ask = {.method = "GET", .url = at("/items"), .credential = "token", .harmless = true};
  if (since) {
    put(&ask.url, "?since=");
    put_query(&ask.url, *since);
  }
  return ask;
}

static bool signal_of(const json *item, exports_beffroi_plugin_feed_signal_t *to) {
  bool told;
  int64_t published = 0;
  if (!json_text(json_get(item, "id"), &to->id) || !json_text(json_get(item, "title"), &to->title)) return false;
  if (!json_maybe_text(json_get(item, "summary"), &told, &to->summary)) return false;
  if (!told) to->summary = copied("");
  if (!json_maybe_text(json_get(item, "url"), &to->url.is_some, &to->url.val)) return false;
  // In milliseconds since 1970.
  if (!json_maybe_whole(json_get(item, "published"), &to->published.is_some, &published) || published < 0) return false;
  to->published.val = (uint64_t)published;
  return true;
}

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  request ask = reading(NULL);
  const json *page;
  if (!sent(&ask, &page, why)) return false;
  *name = copied("{{title}}");
  return true;
}

bool exports_beffroi_plugin_feed_poll(text *since, exports_beffroi_plugin_feed_page_t *page, error *why) {
  request ask = reading(since);
  const json *answer;
  if (!sent(&ask, &answer, why)) return false;
  memset(page, 0, sizeof *page);
  const json *items = json_get(answer, "items");
  size_t count;
  if (!json_list(items, &count)) return senseless(&ask, why);
  page->signals.ptr = calloc(count + 1, sizeof *page->signals.ptr);
  if (!page->signals.ptr) abort();
  for (size_t i = 0; i < count; i++) {
    if (!signal_of(json_at(items, i), &page->signals.ptr[page->signals.len++])) return senseless(&ask, why);
  }
  if (!json_maybe_text(json_get(answer, "next"), &page->next.is_some, &page->next.val)) return senseless(&ask, why);
  if (!page->next.is_some && since) {
    // Without a new cursor the old one stays good.
    page->next.is_some = true;
    page->next.val = copied_text(*since);
  }
  return true;
}
