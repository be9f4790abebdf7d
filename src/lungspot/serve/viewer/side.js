// The right-hand panel: its fixed parts, the sensitivity slider, the review form, whole-film scores and facts.

import { views } from "./api.js";
import { fill, make, one, scoreBar } from "./dom.js";
import { wholeName } from "./names.js";
import { POINTS, labelOf, percent, secret, threshold, probability as words } from "./scene.js";

/** Build the panel once. `acts`: point, save, saveHere, acceptAll, normal, undo, redo, new, reader, touched, reveal, erase. */
export function side(store, acts) {
  const button = (id, text, title, then) => make("button", { id, type: "button", title, onclick: then }, text);
  const body = make(
    "div",
    { id: "body" },
    make("div", { class: "bar" }, make("h2", { id: "headline" }, "No film is open")),
    make("ul", { id: "warnings" }),
    make(
      "div",
      { id: "sensitivity" },
      make("label", { for: "point" }, "Sensitivity "),
      make("output", { id: "point-word", for: "point" }, ""),
      slider(acts),
    ),
    make("div", { id: "lesson-place" }),
    make("ul", { id: "found", "aria-label": "Findings" }),
    make("ul", { id: "whole", "aria-label": "Of the whole film, without a box" }),
    make("p", { id: "none", class: "hint" }),
    make("p", { id: "changed", class: "hint", role: "status", "aria-label": "What changed", hidden: true }),
    make("div", { id: "measures-place" }),
    make("div", { id: "report-place" }),
    make("div", { id: "notes" }, button("experimental", "", "", acts.experimental), make("div", { id: "caveats" })),
    make(
      "details",
      { open: true },
      make("summary", {}, "Whole film: how probable it is that it shows each at all"),
      make("ul", { id: "scores" }),
    ),
    make(
      "details",
      {},
      make("summary", {}, "About this film"),
      make("p", { id: "more-of-it" }),
      make("dl", { id: "facts" }),
      button("delete", "Delete this film…", "Delete the film, its result and its reviews", acts.erase),
    ),
    make("details", {}, make("summary", {}, "About the model"), make("dl", { id: "card" })),
  );
  const edits = make(
    "div",
    { id: "edits", class: "line", role: "group", "aria-label": "Boxes and report" },
    button("undo", "Undo", "Undo (U)", acts.undo),
    button("redo", "Redo", "Redo (Shift+U)", acts.redo),
    button("new", "Draw", "Draw a box (N)", acts.new),
    button("accept-all", "Accept all", "Accept all that has no verdict yet (Shift+A)", acts.acceptAll),
    button("normal", "Normal", "Normal: reject all, everything was looked for (G)", acts.normal),
  );
  one("side").append(body, make("div", { id: "dock", hidden: true }, edits, form(acts)));
  store.listen(["point", "model"], (state) => {
    one("point").value = POINTS.indexOf(state.point);
    one("point").setAttribute("aria-valuetext", state.point);
    one("point-word").textContent = state.point;
  });
  store.listen(["reading", "point", "teach", "revealed", "model", "experimental"], scores);
  store.listen(["reading", "names", "point", "language"], facts);
  store.listen(["model", "reading"], card);
  store.listen(["reading", "review", "saved", "savedBefore", "saving", "teach", "practice"], formState);
}

function slider(acts) {
  const input = make("input", {
    id: "point",
    type: "range",
    min: "0",
    max: String(POINTS.length - 1),
    step: "1",
    oninput: () => acts.point(POINTS[Number(input.value)]),
  });
  return input;
}

function form(acts) {
  return make(
    "form",
    {
      id: "review",
      "aria-label": "Review",
      onsubmit: (event) => {
        event.preventDefault();
        if (event.submitter?.id === "save-here") acts.saveHere();
        else acts.save();
      },
    },
    make("textarea", {
      id: "note",
      rows: "1",
      maxlength: "4000",
      placeholder: "note",
      "aria-label": "Note",
      oninput: () => acts.touched(),
    }),
    make(
      "label",
      { class: "line" },
      make("input", { id: "complete", type: "checkbox", onchange: () => acts.touched() }),
      make("span", { id: "complete-words" }, "Looked for everything: the rest is absent"),
    ),
    make(
      "div",
      { class: "line" },
      make("input", {
        id: "reader",
        maxlength: "64",
        autocomplete: "off",
        placeholder: "reader's name",
        "aria-label": "Reader's name",
        oninput: (event) => acts.reader(event.target.value),
      }),
      make("button", { id: "save", class: "main", title: "Save, and open the next film to read (S)" }, "Save, next"),
      make("button", { id: "save-here", title: "Save and stay (Shift+S)" }, "Save"),
    ),
    make("p", { id: "saved", role: "status" }),
  );
}

