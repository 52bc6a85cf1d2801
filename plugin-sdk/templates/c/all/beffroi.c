#include "beffroi.h"

#include <stdlib.h>
#include <string.h>

static void *room(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) abort();
  return memory;
}

// ---- Texts ----------------------------------------------------------------------------------------------------------

static text copied_bytes(const void *bytes, size_t length) {
  text copy = {room(length), length};
  memcpy(copy.ptr, bytes, length);
  return copy;
}

text copied(const char *words) { return copied_bytes(words, strlen(words)); }

text copied_text(text other) { return copied_bytes(other.ptr, other.len); }

text pick(const char *fr, const char *en) {
  text language;
  beffroi_plugin_run_language(&language);
  bool french = language.len >= 2 && memcmp(language.ptr, "fr", 2) == 0;
  return copied(french ? fr : en);
}

bool blank(text words) {
  for (size_t i = 0; i < words.len; i++) {
    if (!strchr(" \t\r\n", words.ptr[i])) return false;
  }
  return true;
}

size_t characters(text words) {
  size_t count = 0;
  for (size_t i = 0; i < words.len; i++) count += (words.ptr[i] & 0xc0) != 0x80;
  return count;
}

static void put_bytes(buffer *to, const void *bytes, size_t length) {
  if (to->length + length > to->room) {
    to->room = (to->length + length) * 2;
    to->bytes = realloc(to->bytes, to->room);
    if (!to->bytes) abort();
  }
  if (length) memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}

void put(buffer *to, const char *words) { put_bytes(to, words, strlen(words)); }

void put_text(buffer *to, text words) { put_bytes(to, words.ptr, words.len); }

