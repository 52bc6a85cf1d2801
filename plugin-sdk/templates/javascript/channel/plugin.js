// Posts to a service with a small JSON interface: replace it by the one you want to reach.
import { maybe, pick, send, settings, text } from "./beffroi.js";

const LONGEST = 500;
const credential = "token";
const at = (path) => settings().service.replace(/\/$/, "") + path;
const receipt = (online) => ({ tag: "online", val: { remoteId: text(online.id), url: maybe(online.url) } });

export const plugin = {
  check: () => send("GET", at("/me"), { credential }).json((me) => text(me.name)),
};

export const publish = {
  validate(post) {
    const problems = [];
    const long = [...post.text].length;
    if (!post.text.trim()) {
      problems.push({ code: "text-empty", message: pick("Le texte est vide. Écrivez-en un.", "The text is empty. Write one.") });
    }
    if (long > LONGEST) {
      problems.push({
        code: "text-too-long",
        message: pick(`Le texte a ${long} caractères ; ${LONGEST} au plus. Raccourcissez-le.`, `The text has ${long} characters; ${LONGEST} at most. Shorten it.`),
      });
    }
    return problems;
  },

  publish(delivery, post, prepared) {
    // The service remembers the key: should this be sent twice, there is one post.
    const answer = send("POST", at("/posts"), {
      credential,
      headers: { "idempotency-key": delivery },
      json: { key: delivery, text: post.text, link: post.link ?? null },
    });
    return answer.json(receipt);
  },
};

export const lookup = {
  find(delivery, post, prepared) {
    const answer = send("GET", at("/posts"), { credential, query: { key: delivery } });
    return answer.json(({ posts: [first] }) => (first ? receipt(first) : { tag: "absent" }));
  },
};
