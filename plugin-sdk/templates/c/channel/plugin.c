// Posts to a service with a small JSON interface: replace it by the one you want to reach.
#include "beffroi.h"

#include <stdlib.h>

enum { LONGEST = 500 };

typedef beffroi_plugin_post_types_receipt_t receipt;

static bool receipt_of(const json *online, receipt *to) {
  return json_text(json_get(online, "id"), &to->remote_id) &&
         json_maybe_text(json_get(online, "url"), &to->url.is_some, &to->url.val);
}

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  request ask = {.method = "GET", .url = at("/me"), .credential = "token", .harmless = true};
  const json *me;
  if (!sent(&ask, &me, why)) return false;
  return json_text(json_get(me, "name"), name) || senseless(&ask, why);
}

void exports_beffroi_plugin_publish_validate(exports_beffroi_plugin_publish_post_t *post,
                                             exports_beffroi_plugin_publish_list_problem_t *problems) {
  problems->len = 0;
  problems->ptr = malloc(2 * sizeof *problems->ptr);
  if (!problems->ptr) abort();
  if (blank(post->text)) {
    text message = pick("Le texte est vide. Écrivez-en un.", "The text is empty. Write one.");
    problems->ptr[problems->len++] = (exports_beffroi_plugin_publish_problem_t){copied("text-empty"), message};
  }
  if (characters(post->text) > LONGEST) {
    text message = pick("Le texte dépasse 500 caractères. Raccourcissez-le.", "The text has more than 500 characters. Shorten it.");
    problems->ptr[problems->len++] = (exports_beffroi_plugin_publish_problem_t){copied("text-too-long"), message};
  }
}

bool exports_beffroi_plugin_publish_publish(text *delivery, exports_beffroi_plugin_publish_post_t *post, text *prepared,
                                            exports_beffroi_plugin_publish_outcome_t *outcome, error *why) {
  buffer body = {0};
  put(&body, "{\"key\":");
  put_json(&body, *delivery);
  put(&body, ",\"text\":");
  put_json(&body, post->text);
  put(&body, ",\"link\":");
  put_json_or_null(&body, post->link.is_some, post->link.val);
  put(&body, "}");
  // The service remembers the key: should this be sent twice, there is one post.
  request ask = {.method = "POST", .url = at("/posts"), .credential = "token", .idempotency_key = delivery, .body = &body};
  const json *online;
  if (!sent(&ask, &online, why)) return false;
  outcome->tag = BEFFROI_PLUGIN_POST_TYPES_OUTCOME_ONLINE;
  return receipt_of(online, &outcome->val.online) || senseless(&ask, why);
}

bool exports_beffroi_plugin_lookup_find(text *delivery, exports_beffroi_plugin_lookup_post_t *post, text *prepared,
                                        exports_beffroi_plugin_lookup_finding_t *finding, error *why) {
  request ask = {.method = "GET", .url = at("/posts?key="), .credential = "token", .harmless = true};
  put_query(&ask.url, *delivery);
  const json *page;
  if (!sent(&ask, &page, why)) return false;
  const json *posts = json_get(page, "posts");
  size_t count;
  if (!json_list(posts, &count)) return senseless(&ask, why);
  finding->tag = count ? BEFFROI_PLUGIN_POST_TYPES_FINDING_ONLINE : BEFFROI_PLUGIN_POST_TYPES_FINDING_ABSENT;
  return !count || receipt_of(json_at(posts, 0), &finding->val.online) || senseless(&ask, why);
}
