// What the reader can do with the open film, each by key, by button and by mouse alike.

import * as api from "./api.js";
import { say } from "./dom.js";
import { compassOnFilm, dragBox, pan, toFilm, zoomAt } from "./geometry.js";
import { askLabel } from "./labelling.js";
import { together } from "./places.js";
import { POINTS, labelOf, listed, places, sureness, verdicts } from "./scene.js";
import { facingWords, isStored } from "./upright.js";
import * as verdict from "./verdicts.js";
import { clamp, dragged } from "./window.js";

const counted = (count) => (count === 1 ? "1 finding" : `${count} findings`);

/** The acts on findings and boxes. `form()` gives {reader, note, complete}; `after` hears of what was done. */
export function findingActs(store, { form, after }) {
  const { state } = store;
  const held = () => (state.teach ? "practice" : "review");
  const focused = () => verdicts(state).items.find((item) => item.key === state.focus) ?? null;
  const put = (next) => store.set({ [held()]: next, saved: held() === "review" ? "not saved" : state.saved });
  const locked = () => !state.reading || !state.film || Boolean(state.revealed);

  function focus(key) {
    store.set({ focus: key, editing: false });
    const item = focused();
    if (item) say(`${labelOf(state, item.label).name}, ${sureness(state, item)}, ${item.verdict}`);
  }

  function judge(key, word) {
    if (locked() || key === null) return;
    put(verdict.judge(verdicts(state), key, word, together(places(state), key, word).slice(1)));
    const item = verdicts(state).items.find((each) => each.key === key);
    say(item ? `${labelOf(state, item.label).name}: ${item.verdict}` : "removed");
    if (!item) store.set({ focus: null, editing: false });
  }

  function step(by) {
    const keys = listed(state).map((item) => item.key);
    if (!keys.length) return;
    const at = keys.indexOf(state.focus);
    focus(keys[(at < 0 ? (by > 0 ? 0 : keys.length - 1) : at + by + keys.length) % keys.length]);
  }

  function edit(key) {
    if (locked() || key === null) return;
    store.set({ focus: key, editing: !(state.editing && state.focus === key) });
  }

  function shape(key, box, final) {
    if (!final) return store.set({ reshaped: { key, box } });
    store.set({ reshaped: null });
    put(verdict.reshape(verdicts(state), key, box));
  }

  /** A box is drawn; once it is whole, its label is asked for: none is given unasked. */
  async function draw(box, final) {
    if (locked()) return;
    store.set({ draft: { key: "draft", box, colour: "#ffffff", text: "" } });
    if (!final) return;
    const { reading } = state;
    const large = box[2] - box[0] >= 2 && box[3] - box[1] >= 2;
    const label = large ? await askLabel(state, state.recent) : null;
    if (state.reading !== reading || locked()) return;
    store.set({ draft: null });
    if (!label) return large && say("No box was drawn");
    used(label);
    put(verdict.add(verdicts(state), label, box));
    const item = verdicts(state).items.at(-1);
    store.set({ focus: item.key, editing: true, tool: state.tool === "draw" ? state.toolBefore : state.tool });
    say(`Drawn: ${labelOf(state, label).name}. L changes the label, arrows move the box.`);
  }

  /** Arrows in edit mode: move by one screen pixel, ten with Ctrl; with Shift the lower right corner. */
  function nudge(event) {
    const item = focused();
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!state.editing || !item || !by || locked()) return false;
    const length = event.ctrlKey || event.metaKey ? 10 : 2;
    const { view } = after.stage();
    const [from, to] = [toFilm(view, { x: 0, y: 0 }), toFilm(view, { x: by[0] * length, y: by[1] * length })];
    const handle = event.shiftKey ? compassOnFilm(view, "se") : "move";
    const box = dragBox(item.box, handle, to.x - from.x, to.y - from.y, state.reading.frame);
    put(verdict.reshape(verdicts(state), item.key, box));
    return true;
  }

  function hide(key) {
    if (key === null) return;
    const hidden = new Set(state.hidden);
    if (!hidden.delete(key)) hidden.add(key);
    store.set({ hidden });
  }

  function back(then, word) {
    if (locked()) return;
    const before = verdicts(state);
    put(then(before));
    const told = verdict.changes(before, verdicts(state), (label) => labelOf(state, label).name);
    say(told.length ? `${word}: ${told.slice(0, 3).join("; ")}${told.length > 3 ? `; and ${told.length - 3} more` : ""}` : `Nothing to be ${word.toLowerCase()}`);
    if (!focused()) store.set({ focus: null, editing: false });
  }

  /** Ask for another label of a box. */
  async function rename(key) {
    const item = verdicts(state).items.find((each) => each.key === key);
    if (locked() || !item || item.verdict === "rejected") return;
    const { reading } = state;
    const label = await askLabel(state, state.recent, item.label);
    if (!label || state.reading !== reading || locked()) return;
    used(label);
    put(verdict.rename(verdicts(state), key, label));
    say(`Label: ${labelOf(state, label).name}`);
  }

  const used = (label) => store.set({ recent: [label, ...state.recent.filter((each) => each !== label)].slice(0, 5) });

  /** Say the same of every listed box that has no verdict yet; returns how many names that were. */
  function judgeRest(word) {
    const open = listed(state).filter((item) => item.verdict === "open");
    const keys = open.flatMap((item) => together(places(state), item.key, word));
    if (open.length) put(verdict.judgeOpen(verdicts(state), keys, word));
    return open.length;
  }

  function acceptAll() {
    if (locked() || state.teach) return;
    const count = judgeRest("accepted");
    say(count ? `Accepted: ${counted(count)}` : "Every finding has a verdict");
  }

  /** The reader calls the film normal: what the model found is rejected, and everything was looked for. */
  function normal() {
    if (locked() || state.teach) return;
    if (state.reading.status !== "assessed") return say(`${state.model.not_assessed}: nothing can be called normal here`);
    const kept = listed(state).filter((item) => !["open", "rejected"].includes(item.verdict));
    if (kept.length) return say(`Not called normal: ${counted(kept.length)} accepted, edited or drawn`);
    const count = judgeRest("rejected");
    after.complete();
    say(`Normal: ${counted(count)} rejected, everything was looked for`);
  }

  /** Send the review; resolves to whether it was kept. */
  async function save() {
    const { reading } = state;
    if (!reading || state.teach || state.saving) return false;
    const { reader, note, complete } = form();
    if (!reader.trim()) return after.nameless();
    const open = complete ? listed(state).filter((item) => item.verdict === "open") : [];
    if (open.length) return after.undecided(open);
    const held = state.review;
    let kept = false;
    store.set({ saving: true });
    try {
      await api.review(reading.id, { reader: reader.trim(), note, complete, verdicts: verdict.said(held), absent: [], measurements: verdict.sizes(held) });
      if (state.reading === reading)
        store.set({ saved: state.review === held ? `saved ${new Date().toLocaleTimeString("en-GB")}` : "not saved" });
      say("Review saved");
      kept = true;
    } catch (error) {
      if (state.reading === reading) store.set({ saved: `not saved: ${error.message}` });
      say(`Not saved: ${error.message}`);
    } finally {
      store.set({ saving: false });
    }
    after.saved();
    return kept;
  }

  const sensitivity = (by) => {
    const point = POINTS[Math.min(Math.max(POINTS.indexOf(state.point) + by, 0), POINTS.length - 1)];
    store.set({ point });
    say(`Sensitivity: ${point}, ${listed(state).length} findings`);
    return point;
  };

  return {
    focus,
    judge,
    acceptAll,
    normal,
    step,
    edit,
    shape,
    draw,
    nudge,
    hide,
    experimental: () => {
      store.set({ experimental: !state.experimental });
      say(state.experimental ? `Experimental labels are shown: ${listed(state).length} findings` : "Experimental labels are hidden");
    },
    rename,
    save,
    sensitivity,
    remove: (key) => key !== null && !locked() && judge(key, "rejected"),
    undo: () => back(verdict.undo, "Undone"),
    redo: () => back(verdict.redo, "Done again"),
    hover: (key) => store.set({ hover: key }),
    point: (point) => store.set({ point }),
  };
}

