// HTTP with the default meaning of answers, errors by what the daemon does next, and text as UTF-8.
//
// In: a request. Out: the answer, or a thrown error of the contract: retry, reconnect, reject, uncertain, internal.
// Never: repeats a request, or sees a secret; a request names a credential and the host adds it.

import host from "beffroi:plugin/http@0.1.0";
import run from "beffroi:plugin/run@0.1.0";
import settingsOf from "beffroi:plugin/settings@0.1.0";

/** The sentence in the firm's language. */
export const pick = (fr, en) => (run.language().startsWith("fr") ? fr : en);

/** What the owner filled in. */
export const settings = () => JSON.parse(settingsOf.get());

const failure = (code, message) => ({ code, message, attributes: [] });

/** Passing: the daemon makes the same call again, not before the moment given. */
export const retry = (code, message, notBefore = null) => ({ tag: "retry", val: { failure: failure(code, message), notBefore } });
/** The credential does not work: the account pauses, and the owner is asked. */
export const reconnect = (code, message) => ({ tag: "reconnect", val: failure(code, message) });
/** Final for this input. */
export const reject = (code, message) => ({ tag: "reject", val: failure(code, message) });
/** It left, and may have taken effect. */
export const uncertain = (code, message) => ({ tag: "uncertain", val: failure(code, message) });

/**
 * Sends a request and gives { status, header(name), text, json() } for 200 to 299 and 304; throws for all else.
 * `harmless` says that sending it twice does no more than sending it once; reading is always so.
 */
export function send(method, url, { credential = null, headers = {}, json, query = {}, harmless = method === "GET" } = {}) {
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  let body = { tag: "empty" };
  if (json !== undefined) {
    body = { tag: "bytes", val: encode(JSON.stringify(json)) };
    list.push({ name: "content-type", value: "application/json" });
  }
  const words = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  if (words.length) url += (url.includes("?") ? "&" : "?") + words.join("&");
  let answer;
  try {
    answer = host.send({ method, url, headers: list, body, credential });
  } catch (error) {
    throw unanswered(error, harmless);
  }
  if ((answer.status < 200 || answer.status > 299) && answer.status !== 304) throw refused(answer, harmless);
  const text = decode(answer.body);
  return {
    status: answer.status,
    text,
    header: (name) => header(answer, name),
    /** What `read` makes of the body as JSON. Whatever it throws means that the answer makes no sense. */
    json(read) {
      try {
        return read(JSON.parse(text));
      } catch {
        // Said below.
      }
      if (harmless) throw retry("answer", pick("Le service a donné une réponse incompréhensible. Beffroi réessaiera tout seul.", "The service gave an answer that makes no sense. Beffroi will try again by itself."));
      throw uncertain("answer", unclear());
    },
  };
}

/** What it means that there is no answer. */
function unanswered(error, harmless) {
  const { tag, val } = error?.payload ?? error;
  switch (tag) {
    case "not-allowed":
      return reject(tag, val);
    case "no-credential":
      return reconnect(tag, val);
    case "not-sent":
      return retry(tag, val);
    case "exhausted":
      return retry(tag, val[0], val[1] ?? null);
    case "lost":
      return harmless ? retry(tag, val) : uncertain(tag, val);
    case "too-large":
      return harmless ? reject(tag, val) : uncertain(tag, val);
    default:
      return { tag: "internal", val: failure("http", String(error)) };
  }
}

/** What it means that the answer is no. */
function refused(answer, harmless) {
  const { status } = answer;
  const code = `http-${status}`;
  if (status === 401 || status === 403) {
    return reconnect(code, pick(`Le service refuse cet accès (réponse ${status}). Reconnectez-le.`, `The service refuses this access (answer ${status}). Reconnect it.`));
  }
  if ([408, 425, 429].includes(status) || (status >= 500 && harmless)) {
    return retry(code, pick(`Le service demande d'attendre (réponse ${status}). Beffroi réessaiera tout seul.`, `The service asks to wait (answer ${status}). Beffroi will try again by itself.`), retryAt(answer));
  }
  if (status >= 500) return uncertain(code, unclear());
  return reject(code, pick(`Le service refuse cette demande (réponse ${status}). Corrigez le contenu ou les réglages.`, `The service refuses this request (answer ${status}). Correct the content or the settings.`));
}

const unclear = () =>
  pick("Le service n'a pas répondu clairement : la demande est peut-être passée. Regardez avant de recommencer.", "The service gave no clear answer: the request may have gone through. Look before doing it again.");

const header = (answer, name) => answer.headers.find((h) => h.name.toLowerCase() === name)?.value;

/** When the other side wants to be asked again. */
function retryAt(answer) {
  const text = header(answer, "retry-after") ?? header(answer, "ratelimit-reset") ?? header(answer, "x-ratelimit-reset");
  if (text === undefined) return null;
  const number = Number(text);
  if (Number.isNaN(number)) return Date.parse(text) || null;
  if (number < 0) return null;
  // A length of time, an instant in seconds, or one in milliseconds.
  return Math.ceil(number < 1e9 ? run.now() + number * 1000 : number < 1e11 ? number * 1000 : number);
}

/** A text that has to be there. */
export function text(value) {
  if (typeof value === "string") return value;
  throw new TypeError("no text");
}

/** A text that may be missing. */
export const maybe = (value) => (value === undefined || value === null ? null : text(value));

/** A whole number that may be missing. */
export function whole(value) {
  if (value === undefined || value === null) return null;
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError("no whole number");
}

/** A text as UTF-8. */
export function encode(text) {
  const bytes = [];
  for (const letter of text) {
    let code = letter.codePointAt(0);
    // Half of a pair means nothing alone.
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return new Uint8Array(bytes);
}

/** UTF-8 as a text; what is no UTF-8 is replaced. */
export function decode(bytes) {
  const letters = [];
  let pending = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    const more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
    let code = more < 0 ? 0xfffd : more === 0 ? first : first & (0x3f >> more);
    for (let left = more; left > 0; left--) {
      if (at >= bytes.length || (bytes[at] & 0xc0) !== 0x80) {
        code = 0xfffd;
        break;
      }
      code = (code << 6) | (bytes[at++] & 63);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) code = 0xfffd;
    letters.push(String.fromCodePoint(code));
    if (letters.length === 4096) {
      pending += letters.join("");
      letters.length = 0;
    }
  }
  return pending + letters.join("");
}