function formState(state) {
  one("dock").hidden = !state.reading;
  one("review").hidden = Boolean(state.teach);
  const held = state.teach ? state.practice : state.review;
  one("undo").disabled = !held?.past.length;
  one("new").disabled = !state.film;
  one("redo").disabled = !held?.future.length;
  for (const id of ["save", "save-here"]) one(id).disabled = state.saving;
  for (const id of ["accept-all", "normal"]) one(id).disabled = !state.film || state.teach || state.reading?.status !== "assessed";
  const judged = state.reading?.status === "assessed";
  one("complete").disabled = !judged; // nobody looks for everything on a film that was not read
  if (!judged) one("complete").checked = false;
  const refused = state.reading && !judged;
  one("complete-words").textContent = refused
    ? `${state.model.not_assessed}: nothing can be called absent`
    : "Looked for everything: the rest is absent";
  one("saved").textContent = state.saving ? "saving…" : state.saved || state.savedBefore;
}

function scores(state) {
  if (!state.model) return;
  const hidden = !state.reading || state.reading.status !== "assessed" || secret(state);
  one("scores").parentElement.hidden = hidden;
  one("sensitivity").hidden = hidden;
  if (hidden) return fill(one("scores"));
  const rows = state.reading.scores
    .filter((each) => state.experimental || each.standing !== "experimental")
    .sort((a, b) => b.probability - a.probability);
  fill(one("scores"), ...rows.map((row) => score(state, row)));
}

function score(state, { label, probability, standing }) {
  const at = threshold(state, label, "image");
  const above = probability >= at;
  const { name, color } = labelOf(state, label);
  const bar = scoreBar(probability, at, above ? color : "#737d8a");
  return make(
    "li",
    { class: above ? "" : "below" },
    make("span", { class: "name" }, standing === "experimental" ? `${name} (experimental)` : name),
    bar,
    make("span", { class: "number" }, `${words(probability)} ${above ? "≥" : "<"} ${percent(at)}`),
  );
}

const rowsOf = (pairs) =>
  pairs.filter(([, text]) => text).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, String(text))]);

function facts(state) {
  const { reading } = state;
  fill(one("more-of-it"), ...(reading ? links(reading, state) : []));
  if (!reading) return fill(one("facts"));
  const image = reading.result?.image ?? {};
  const identity = reading.identity ?? {};
  fill(
    one("facts"),
    ...rowsOf([
      ["Patient", identity.patient_name],
      ["Patient ID", identity.patient_id],
      ["Born", identity.birth_date],
      ["Study", identity.study_date],
      ["Name", wholeName(state, reading)],
      ["Accession", identity.accession],
      ["Number", reading.number],
      ["Size", image.width ? `${image.width} × ${image.height} pixels` : ""],
      ["Format", image.format],
      ["View", image.view],
      ["Sides", sides(reading.edges)],
      [
        "Pixel spacing",
        image.pixel_spacing_mm
          ? image.pixel_spacing_mm.map((each) => `${Number(each.toPrecision(4))} mm`).join(" × ")
          : "not stated",
      ],
      ["Pixel height : width", reading.frame?.tall === 1 ? "" : (image.pixel_aspect ?? []).join(" : ")],
      ["Remarks", [...new Set(reading.warnings.map((each) => `${each.code}: ${each.text}`))].join("; ")],
      ["Received", new Date(reading.created).toLocaleString("en-GB")],
      ["SHA-256", image.sha256],
      [
        "Read in",
        Object.entries(reading.result?.timing_ms ?? {})
          .map(([step, ms]) => `${step} ${Math.round(ms)} ms`)
          .join(", "),
      ],
    ]),
  );
}

/** Which side of the patient lies where, in words. */
function sides(edges) {
  const words = { L: "patient's left", R: "patient's right" };
  const known = Object.entries(edges).map(([edge, letter]) => `${words[letter]} at the ${edge} edge`);
  return known.join(", ") || "unknown: the file does not say which side of the patient is where";
}

/** The film's other forms: links, each to a window of its own, or buttons where no server has them. */
function links({ id, frame }, { point, language }) {
  if (!frame) return [];
  const one = ([words, there]) =>
    typeof there === "string"
      ? make("a", { href: there, target: "_blank", rel: "noopener" }, words)
      : make("button", { type: "button", onclick: there }, words);
  return views(id, { point, language }).flatMap((view, at) => (at ? [" · ", one(view)] : [one(view)]));
}

/** The model that serves now; a film that another one read says so first. */
function card({ model, reading }) {
  if (!model) return;
  const other = reading?.result?.model?.sha256 === model.sha256 ? null : reading?.result?.model;
  fill(
    one("card"),
    ...rowsOf([
      ["This film was read by", other ? `${other.name} ${other.version}, SHA-256 ${other.sha256}` : ""],
      [other ? "New films are read by" : "Model", `${model.name} ${model.version}`],
      ["Looks for", model.known.map((id) => model.labels.get(id).name).join(", ")],
      ["Thresholds", model.site?.words ?? "The model's own"],
      ["Trained on", model.training_data.join("; ")],
      ["Intended use", model.intended_use],
      ["Terms", [model.licence, model.terms].filter(Boolean).join("; ")],
      ["Notes", model.notes.join(" ")],
      ["SHA-256", model.sha256],
      ["Software", `lungspot ${model.software.lungspot}, onnxruntime ${model.software.onnxruntime}`],
    ]),
  );
}
