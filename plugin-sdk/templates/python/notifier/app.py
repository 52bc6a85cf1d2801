"""Tells people by a service with a small JSON interface: replace it by the one you want to use."""

from beffroi import send, settings, text
from wit_world import exports
from wit_world.imports.post_types import Receipt


def at(path):
    """An address at the service."""
    return settings()["service"].rstrip("/") + path


class Plugin(exports.Plugin):
    def check(self):
        return send("GET", at("/me"), credential="token").json(lambda me: text(me["name"]))


class Notify(exports.Notify):
    def notify(self, delivery, notice):
        # The service remembers the key: should this be sent twice, one message arrives.
        answer = send(
            "POST",
            at("/messages"),
            credential="token",
            headers={"idempotency-key": delivery},
            body={"title": notice.title, "text": notice.text},
        )
        return answer.json(lambda sent: Receipt(text(sent["id"]), None))
