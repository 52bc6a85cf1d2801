"""Posts to a service with a small JSON interface: replace it by the one you want to reach."""

from beffroi import maybe, pick, send, settings, text
from wit_world import exports
from wit_world.imports.post_types import Finding_Absent, Finding_Online, Outcome_Online, Problem, Receipt

LONGEST = 500


def at(path):
    """An address at the service."""
    return settings()["service"].rstrip("/") + path


def receipt(online):
    return Receipt(text(online["id"]), maybe(online.get("url")))


class Plugin(exports.Plugin):
    def check(self):
        return send("GET", at("/me"), credential="token").json(lambda me: text(me["name"]))


class Publish(exports.Publish):
    def validate(self, post):
        problems = []
        long = len(post.text)
        if not post.text.strip():
            problems.append(Problem("text-empty", pick("Le texte est vide. Écrivez-en un.", "The text is empty. Write one.")))
        if long > LONGEST:
            fr = f"Le texte a {long} caractères ; {LONGEST} au plus. Raccourcissez-le."
            en = f"The text has {long} characters; {LONGEST} at most. Shorten it."
            problems.append(Problem("text-too-long", pick(fr, en)))
        return problems

    def publish(self, delivery, post, prepared):
        # The service remembers the key: should this be sent twice, there is one post.
        answer = send(
            "POST",
            at("/posts"),
            credential="token",
            headers={"idempotency-key": delivery},
            body={"key": delivery, "text": post.text, "link": post.link},
        )
        return answer.json(lambda online: Outcome_Online(receipt(online)))


class Lookup(exports.Lookup):
    def find(self, delivery, post, prepared):
        answer = send("GET", at("/posts"), credential="token", query={"key": delivery})

        def finding(page):
            return Finding_Online(receipt(page["posts"][0])) if page["posts"] else Finding_Absent()

        return answer.json(finding)
