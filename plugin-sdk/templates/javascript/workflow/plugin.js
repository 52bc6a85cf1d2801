// Suggests an entry of the library for each account, as a draft that waits for a yes.
import desk from "beffroi:plugin/desk@0.1.0";
import { pick, reject } from "./beffroi.js";

// Each function of the desk throws a sentence when it refuses.
function ask(name, ...given) {
  try {
    return desk[name](...given);
  } catch (error) {
    throw reject("desk", String(error?.payload ?? error));
  }
}

export const plugin = {
  check: () => "{{title}}",
};

export const workflow = {
  run(trigger) {
    const run = ask("runId");
    const accounts = JSON.parse(ask("runAccounts"));
    let planned = 0;
    for (const account of accounts) {
      const next = JSON.parse(ask("libraryNext", account, null));
      if (!next.item) continue;
      const post = { item: next.item, account, draft: true, once: `${run}-${account}`, why: next.why };
      if (ask("postsPlan", JSON.stringify(post))) planned += 1;
    }
    return pick(`${planned} brouillons pour ${accounts.length} comptes.`, `${planned} drafts for ${accounts.length} accounts.`);
  },
};
