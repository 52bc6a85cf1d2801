// Has texts written by a service with a small JSON interface: replace it by the one you want to use.
#include "beffroi.h"

#include <stdlib.h>
#include <string.h>

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  request ask = {.method = "GET", .url = at("/me"), .credential = "token", .harmless = true};
  const json *me;
  if (!sent(&ask, &me, why)) return false;
  return json_text(json_get(me, "name"), name) || senseless(&ask, why);
}

static bool count_of(const json *value, uint64_t *to) {
  bool told;
  int64_t number = 0;
  if (!json_maybe_whole(value, &told, &number) || number < 0) return false;
  *to = (uint64_t)number;
  return true;
}

bool exports_beffroi_plugin_generate_generate(exports_beffroi_plugin_generate_prompt_t *prompt,
                                              exports_beffroi_plugin_generate_generation_t *to, error *why) {
  buffer body = {0};
  put(&body, "{\"instructions\":");
  put_json(&body, prompt->instructions);
  put(&body, ",\"task\":");
  put_json(&body, prompt->task);
  put(&body, ",\"facts\":{");
  for (size_t i = 0; i < prompt->facts.len; i++) {
    if (i) put(&body, ",");
    put_json(&body, prompt->facts.ptr[i].name);
    put(&body, ":");
    put_json(&body, prompt->facts.ptr[i].value);
  }
  put(&body, "},\"variants\":");
  put_whole(&body, prompt->variants);
  if (prompt->max_characters.is_some) {
    put(&body, ",\"max_characters\":");
    put_whole(&body, prompt->max_characters.val);
  }
  put(&body, ",\"language\":");
  put_json(&body, prompt->language);
  put(&body, "}");
  // Asking twice costs twice, and does no harm otherwise.
  request ask = {.method = "POST", .url = at("/generate"), .credential = "token", .body = &body, .harmless = true};
  const json *answer;
  if (!sent(&ask, &answer, why)) return false;
  memset(to, 0, sizeof *to);
  const json *texts = json_get(answer, "texts");
  size_t count;
  if (!json_list(texts, &count)) return senseless(&ask, why);
  if (count > prompt->variants) count = prompt->variants;
  to->texts.ptr = calloc(count + 1, sizeof *to->texts.ptr);
  if (!to->texts.ptr) abort();
  for (size_t i = 0; i < count; i++) {
    if (!json_text(json_at(texts, i), &to->texts.ptr[to->texts.len++])) return senseless(&ask, why);
  }
  const json *cost = json_get(answer, "cost_micros");
  bool good = json_text(json_get(answer, "model"), &to->usage.model) &&
              count_of(json_get(answer, "input_tokens"), &to->usage.input_tokens) &&
              count_of(json_get(answer, "output_tokens"), &to->usage.output_tokens) && count_of(cost, &to->usage.cost_micros.val);
  to->usage.cost_micros.is_some = cost != NULL;
  return good || senseless(&ask, why);
}
