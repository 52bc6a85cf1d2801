// Tells people by a service with a small JSON interface: replace it by the one you want to use.
import { send, settings, text } from "./beffroi.js";

const credential = "token";
const at = (path) => settings().service.replace(/\/$/, "") + path;

export const plugin = {
  check: () => send("GET", at("/me"), { credential }).json((me) => text(me.name)),
};

export const notify = {
  notify(delivery, notice) {
    // The service remembers the key: should this be sent twice, one message arrives.
    const answer = send("POST", at("/messages"), {
      credential,
      headers: { "idempotency-key": delivery },
      json: { title: notice.title, text: notice.text },
    });
    return answer.json((sent) => ({ remoteId: text(sent.id), url: null }));
  },
};
