// Suggests an entry of the library for each account, as a draft that waits for a yes.
#include "beffroi.h"

// Each function of the desk gives a sentence when it refuses.
static bool refused(error *why, text sentence) { return reject(why, "desk", copied_text(sentence)); }

bool exports_beffroi_plugin_plugin_check(text *name, error *why) {
  *name = copied("{{title}}");
  return true;
}

bool exports_beffroi_plugin_workflow_run(exports_beffroi_plugin_workflow_trigger_t *trigger, text *line, error *why) {
  text run, accounts, next, sentence, account, item;
  size_t count;
  int64_t planned = 0;
  if (!beffroi_plugin_desk_run_id(&run, &sentence)) return refused(why, sentence);
  if (!beffroi_plugin_desk_run_accounts(&accounts, &sentence)) return refused(why, sentence);
  const json *names = json_read(accounts.ptr, accounts.len);
  json_list(names, &count);
  for (size_t i = 0; i < count; i++) {
    if (!json_text(json_at(names, i), &account)) continue;
    if (!beffroi_plugin_desk_library_next(&account, NULL, &next, &sentence)) return refused(why, sentence);
    const json *found = json_read(next.ptr, next.len);
    if (!json_text(json_get(found, "item"), &item)) continue;
    buffer post = {0}, once = {0};
    put_text(&once, run);
    put(&once, "-");
    put_text(&once, account);
    put(&post, "{\"item\":");
    put_json(&post, item);
    put(&post, ",\"account\":");
    put_json(&post, account);
    put(&post, ",\"draft\":true,\"once\":");
    put_json(&post, written(once));
    put(&post, ",\"why\":");
    put_text(&post, json_source(json_get(found, "why")));
    put(&post, "}");
    text plan = written(post);
    bool fresh;
    if (!beffroi_plugin_desk_posts_plan(&plan, &fresh, &sentence)) return refused(why, sentence);
    planned += fresh;
  }
  buffer words = {0};
  put_whole(&words, planned);
  put_text(&words, pick(" brouillons pour ", " drafts for "));
  put_whole(&words, (int64_t)count);
  put_text(&words, pick(" comptes.", " accounts."));
  *line = written(words);
  return true;
}