void put_whole(buffer *to, int64_t number) {
  char digits[21];
  size_t at = sizeof digits;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do {
    digits[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (number < 0) digits[--at] = '-';
  put_bytes(to, digits + at, sizeof digits - at);
}

static const char HEX[] = "0123456789ABCDEF";

void put_json(buffer *to, text words) {
  put(to, "\"");
  for (size_t i = 0; i < words.len; i++) {
    uint8_t byte = words.ptr[i];
    if (byte == '"' || byte == '\\') {
      char pair[] = {'\\', (char)byte};
      put_bytes(to, pair, 2);
    } else if (byte < 0x20) {
      char escape[] = {'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]};
      put_bytes(to, escape, 6);
    } else {
      put_bytes(to, &byte, 1);
    }
  }
  put(to, "\"");
}

void put_json_or_null(buffer *to, bool is_some, text words) {
  if (is_some) put_json(to, words);
  else put(to, "null");
}

void put_query(buffer *to, text words) {
  for (size_t i = 0; i < words.len; i++) {
    uint8_t byte = words.ptr[i];
    bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    if (plain || (byte && strchr("-._~", byte))) {
      put_bytes(to, &byte, 1);
    } else {
      char escape[] = {'%', HEX[byte >> 4], HEX[byte & 15]};
      put_bytes(to, escape, 3);
    }
  }
}

text written(buffer from) { return copied_bytes(from.bytes, from.length); }

// ---- JSON -----------------------------------------------------------------------------------------------------------

enum kind { EMPTY, TRUTH, NUMBER, TEXT, LIST, OBJECT };

struct json {
  enum kind kind;
  text key;            // in an object
  text words;          // of a text, unescaped
  const uint8_t *from; // where it stands in the source
  size_t length;
  struct json *first, *next;
};

typedef struct {
  const uint8_t *at, *end;
  int depth;
} reader;

static bool is_utf8(const uint8_t *at, size_t length) {
  const uint8_t *end = at + length;
  while (at < end) {
    uint8_t first = *at++;
    if (first < 0x80) continue;
    int more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    if (!more || end - at < more) return false;
    uint32_t code = first & (0x3f >> more);
    for (int i = 0; i < more; i++) {
      if ((*at & 0xc0) != 0x80) return false;
      code = code << 6 | (*at++ & 0x3f);
    }
    if (more == 2 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) return false;
    if (more == 3 && (code < 0x10000 || code > 0x10ffff)) return false;
  }
  return true;
}

static void skip_blanks(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool take(reader *r, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0) return false;
  r->at += length;
  return true;
}

static bool read_hex(reader *r, uint32_t *code) {
  *code = 0;
  if (r->end - r->at < 4) return false;
  for (int i = 0; i < 4; i++) {
    uint8_t c = *r->at++;
    int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
    if (digit < 0) return false;
    *code = *code << 4 | (uint32_t)digit;
  }
  return true;
}

static void put_code(buffer *to, uint32_t code) {
  if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
  uint8_t bytes[4];
  size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const uint8_t FIRST[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = length; i-- > 1; code >>= 6) bytes[i] = 0x80 | (code & 0x3f);
  bytes[0] = (uint8_t)(FIRST[length] | code);
  put_bytes(to, bytes, length);
}

static bool read_text(reader *r, text *to) {
  buffer words = {0};
  if (!take(r, "\"")) return false;
  while (r->at < r->end) {
    uint8_t c = *r->at++;
    if (c == '"') {
      *to = written(words);
      return true;
    }
    if (c < 0x20) return false;
    if (c != '\\') {
      put_bytes(&words, &c, 1);
      continue;
    }
    if (r->at == r->end) return false;
    c = *r->at++;
    static const char NAMES[] = "\"\\/bfnrt", BYTES[] = "\"\\/\b\f\n\r\t";
    const char *name = c ? strchr(NAMES, c) : NULL;
    if (name) {
      put_bytes(&words, &BYTES[name - NAMES], 1);
      continue;
    }
    uint32_t code, low;
    if (c != 'u' || !read_hex(r, &code)) return false;
    reader ahead = *r;
    if (code >= 0xd800 && code < 0xdc00 && take(&ahead, "\\u") && read_hex(&ahead, &low) && low >= 0xdc00 && low < 0xe000) {
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      *r = ahead;
    }
    put_code(&words, code);
  }
  return false;
}

static bool read_digits(reader *r) {
  const uint8_t *before = r->at;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
  return r->at > before;
}

static bool read_number(reader *r) {
  take(r, "-");
  if (!read_digits(r)) return false;
  if (take(r, ".") && !read_digits(r)) return false;
  if (take(r, "e") || take(r, "E")) {
    if (!take(r, "+")) take(r, "-");
    return read_digits(r);
  }
  return true;
}

static json *read_value(reader *r);

static bool read_members(reader *r, json *parent, const char *close) {
  json **last = &parent->first;
  skip_blanks(r);
  if (take(r, close)) return true;
  do {
    text key = {0};
    skip_blanks(r);
    if (parent->kind == OBJECT) {
      if (!read_text(r, &key)) return false;
      skip_blanks(r);
      if (!take(r, ":")) return false;
    }
    json *member = read_value(r);
    if (!member) return false;
    member->key = key;
    *last = member;
    last = &member->next;
    skip_blanks(r);
  } while (take(r, ","));
  return take(r, close);
}

static json *read_value(reader *r) {
  // A stranger's brackets must not use up the stack.
  if (r->depth >= 64) return NULL;
  r->depth++;
  skip_blanks(r);
  json *value = room(sizeof *value);
  *value = (json){.from = r->at};
  bool good;
  if (take(r, "null")) value->kind = EMPTY, good = true;
  else if (take(r, "true") || take(r, "false")) value->kind = TRUTH, good = true;
  else if (take(r, "[")) value->kind = LIST, good = read_members(r, value, "]");
  else if (take(r, "{")) value->kind = OBJECT, good = read_members(r, value, "}");
  else if (r->at < r->end && *r->at == '"') value->kind = TEXT, good = read_text(r, &value->words);
  else value->kind = NUMBER, good = read_number(r);
  value->length = (size_t)(r->at - value->from);
  r->depth--;
  return good ? value : NULL;
}

const json *json_read(const uint8_t *bytes, size_t length) {
  reader r = {bytes, bytes + length, 0};
  if (!is_utf8(bytes, length)) return NULL;
  json *value = read_value(&r);
  skip_blanks(&r);
  return value && r.at == r.end ? value : NULL;
}

const json *json_get(const json *object, const char *key) {
  if (!object || object->kind != OBJECT) return NULL;
  size_t length = strlen(key);
  for (const json *member = object->first; member; member = member->next) {
    if (member->key.len == length && memcmp(member->key.ptr, key, length) == 0) return member;
  }
  return NULL;
}

bool json_list(const json *list, size_t *count) {
  *count = 0;
  if (!list || list->kind != LIST) return false;
  for (const json *member = list->first; member; member = member->next) ++*count;
  return true;
}

const json *json_at(const json *list, size_t index) {
  const json *member = list->first;
  while (member && index--) member = member->next;
  return member;
}

bool json_text(const json *value, text *to) {
  if (!value || value->kind != TEXT) return false;
  *to = copied_text(value->words);
  return true;
}

bool json_maybe_text(const json *value, bool *is_some, text *to) {
  *is_some = value && value->kind != EMPTY;
  return !*is_some || json_text(value, to);
}

bool json_maybe_whole(const json *value, bool *is_some, int64_t *to) {
  *is_some = value && value->kind != EMPTY;
  if (!*is_some) return true;
  if (value->kind != NUMBER || value->length > 18) return false;
  const uint8_t *digit = value->from, *end = value->from + value->length;
  bool negative = *digit == '-';
  *to = 0;
  for (digit += negative; digit < end; digit++) {
    if (*digit < '0' || *digit > '9') return false;
    *to = *to * 10 + (*digit - '0');
  }
  if (negative) *to = -*to;
  return true;
}

text json_source(const json *value) { return value ? copied_bytes(value->from, value->length) : copied("null"); }

// ---- Errors ---------------------------------------------------------------------------------------------------------

static bool fails(error *why, uint8_t tag, const char *code, text message) {
  memset(why, 0, sizeof *why);
  why->tag = tag;
  // Every case but `retry` is a failure, and a retry begins with one.
  why->val.retry.failure = (beffroi_plugin_types_failure_t){.code = copied(code), .message = message};
  return false;
}

static bool again(error *why, const char *code, text message, bool is_some, uint64_t not_before) {
  fails(why, BEFFROI_PLUGIN_TYPES_ERROR_RETRY, code, message);
  why->val.retry.not_before.is_some = is_some;
  why->val.retry.not_before.val = not_before;
  return false;
}

bool reject(error *why, const char *code, text message) {
  return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_REJECT, code, message);
}

static text unclear(void) {
  return pick("Le service n'a pas répondu clairement : la demande est peut-être passée. Regardez avant de recommencer.",
              "The service gave no clear answer: the request may have gone through. Look before doing it again.");
}

bool senseless(const request *what, error *why) {
  if (!what->harmless) return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_UNCERTAIN, "answer", unclear());
  text message = pick("Le service a donné une réponse incompréhensible. Beffroi réessaiera tout seul.",
                      "The service gave an answer that makes no sense. Beffroi will try again by itself.");
  return again(why, "answer", message, false, 0);
}

// ---- Settings and HTTP ----------------------------------------------------------------------------------------------

text setting(const char *name) {
  text all, value;
  beffroi_plugin_settings_get(&all);
  if (json_text(json_get(json_read(all.ptr, all.len), name), &value)) return value;
  return copied("");
}

buffer at(const char *path) {
  buffer url = {0};
  text service = setting("service");
  while (service.len && service.ptr[service.len - 1] == '/') service.len--;
  put_text(&url, service);
  put(&url, path);
  return url;
}

static bool unanswered(const request *what, beffroi_plugin_http_http_error_t *cause, error *why) {
  text said = copied_text(cause->val.lost);
  switch (cause->tag) {
    case BEFFROI_PLUGIN_HTTP_HTTP_ERROR_NOT_ALLOWED:
      return reject(why, "not-allowed", said);
    case BEFFROI_PLUGIN_HTTP_HTTP_ERROR_NO_CREDENTIAL:
      return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_RECONNECT, "no-credential", said);
    case BEFFROI_PLUGIN_HTTP_HTTP_ERROR_NOT_SENT:
      return again(why, "not-sent", said, false, 0);
    case BEFFROI_PLUGIN_HTTP_HTTP_ERROR_EXHAUSTED:
      return again(why, "exhausted", said, cause->val.exhausted.f1.is_some, cause->val.exhausted.f1.val);
    case BEFFROI_PLUGIN_HTTP_HTTP_ERROR_TOO_LARGE:
      if (what->harmless) return reject(why, "too-large", said);
      return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_UNCERTAIN, "too-large", said);
    default:
      if (what->harmless) return again(why, "lost", said, false, 0);
      return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_UNCERTAIN, "lost", said);
  }
}

