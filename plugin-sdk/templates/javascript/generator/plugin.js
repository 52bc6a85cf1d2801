// Has texts written by a service with a small JSON interface: replace it by the one you want to use.
import { send, settings, text, whole } from "./beffroi.js";

const credential = "token";
const at = (path) => settings().service.replace(/\/$/, "") + path;

export const plugin = {
  check: () => send("GET", at("/me"), { credential }).json((me) => text(me.name)),
};

export const generate = {
  generate(prompt) {
    const question = {
      instructions: prompt.instructions,
      task: prompt.task,
      facts: Object.fromEntries(prompt.facts.map((fact) => [fact.name, fact.value])),
      variants: prompt.variants,
      max_characters: prompt.maxCharacters ?? null,
      language: prompt.language,
    };
    // Asking twice costs twice, and does no harm otherwise.
    const answer = send("POST", at("/generate"), { credential, json: question, harmless: true });
    return answer.json((written) => ({
      texts: written.texts.slice(0, prompt.variants).map(text),
      usage: {
        model: text(written.model),
        inputTokens: whole(written.input_tokens) ?? 0,
        outputTokens: whole(written.output_tokens) ?? 0,
        costMicros: whole(written.cost_micros),
      },
    }));
  },
};
