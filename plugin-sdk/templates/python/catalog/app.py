"""Reads the products of a service with a small JSON interface: replace it by the shop you want to read."""

from beffroi import maybe, send, settings, text, whole
from wit_world import exports
from wit_world.exports import stock


def read(page):
    url = settings()["service"].rstrip("/") + "/products"
    return send("GET", url, credential="token", query={} if page is None else {"page": page})


def item(product):
    minor, currency = whole(product.get("cents")), maybe(product.get("currency"))
    return stock.Item(
        sku=text(product["sku"]),
        title=text(product["title"]),
        available=whole(product.get("stock")),
        price=None if minor is None or currency is None else stock.Price(minor, currency),
        was=None,
        url=maybe(product.get("url")),
        image=None,
        category=None,
        attributes=[],
    )


class Plugin(exports.Plugin):
    def check(self):
        read(None)
        return "{{title}}"


class Stock(exports.Stock):
    def poll(self, since):
        def page(found):
            # Page by page the whole catalog; the last page leaves no cursor, and so the next read begins anew.
            following = maybe(found.get("next"))
            more = following is not None and following != since
            return stock.Page([item(p) for p in found["products"]], [], False, following if more else None, more)

        return read(since).json(page)
