"""Has texts written by a service with a small JSON interface: replace it by the one you want to use."""

from beffroi import send, settings, text, whole
from wit_world import exports
from wit_world.exports.generate import Generation, Usage


def at(path):
    """An address at the service."""
    return settings()["service"].rstrip("/") + path


class Plugin(exports.Plugin):
    def check(self):
        return send("GET", at("/me"), credential="token").json(lambda me: text(me["name"]))


class Generate(exports.Generate):
    def generate(self, prompt):
        question = {
            "instructions": prompt.instructions,
            "task": prompt.task,
            "facts": {fact.name: fact.value for fact in prompt.facts},
            "variants": prompt.variants,
            "max_characters": prompt.max_characters,
            "language": prompt.language,
        }
        # Asking twice costs twice, and does no harm otherwise.
        answer = send("POST", at("/generate"), credential="token", body=question, harmless=True)

        def generation(written):
            usage = Usage(
                text(written["model"]),
                whole(written.get("input_tokens")) or 0,
                whole(written.get("output_tokens")) or 0,
                whole(written.get("cost_micros")),
            )
            return Generation([text(one) for one in written["texts"][: prompt.variants]], usage)

        return answer.json(generation)