/** The acts on the picture; with a prior film beside it, both move together. */
export function pictureActs(store, stages) {
  const { state } = store;
  const shown = () => stages.filter((stage) => stage.frame);
  const middle = (stage) => ({ x: stage.size.width / 2, y: stage.size.height / 2 });
  const zoom = (factor) => shown().forEach((stage) => stage.look(zoomAt(stage.view, factor, middle(stage))));
  const slide = (dx, dy) => shown().forEach((stage) => stage.look(pan(stage.view, dx, dy, stage.frame, stage.size)));
  const window = (next) => state.film && store.set({ window: clamp(next) });
  const face = (facing) => {
    store.set({ facing });
    stages[0].face(facing);
  };
  /** The other film follows: by the same drag, the same preset, the same side of black and white. */
  const prior = (change) => state.prior?.film && store.set({ prior: { ...state.prior, window: clamp(change(state.prior)) } });
  function windowBy(dx, dy) {
    if (!state.film) return;
    window(dragged(state.window, dx, dy));
    prior((other) => dragged(other.window, dx, dy));
  }

  return {
    zoomIn: () => zoom(1.25),
    zoomOut: () => zoom(0.8),
    fit: () => shown().forEach((stage) => stage.fit()),
    actual: () =>
      shown().forEach((stage) =>
        stage.look(zoomAt(stage.view, 1 / stage.view.scale / (devicePixelRatio || 1), middle(stage))),
      ),
    slide,
    windowBy,
    preset(at) {
      if (!state.presets[at]) return;
      window({ ...state.presets[at].window, invert: state.window.invert });
      prior((other) => ({ ...other.presets[at].window, invert: other.window.invert }));
    },
    /** Turn by quarter turns against the clock, as it is seen; or mirror it. */
    turn(by) {
      if (!state.film) return;
      const { turns, flip } = state.facing;
      face({ turns: (turns + (flip ? -by : by) + 4) % 4, flip });
      say(facingWords(state));
    },
    flip() {
      if (!state.film) return;
      face({ ...state.facing, flip: !state.facing.flip });
      say(facingWords(state));
    },
    /** As the file stores it, or as it was set upright and its greys right for reading. */
    stored() {
      if (!state.film) return;
      const { correction } = state.reading;
      const other = isStored(state) ? correction : { quarter_turns: 0, invert: false };
      face({ turns: other.quarter_turns, flip: false });
      window({ ...state.window, invert: other.invert });
      say(facingWords(state));
    },
    invert() {
      if (!state.window) return;
      window({ ...state.window, invert: !state.window.invert });
      prior((other) => ({ ...other.window, invert: !other.window.invert }));
    },
    /** Choose what dragging does; `finger`: by finger, whose one-finger drag is then not for panning. */
    tool: (tool, finger = false) =>
      store.set({
        tool,
        byFinger: finger,
        toolBefore: tool === "draw" ? (state.tool === "draw" ? state.toolBefore : state.tool) : tool,
      }),
    lens: () => store.set({ lens: !state.lens }),
    heat: () => store.set({ heat: !state.heat }),
    boxes: () => store.set({ boxes: !state.boxes }),
    /** Move the other stage as one stage was moved. */
    follow(stage, view) {
      const factor = view.scale / stage.view.scale;
      const moved = { x: view.x - stage.view.x * factor, y: view.y - stage.view.y * factor };
      for (const other of shown()) {
        if (other === stage) other.look(view);
        else
          other.look({
            ...other.view,
            scale: other.view.scale * factor,
            x: other.view.x * factor + moved.x,
            y: other.view.y * factor + moved.y,
          });
      }
    },
  };
}
