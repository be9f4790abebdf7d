// The page: one state, the parts that show it, and the acts that keys, buttons and the pointer share.

import { findingActs, pictureActs } from "./acts.js";
import { lookAhead } from "./ahead.js";
import * as api from "./api.js";
import { comparison } from "./compare.js";
import { anatomyActs } from "./anatomy.js";
import { cornerActs } from "./corners.js";
import { askToken, help } from "./dialogs.js";
import { one, say } from "./dom.js";
import { drawing } from "./drawing.js";
import { exportLinks } from "./exporting.js";
import { findings } from "./findings.js";
import { hands } from "./hands.js";
import { initial } from "./initial.js";
import * as keys from "./keys.js";
import { listing } from "./listing.js";
import { measuring } from "./measuring.js";
import { shortName } from "./names.js";
import { unsaved } from "./opening.js";
import { report } from "./report.js";
import { POINTS, headline } from "./scene.js";
import { screening } from "./screening.js";
import { keep, keepNames, kept, keptNames } from "./settings.js";
import { side } from "./side.js";
import { stage } from "./stage.js";
import { store as makeStore } from "./store.js";
import { teaching } from "./teaching.js";
import { tools } from "./tools.js";
import { uploads } from "./uploads.js";
import { walking } from "./walking.js";
import { worklist } from "./worklist.js";

const settings = kept();
const small = matchMedia("(max-width: 900px)").matches;
if (small) settings.worklist = false; // there it lies over the film
if (!POINTS.includes(settings.point)) settings.point = "balanced";
export const store = makeStore(initial(settings, keptNames()));
const { state } = store;
const list = listing(store);

function change(patch) {
  Object.assign(settings, patch);
  keep(settings);
  document.documentElement.dataset.theme = settings.theme;
  one("theme").textContent = settings.theme === "dark" ? "Light" : "Dark";
  document.querySelector("main").classList.toggle("wide", !settings.worklist);
  one("toggle-list").setAttribute("aria-pressed", String(settings.worklist));
  document.querySelector("main").classList.toggle("folded", !settings.findings);
  one("toggle-side").setAttribute("aria-pressed", String(settings.findings));
}

// --- the stages -----------------------------------------------------------------------------------------------------

const redraw = drawing(store, () => [now, then]);
export const now = stage(one("film"), redraw);
const then = stage(one("prior"), redraw);

// --- the acts -------------------------------------------------------------------------------------------------------

const picture = pictureActs(store, [now, then]);
const form = () => ({
  reader: state.reader,
  note: one("note").value,
  complete: one("complete").checked && state.reading?.status === "assessed",
});
const finding = findingActs(store, {
  form,
  after: {
    stage: () => now,
    saved: () => list.soon(),
    complete() {
      one("complete").checked = true;
      store.set({ saved: "not saved" });
    },
    undecided(open) {
      const boxes = open.length === 1 ? "1 box has no verdict" : `${open.length} boxes have no verdict`;
      finding.focus(open[0].key);
      store.set({ saved: `not saved: ${boxes}, and the rest would count as absent: accept or reject` });
      say(state.saved);
    },
    nameless() {
      store.set({ saved: "not saved: who reads? give a name" });
      one("reader").focus();
    },
  },
});
const compare = comparison(store, then);

const { open, walk, saveAndNext, erase } = walking(store, { list, finding, shown: () => {
  now.measure();
  now.show(state.reading.frame, state.facing);
} });

const acts = {
  ...picture,
  ...finding,
  ...cornerActs(store, change),
  ...anatomyActs(store),
  open: () => films.open(),
  nextFilm: () => walk(1),
  previousFilm: () => walk(-1),
  worklist: () => change({ worklist: !settings.worklist }),
  findings: () => change({ findings: !settings.findings }),
  compare: compare.toggle,
  over: () => compare.over(),
  nextFinding: () => finding.step(1),
  previousFinding: () => finding.step(-1),
  hide: () => finding.hide(state.focus),
  lessSensitive: () => change({ point: finding.sensitivity(-1) }),
  moreSensitive: () => change({ point: finding.sensitivity(1) }),
  accept: () => finding.judge(state.focus, "accepted"),
  reject: () => finding.judge(state.focus, "rejected"),
  edit: () => finding.edit(state.focus),
  remove: () => finding.remove(state.focus),
  new() {
    picture.tool("draw");
    one("reading").focus(); // Enter is then for the film, not for the button that had the focus
  },
  label: () => finding.rename(state.focus),
  save: saveAndNext,
  saveHere: finding.save,
  search() {
    if (!settings.worklist) change({ worklist: true });
    one("search").focus();
    one("search").select();
  },
  toolWindow: () => picture.tool("window"),
  toolPan: () => picture.tool("pan"),
  preset: (event) => picture.preset(Number(event.key) - 1),
  windowBy: ({ key }) =>
    picture.windowBy(...{ Left: [-20, 0], Right: [20, 0], Up: [0, -20], Down: [0, 20] }[key.slice(5)]),
  slideBy: ({ key }) => picture.slide(...{ Left: [-60, 0], Right: [60, 0], Up: [0, -60], Down: [0, 60] }[key.slice(5)]),
  turnLeft: () => picture.turn(1),
  turnRight: () => picture.turn(-1),
  theme: () => change({ theme: settings.theme === "dark" ? "light" : "dark" }),
  help: () => help(settings, change),
  touched: () => store.set({ saved: "not saved" }),
  erase,
  reader(name) {
    change({ reader: name });
    store.set({ reader: name });
    if (document.activeElement !== one("reader")) one("reader").value = name;
  },
  point(point) {
    change({ point });
    store.set({ point });
  },
  leave() {
    if (state.draft || state.editing || state.tool === "draw")
      store.set({ editing: false, draft: null, tool: state.tool === "draw" ? state.toolBefore : state.tool });
    else store.set({ focus: null, grip: null });
  },
};