// When the other side wants to be asked again: seconds from now, or seconds since 1970. A date in words is left to the daemon.
static bool rest(const beffroi_plugin_http_response_t *answer, uint64_t *until) {
  static const char *const NAMES[] = {"retry-after", "ratelimit-reset", "x-ratelimit-reset"};
  for (size_t n = 0; n < sizeof NAMES / sizeof *NAMES; n++) {
    for (size_t i = 0; i < answer->headers.len; i++) {
      const beffroi_plugin_http_header_t *header = &answer->headers.ptr[i];
      if (header->name.len != strlen(NAMES[n]) || memcmp(header->name.ptr, NAMES[n], header->name.len) != 0) continue;
      uint64_t seconds = 0;
      size_t digits = 0;
      while (digits < header->value.len && digits < 11 && header->value.ptr[digits] >= '0' && header->value.ptr[digits] <= '9') {
        seconds = seconds * 10 + (header->value.ptr[digits++] - '0');
      }
      if (!digits) continue;
      *until = seconds < 1000000000 ? beffroi_plugin_run_now() + seconds * 1000 : seconds * 1000;
      return true;
    }
  }
  return false;
}

static bool refused(const request *what, const beffroi_plugin_http_response_t *answer, error *why) {
  uint16_t status = answer->status;
  buffer code = {0};
  put(&code, "http-");
  put_whole(&code, status);
  put_bytes(&code, "", 1);
  if (status == 401 || status == 403) {
    text message = pick("Le service refuse cet accès. Reconnectez-le.", "The service refuses this access. Reconnect it.");
    return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_RECONNECT, code.bytes, message);
  }
  if (status == 408 || status == 425 || status == 429 || (status >= 500 && what->harmless)) {
    uint64_t until = 0;
    bool known = rest(answer, &until);
    text message = pick("Le service demande d'attendre. Beffroi réessaiera tout seul.", "The service asks to wait. Beffroi will try again by itself.");
    return again(why, code.bytes, message, known, until);
  }
  if (status >= 500) return fails(why, BEFFROI_PLUGIN_TYPES_ERROR_UNCERTAIN, code.bytes, unclear());
  return reject(why, code.bytes, pick("Le service refuse cette demande. Corrigez le contenu ou les réglages.", "The service refuses this request. Correct the content or the settings."));
}

