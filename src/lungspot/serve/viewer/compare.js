// Side by side: a prior film of the same patient, or any other film of the worklist, with its own window.

import { make, one, say } from "./dom.js";
import { shortName } from "./names.js";
import { load } from "./opening.js";
import { secret } from "./scene.js";

/** Turn the comparison on or off. `then` is the stage of the other film. */
export function comparison(store, then) {
  const { state } = store;

  async function choose(id) {
    store.set({ compare: id, prior: null });
    const open = state.id;
    const wanted = () => state.compare === id && state.id === open;
    try {
      const loaded = await load(id, wanted);
      if (!loaded?.film) return loaded && say("That film has no picture to compare with");
      store.set({ prior: { ...loaded, window: loaded.presets[0].window } });
      then.show(loaded.reading.frame, { turns: loaded.reading.correction.quarter_turns, flip: false });
    } catch (error) {
      say(error.message);
    }
  }

  const options = () => {
    const name = (row) => shortName(state, row);
    const priors = state.reading.priors.map((each) => ({ id: each.id, text: `${name(each)}: ${when(each)}` }));
    const known = new Set([state.id, ...priors.map((each) => each.id)]);
    const others = state.rows
      .filter((row) => !known.has(row.id) && row.state === "done")
      .map((row) => ({ id: row.id, text: name(row) }));
    return { priors, others };
  };

  store.listen(["compare", "prior", "reading", "teach", "revealed"], () => {
    one("then").hidden = !state.compare;
    if (!state.compare) return then.show(null);
    const caption = one("then").querySelector("figcaption");
    const { priors, others } = options();
    const entries = (list) =>
      list.map((each) => make("option", { value: each.id, selected: each.id === state.compare }, each.text));
    const group = (label, list) => (list.length ? make("optgroup", { label }, ...entries(list)) : null);
    caption.replaceChildren(
      make(
        "select",
        { "aria-label": "Film to compare with", onchange: (event) => choose(event.target.value) },
        ...[group("Same patient", priors), group("Other films", others)].filter(Boolean),
      ),
      make("p", {}, remark(priors)),
    );
    const found = secret(state) ? null : state.prior?.reading.headline;
    one("prior").setAttribute("aria-label", found ? `Film to compare with: ${found}` : "Film to compare with");
  });

  function remark(priors) {
    const parts = priors.some((each) => each.id === state.compare) ? [] : ["not known to be the same patient"];
    if (state.prior?.reading.status === "not_assessed") parts.push("not assessed");
    return parts.join("; ");
  }

  return {
    toggle() {
      if (!state.reading) return;
      if (state.compare) return store.set({ compare: null, prior: null });
      const { priors, others } = options();
      const first = priors[0] ?? others[0];
      if (!first) return say("There is no other film to compare with");
      if (!priors.length) say("No film of the same patient is known; another film is shown");
      choose(first.id);
    },
  };
}

function when({ days_earlier: days, status }) {
  const word =
    days === null
      ? "date unknown"
      : days > 0
        ? `${days} days earlier`
        : days < 0
          ? `${-days} days later`
          : "the same day";
  return status === "not_assessed" ? `${word}, not assessed` : word;
}
