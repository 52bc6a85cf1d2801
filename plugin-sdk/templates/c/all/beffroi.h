// What a plugin in C is written with: JSON, HTTP with the default meaning of answers, errors by what the daemon does next.
//
// Each call of a plugin is an instance of its own, and its memory goes with it: nothing is freed here. What goes back to the host is
// freed by the bindings, so each text that is returned has to be a copy of its own; all functions below give copies.

#pragma once

#include "bindings/project.h"

typedef project_string_t text;
typedef beffroi_plugin_types_error_t error;

// ---- Texts ----------------------------------------------------------------------------------------------------------

// A copy of a text.
text copied(const char *words);
text copied_text(text other);
// The sentence in the firm's language, as a copy.
text pick(const char *fr, const char *en);
// Whether a text is nothing but blanks.
bool blank(text words);
// How many characters a text has.
size_t characters(text words);

// A text that grows.
typedef struct {
  char *bytes;
  size_t length, room;
} buffer;

void put(buffer *to, const char *words);
void put_text(buffer *to, text words);
void put_whole(buffer *to, int64_t number);
// As JSON, between quotes; `null` where there is none.
void put_json(buffer *to, text words);
void put_json_or_null(buffer *to, bool is_some, text words);
// Escaped for the query of an address.
void put_query(buffer *to, text words);
text written(buffer from);

// ---- JSON -----------------------------------------------------------------------------------------------------------

typedef struct json json;

// NULL when it is no JSON, or no UTF-8.
const json *json_read(const uint8_t *bytes, size_t length);
// A member of an object; NULL when there is none.
const json *json_get(const json *object, const char *key);
// How many members a list has; false when it is no list.
bool json_list(const json *list, size_t *count);
const json *json_at(const json *list, size_t index);
// A copy of a text, which has to be there.
bool json_text(const json *value, text *to);
// A text or a whole number that may be missing or null; false when it is something else.
bool json_maybe_text(const json *value, bool *is_some, text *to);
bool json_maybe_whole(const json *value, bool *is_some, int64_t *to);
// The JSON of a value, as a copy.
text json_source(const json *value);

// ---- Settings and HTTP ----------------------------------------------------------------------------------------------

// A setting of the manifest that is a text.
text setting(const char *name);
// The address of `path` at the service named by the setting `service`.
buffer at(const char *path);

typedef struct {
  const char *method;
  buffer url;
  // NULL: none.
  const char *credential;
  // NULL: none. What makes the remote take two sendings for one.
  const text *idempotency_key;
  // JSON; NULL: no body.
  const buffer *body;
  // Sending it twice does no more than sending it once; reading is always so.
  bool harmless;
} request;

// Sends it. True for 200 to 299 with JSON in the answer; false, with the error, for all else.
bool sent(const request *what, const json **answer, error *why);
// The answer makes no sense, after a request like this one. Always false.
bool senseless(const request *what, error *why);
// Final for this input. Always false.
bool reject(error *why, const char *code, text message);