bool sent(const request *what, const json **answer, error *why) {
  beffroi_plugin_http_header_t headers[2];
  size_t count = 0;
  beffroi_plugin_http_request_t out = {.method = copied(what->method), .url = written(what->url)};
  if (what->idempotency_key) {
    headers[count++] = (beffroi_plugin_http_header_t){copied("idempotency-key"), *what->idempotency_key};
  }
  out.body.tag = BEFFROI_PLUGIN_HTTP_BODY_EMPTY;
  if (what->body) {
    headers[count++] = (beffroi_plugin_http_header_t){copied("content-type"), copied("application/json")};
    out.body.tag = BEFFROI_PLUGIN_HTTP_BODY_BYTES;
    out.body.val.bytes = (project_list_u8_t){(uint8_t *)what->body->bytes, what->body->length};
  }
  out.headers = (beffroi_plugin_http_list_header_t){headers, count};
  if (what->credential) {
    out.credential.is_some = true;
    out.credential.val = copied(what->credential);
  }
  beffroi_plugin_http_response_t response;
  beffroi_plugin_http_http_error_t cause;
  if (!beffroi_plugin_http_send(&out, &response, &cause)) return unanswered(what, &cause, why);
  if (response.status < 200 || response.status > 299) return refused(what, &response, why);
  *answer = json_read(response.body.ptr, response.body.len);
  return *answer ? true : senseless(what, why);
}
