"""Reads items of a service with a small JSON interface: replace it by the one you want to read."""

from beffroi import maybe, send, settings, text, whole
from wit_world import exports
from wit_world.exports import feed


def read(since):
    url = settings()["service"].rstrip("/") + "/items"
    return send("GET", url, credential="token", query={} if since is None else {"since": since})


def signal(item):
    return feed.Signal(
        id=text(item["id"]),
        title=text(item["title"]),
        summary=maybe(item.get("summary")) or "",
        url=maybe(item.get("url")),
        # In milliseconds since 1970; datetime reads the dates that services write.
        published=whole(item.get("published")),
        attributes=[],
    )


class Plugin(exports.Plugin):
    def check(self):
        read(None)
        return "{{title}}"


class Feed(exports.Feed):
    def poll(self, since):
        def page(found):
            # Without a new cursor the old one stays good.
            following = maybe(found.get("next"))
            return feed.Page([signal(item) for item in found["items"]], since if following is None else following, False)

        return read(since).json(page)
