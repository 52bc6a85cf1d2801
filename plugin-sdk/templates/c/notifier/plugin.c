// Tells people by a service with a small JSON interface: replace it by the one you want to use.
#include "beffroi.h"

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  request ask = {.method = "GET", .url = at("/me"), .credential = "token", .harmless = true};
  const json *me;
  if (!sent(&ask, &me, why)) return false;
  return json_text(json_get(me, "name"), name) || senseless(&ask, why);
}

bool exports_beffroi_plugin_notify_notify(text *delivery, exports_beffroi_plugin_notify_notice_t *notice,
                                          exports_beffroi_plugin_notify_receipt_t *receipt, error *why) {
  buffer body = {0};
  put(&body, "{\"title\":");
  put_json(&body, notice->title);
  put(&body, ",\"text\":");
  put_json(&body, notice->text);
  put(&body, "}");
  // The service remembers the key: should this be sent twice, one message arrives.
  request ask = {.method = "POST", .url = at("/messages"), .credential = "token", .idempotency_key = delivery, .body = &body};
  const json *told;
  if (!sent(&ask, &told, why)) return false;
  receipt->url.is_some = false;
  return json_text(json_get(told, "id"), &receipt->remote_id) || senseless(&ask, why);
}
