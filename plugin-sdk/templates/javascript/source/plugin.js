// Reads items of a service with a small JSON interface: replace it by the one you want to read.
import { maybe, send, settings, text, whole } from "./beffroi.js";

function read(since) {
  const url = `${settings().service.replace(/\/$/, "")}/items`;
  return send("GET", url, { credential: "token", query: since === null ? {} : { since } });
}

const signal = (item) => ({
  id: text(item.id),
  title: text(item.title),
  summary: maybe(item.summary) ?? "",
  url: maybe(item.url),
  // In milliseconds since 1970; Date.parse reads the dates that services write.
  published: whole(item.published),
  attributes: [],
});

export const plugin = {
  check() {
    read(null);
    return "{{title}}";
  },
};

export const feed = {
  poll(since) {
    return read(since).json((page) => ({
      signals: page.items.map(signal),
      // Without a new cursor the old one stays good.
      next: maybe(page.next) ?? since,
      unchanged: false,
    }));
  },
};
