// Reads the products of a service with a small JSON interface: replace it by the shop you want to read.
import { maybe, send, settings, text, whole } from "./beffroi.js";

function read(page) {
  const url = `${settings().service.replace(/\/$/, "")}/products`;
  return send("GET", url, { credential: "token", query: page === null ? {} : { page } });
}

function item(product) {
  const [minor, currency] = [whole(product.cents), maybe(product.currency)];
  return {
    sku: text(product.sku),
    title: text(product.title),
    available: whole(product.stock),
    price: minor === null || currency === null ? null : { minor, currency },
    was: null,
    url: maybe(product.url),
    image: null,
    category: null,
    attributes: [],
  };
}

export const plugin = {
  check() {
    read(null);
    return "{{title}}";
  },
};

export const stock = {
  poll(since) {
    return read(since).json((page) => {
      // Page by page the whole catalog; the last page leaves no cursor, and so the next read begins anew.
      const next = maybe(page.next);
      const more = next !== null && next !== since;
      return { items: page.products.map(item), removed: [], changes: false, next: more ? next : null, more };
    });
  },
};