/** Keys that mean something else while a box is drawn or edited. */
function first(name, event) {
  if (name === "Enter" && event.target.matches?.("button, a, summary, [role=option]")) return false;
  if (measure.press(name, event)) return true;
  if (state.editing && event.key.startsWith("Arrow")) return finding.nudge(event);
  if (name === "Enter" && state.tool === "draw" && state.reading?.frame) return inTheMiddle();
  if (name === "Enter" && state.editing) return !store.set({ editing: false });
  return false;
}

function inTheMiddle() {
  const { width, height } = state.reading.frame;
  finding.draw(
    [0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height].map((each) => Math.round(each)),
    true,
  );
  return true;
}

// --- the parts ------------------------------------------------------------------------------------------------------

const films = uploads(store, {
  refresh: list.refresh,
  arrived(ids) {
    if (!state.id) open(ids[0]);
  },
});
worklist(store, {
  open(id) {
    if (matchMedia("(max-width: 900px)").matches) change({ worklist: false });
    open(id);
  },
  list,
  sorted: (sort) => change({ sort }),
});
side(store, acts);
const teach = teaching(store, { reader: acts.reader });
const measure = measuring(store, { stage: () => now, tool: picture.tool });
Object.assign(acts, { teach: teach.toggle, reveal: teach.reveal }, measure, report(store, { form, change }));
screening(store, { list, open });
lookAhead(store);
tools(store, { ...acts, preset: picture.preset });
findings(store, finding);
hands(store, { stage: now, own: true, picture, finding, measure });
hands(store, { stage: then, own: false, picture, finding, measure });
keys.listen(acts, () => settings.singleKeys, first);
store.listen(["reading", "names", "review", "model", "point", "experimental", "teach", "revealed"], () => {
  const { reading } = state;
  one("film").setAttribute(
    "aria-label",
    reading ? `Film ${shortName(state, reading)}: ${headline(state)}` : "No film is open",
  );
  if (!reading) one("refusal").hidden = true;
});
one("toggle-list").addEventListener("click", acts.worklist);
one("toggle-side").addEventListener("click", acts.findings);
one("open").addEventListener("click", acts.open);
one("theme").addEventListener("click", acts.theme);
one("help-button").addEventListener("click", acts.help);
one("reader").value = settings.reader;
store.listen(["names"], ({ names }) => api.SERVED && keepNames(names));
store.listen(["recent"], ({ recent }) => change({ recent }));
store.listen(["id"], ({ id }) => {
  history.replaceState(null, "", id ? `?id=${encodeURIComponent(id)}` : location.pathname); // a reload opens it again
  if (id) list.opened();
});
exportLinks(store);
change({});
addEventListener("beforeunload", (event) => unsaved(state) && event.preventDefault());

/** Ask for the model and the worklist; where the server wants a token, ask for that first. */
async function start() {
  for (;;) {
    try {
      const model = await api.model();
      store.set(model.teaching_cases ? { model, teach: true, tool: "draw" } : { model });
      if (model.screening || state.sort === "screening") store.set({ sort: model.screening ? "screening" : "urgency" });
      one("banner").textContent = model.banner;
      break;
    } catch (error) {
      if (error.status === 401) await askToken();
      else {
        say(error.message);
        one("empty").textContent = error.message;
        await new Promise((done) => setTimeout(done, 2000));
      }
    }
  }
  await list.refresh();
  const wanted = new URLSearchParams(location.search).get("id");
  const next = wanted ?? (await list.unread());
  if (next && !state.id) open(next);
}
start();
