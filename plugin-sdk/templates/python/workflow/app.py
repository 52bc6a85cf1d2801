"""Suggests an entry of the library for each account, as a draft that waits for a yes."""

import json

from beffroi import pick, reject
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import desk


def ask(function, *given):
    """Each function of the desk raises a sentence when it refuses."""
    try:
        return function(*given)
    except Err as refusal:
        raise reject("desk", refusal.value) from None


class Plugin(exports.Plugin):
    def check(self):
        return "{{title}}"


class Workflow(exports.Workflow):
    def run(self, trigger):
        run = ask(desk.run_id)
        accounts = json.loads(ask(desk.run_accounts))
        planned = 0
        for account in accounts:
            following = json.loads(ask(desk.library_next, account, None))
            if not following["item"]:
                continue
            post = {"item": following["item"], "account": account, "draft": True, "once": f"{run}-{account}", "why": following["why"]}
            if ask(desk.posts_plan, json.dumps(post)):
                planned += 1
        return pick(f"{planned} brouillons pour {len(accounts)} comptes.", f"{planned} drafts for {len(accounts)} accounts.")
