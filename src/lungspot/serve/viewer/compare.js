// A prior film of the same patient, or any other film of the worklist: to the left of the open one, or over it up to a line.

import { makeReady } from "./ahead.js";
import { fill, make, one, say } from "./dom.js";
import { shortName } from "./names.js";
import { load } from "./opening.js";
import { secret } from "./scene.js";

/** Turn the comparison on or off. `then` is the stage of the other film. */
export function comparison(store, then) {
  const { state } = store;

  const room = one("stages");
  new ResizeObserver(() => room.classList.toggle("stacked", room.clientHeight > room.clientWidth)).observe(room); // two films are larger so

  let choices = 0;

  async function choose(id) {
    if (id === state.compare) return; // it is there, or on its way: a second answer would undo zoom and window
    choices += 1;
    const mine = choices;
    store.set({ compare: id, prior: null });
    if (id === NONE) return;
    const open = state.id;
    const wanted = () => state.compare === id && state.id === open && mine === choices;
    makeReady(id); // its pixels come beside its result
    try {
      const loaded = await load(id, wanted);
      if (!loaded?.film) return loaded && say("That film has no picture to compare with");
      store.set({ prior: { ...loaded, window: loaded.presets[0].window } });
      then.show(loaded.reading.frame, { turns: loaded.reading.correction.quarter_turns, flip: false });
    } catch (error) {
      if (!wanted()) return;
      store.set({ compare: NONE });
      say(error.message);
    }
  }

  const listed = () => {
    const name = (row) => shortName(state, row);
    const priors = state.reading.priors.map((each) => ({ id: each.id, text: `${name(each)}: ${when(each, state.model)}` }));
    const known = new Set([state.id, ...priors.map((each) => each.id)]);
    const others = state.rows
      .filter((row) => !known.has(row.id) && row.state === "done")
      .map((row) => ({ id: row.id, text: name(row) }));
    return { priors, others };
  };

  store.listen(["compare", "prior", "reading", "teach", "revealed", "over"], () => {
    one("then").hidden = !state.compare;
    room.classList.toggle("both", Boolean(state.compare) && !state.over);
    room.classList.toggle("over", Boolean(state.compare && state.over));
    if (!state.compare) return then.show(null);
    const caption = one("then").querySelector("figcaption");
    const held = caption.contains(document.activeElement) && document.activeElement.localName; // the keyboard stays where it is
    const { priors, others } = listed();
    const entries = (list) =>
      list.map((each) => make("option", { value: each.id, selected: each.id === state.compare }, each.text));
    const group = (label, list) => (list.length ? make("optgroup", { label }, ...entries(list)) : null);
    fill(
      caption,
      make(
        "select",
        { "aria-label": "Film to compare with", onchange: (event) => choose(event.target.value) },
        ...[
          state.compare === NONE ? make("option", { value: NONE, selected: true }, "choose a film…") : null,
          group("Same patient", priors),
          group("Other films", others),
        ].filter(Boolean),
      ),
      make(
        "button",
        { type: "button", id: "over", "aria-pressed": String(state.over), title: "One over the other (Shift+P)", onclick: over },
        "Over",
      ),
      state.over ? slider(store) : null,
      make("p", {}, remark(priors)),
    );
    if (held) caption.querySelector(held)?.focus();
    const found = secret(state) ? null : state.prior?.reading.headline;
    one("prior").setAttribute("aria-label", found ? `Film to compare with: ${found}` : "Film to compare with");
  });

  function remark(priors) {
    const known = state.compare === NONE || priors.some((each) => each.id === state.compare);
    const parts = known ? [] : ["not known to be the same patient"];
    if (state.prior?.reading.status === "not_assessed") parts.push(state.model.not_assessed.toLowerCase());
    return parts.join("; ");
  }

  function over() {
    store.set({ over: !state.over });
    say(state.over ? "Prior film over this one, left of the line" : "Films side by side");
  }

  return {
    /** One over the other, or side by side; opens the comparison first. */
    over() {
      if (!state.compare) this.toggle();
      if (state.compare) over();
    },
    toggle() {
      if (!state.reading) return;
      if (state.compare) return store.set({ compare: null, prior: null });
      const { priors, others } = listed();
      if (!priors.length && !others.length) return say("There is no other film to compare with");
      if (!state.reading.priors.some(earlier)) say("No earlier film of the same patient is known; choose one");
      choose(state.reading.priors.find(earlier)?.id ?? NONE);
    },
  };
}

const NONE = "none"; // no film is chosen yet: another patient's is never shown unasked

/** Whether a film of the same patient is not known to be later: the server puts the nearest earlier one first. */
const earlier = ({ days_earlier: days }) => days === null || days >= 0;

/** Where the line stands between the prior film and the open one. */
function slider(store) {
  const input = make("input", {
    id: "split",
    type: "range",
    min: "0",
    max: "100",
    value: String(Math.round(100 * store.state.split)),
    "aria-label": "Prior film left of the line, per cent of the picture",
    oninput: () => store.set({ split: Number(input.value) / 100 }),
  });
  return input;
}

function when({ days_earlier: days, status }, model) {
  const word =
    days === null
      ? "date unknown"
      : days > 0
        ? `${days} days earlier`
        : days < 0
          ? `${-days} days later`
          : "the same day";
  return status === "not_assessed" ? `${word}, ${model.not_assessed.toLowerCase()}` : word;
}
