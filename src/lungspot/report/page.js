"use strict";
// Draws one result. Everything from the film's file is put in as text or attribute values, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const svg = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
const add = (parent, name, text, className) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  parent.append(node);
  return node;
};
const percent = (value) => `${Math.round(100 * value)} %`;
const bar = (parent, value, color, threshold) => {
  const node = svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": percent(value) });
  node.append(svg("rect", { width: 100 * value, height: 6, fill: color }));
  if (threshold !== undefined) node.append(svg("rect", { class: "limit", x: 100 * threshold - 0.5, width: 1, height: 6 }));
  parent.append(node);
};

let chosen = -1;
let hovered = -1;
const view = { boxes: true, heat: false, organs: true, below: false };

const [width, height] = data.frame;
$("picture").src = data.picture;
$("picture").alt = `The chest film, ${data.pixels.join(" by ")} pixels`;
$("status").textContent = data.status;
$("headline").textContent = data.headline;
for (const warning of data.warnings) add($("warnings"), "li", warning);
if (!data.assessed) document.body.classList.add("refused");

const marks = $("marks");
marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
marks.setAttribute("preserveAspectRatio", "none");
const size = Math.max(width, height) / 52;
const taken = []; // rectangles that no label may cover: [x0, y0, x1, y1]
const anatomy = marks.appendChild(svg("g", { id: "anatomy" })); // below what is found
const lines = marks.appendChild(svg("g", {}));
const words = marks.appendChild(svg("g", {})); // over every line, so that none crosses a word
const wideOf = (text) => text.length * size * 0.54;
const write = (parent, texts, x, y, attributes) => {
  const node = svg("text", { x, y, "font-size": size, ...attributes });
  texts.forEach((text, row) => {
    const part = svg("tspan", { x, dy: row ? size * 1.2 : 0 });
    part.textContent = text;
    node.append(part);
  });
  parent.append(node);
};

// L and R at the edges of the film, or that nobody knows
const edges = marks.appendChild(svg("g", { id: "edges" }));
const corners = { left: [size * 0.6, size * 1.8, "start"], right: [width - size * 0.6, size * 1.8, "end"], top: [width / 2, size * 1.8, "middle"], bottom: [width / 2, height - size * 0.6, "middle"] };
for (const [edge, letter] of Object.entries(data.edges)) {
  const [x, y, anchor] = corners[edge];
  write(edges, [letter], x, y, { "font-size": size * 1.5, "text-anchor": anchor });
  const wide = wideOf(letter) * 1.6 + size;
  const from = { start: 0, end: width - wide, middle: (width - wide) / 2 }[anchor];
  taken.push([from, y - size * 1.8, from + wide, y + size * 0.4]);
}

// heart and lungs, where they were asked for: thin lines, names within, at a lung's top and the heart's bottom
for (const { name, box: [x0, y0, x1, y1] } of data.organs) {
  const frame = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
  anatomy.append(svg("rect", { ...frame, class: "under" }), svg("rect", frame));
  const [wide, y] = [wideOf(name), name === "heart" ? y1 - size * 0.4 : y0 + size * 1.1];
  write(anatomy, [name], (x0 + x1) / 2, y, { "text-anchor": "middle" });
  taken.push([(x0 + x1 - wide) / 2, y - size, (x0 + x1 + wide) / 2, y + size * 0.3]);
}
$("organs").hidden = !data.organs.length;
$("organs-key").hidden = !data.organs.length;

/** Find where a label of this size crosses no other: above its frame, below it, in it, beside it, else further down. */
const freePlace = ([x0, y0, x1, y1], wide, high) => {
  const gap = size * 0.25;
  const wishes = [[x0, y0 - high - gap], [x0, y1 + gap], [x1 - wide, y0 - high - gap], [x1 - wide, y1 + gap], [x0 + gap, y0 + gap], [x1 + gap, y0], [x0 - wide - gap, y0]];
  for (let step = 1; step < 40; step += 1) wishes.push([x0, y0 + step * size], [x0, y0 - high - step * size]);
  let at = wishes[0];
  for (const [x, y] of wishes) {
    at = [Math.max(gap, Math.min(x, width - wide - gap)), Math.max(gap, Math.min(y, height - high - gap))];
    const [ax, ay] = at;
    if (!taken.some((t) => ax < t[2] && t[0] < ax + wide && ay < t[3] && t[1] < ay + high)) break;
  }
  taken.push([at[0], at[1], at[0] + wide, at[1] + high]);
  return at;
};

const markOf = new Map(data.marks.map((mark) => [mark.place, mark]));
data.said.forEach((said, index) => {
  const group = svg("g", { class: said.positive ? "" : "below" });
  const label = svg("g", {});
  const mark = markOf.get(said.place);
  if (mark) {
    const [x0, y0, x1, y1] = mark.box;
    const frame = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: size / 5 };
    group.append(svg("rect", { ...frame, class: "under" }), svg("rect", { ...frame, stroke: mark.color }));
    const texts = mark.lines.map((line, row) => (row ? line : `${mark.place}  ${line}`));
    const [x, y] = freePlace(mark.box, Math.max(...texts.map(wideOf)), size * 1.2 * texts.length);
    write(label, texts, x, y + size, {});
    const title = svg("title", {});
    title.textContent = said.text;
    group.append(title);
  }
  group.addEventListener("pointerenter", () => { hovered = index; paint(); });
  group.addEventListener("pointerleave", () => { hovered = -1; paint(); });
  group.addEventListener("click", () => { chosen = chosen === index ? -1 : index; paint(); });
  lines.append(group);
  words.append(label);

  const body = add($("findings"), "tbody", undefined, said.positive ? "" : "below");
  body.tabIndex = 0;
  body.title = said.text;
  const rows = said.groups.reduce((sum, each) => sum + each.names.length + (each.alike ? 1 : 0), 0);
  const line = (name, color, number, agreement) => {
    const row = add(body, "tr");
    if (body.children.length === 1) add(row, "td", said.place ?? "–").rowSpan = rows;
    const cell = add(row, "td");
    if (color) {
      const dot = svg("svg", { class: "dot", viewBox: "0 0 1 1" });
      dot.append(svg("rect", { width: 1, height: 1, fill: color }));
      cell.append(dot);
    } else cell.className = "alike";
    cell.append(name);
    if (body.children.length === 1) add(row, "td", said.where || "–").rowSpan = rows;
    add(row, "td", number, "number");
    const map = add(row, "td", agreement ? percent(agreement.energy_in_box) : color ? "–" : "", "number");
    if (agreement) map.title = `${percent(agreement.energy_in_box)} of the activation in ${percent(agreement.area)} of the film; the map's peak is ${agreement.peak_in_box ? "" : "not "}in the box; IoU ${agreement.iou.toFixed(2)}`;
  };
  for (const group of said.groups) {
    if (group.alike) line(group.alike, "", "");
    for (const one of group.names) line(one.name, one.color, `${one.percentage} ${one.threshold}`, one.agreement);
  }
  body.addEventListener("pointerenter", () => { hovered = index; paint(); });
  body.addEventListener("pointerleave", () => { hovered = -1; paint(); });
  body.addEventListener("click", () => { chosen = chosen === index ? -1 : index; paint(); });
  body.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); chosen = chosen === index ? -1 : index; paint(); } });
});
for (const note of data.notes) $("notes").append(`${note} `);
if (!data.said.length) $("findings").hidden = true;
$("below").hidden = data.said.every((finding) => finding.positive);

for (const score of data.image_scores) {
  const row = add(document.querySelector("#whole tbody"), "tr");
  add(row, "td", score.name);
  bar(add(row, "td"), score.probability, score.positive ? score.color : "#5a6675", score.threshold);
  add(row, "td", `${percent(score.probability)} ${score.limit}`, "number");
}
if (!data.image_scores.length) $("wholebox").hidden = true;
for (const [part, where] of [[data.facts, $("facts")], [data.card, $("card")]]) {
  for (const [name, value] of part) { add(where, "dt", name); add(where, "dd", value); }
}
if (!data.assessed) for (const id of ["boxes", "heat", "below"]) $(id).hidden = true;

if (data.changes) {
  $("changes").hidden = false;
  $("changed").textContent = data.changes.text;
  for (const each of data.changes.rows) {
    const row = add($("changed-places").tBodies[0], "tr");
    for (const key of ["word", "text", "how"]) add(row, "td", each[key]);
  }
  $("changed-places").hidden = !data.changes.rows.length;
}
if (data.review) {
  $("review").hidden = false;
  $("review-by").textContent = data.review.by;
  for (const each of data.review.rows) {
    const row = add(document.querySelector("#verdicts tbody"), "tr");
    for (const text of [each.verdict, each.name, each.where]) add(row, "td", text);
  }
  $("verdicts").hidden = !data.review.rows.length;
  for (const text of data.review.notes) add($("review-notes"), "p", text);
  if (data.review.note) add($("review-notes"), "p", data.review.note, "note");
}
$("report").textContent = data.report;
$("report").lang = data.language;
async function copy() {
  try {
    await navigator.clipboard.writeText(data.report);
  } catch { // a page in a sandbox may not, but may copy what is chosen
    getSelection().selectAllChildren($("report"));
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  $("copied").textContent = "copied";
}
$("copy").addEventListener("click", copy);
// On paper everything is open, with boxes and without what a pointer had chosen.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => { for (const each of closed) each.open = false; });

const shown = () => data.said.map((finding, index) => index).filter((index) => view.below || data.said[index].positive);
function paint() {
  const focus = hovered >= 0 ? hovered : chosen;
  for (const layer of [lines, words]) [...layer.children].forEach((group, index) => {
    const finding = data.said[index];
    group.style.display = view.boxes && (finding.positive || view.below || index === focus) ? "" : "none";
    group.classList.toggle("on", index === focus);
    group.classList.toggle("dim", focus >= 0 && index !== focus);
  });
  [...document.querySelectorAll("#findings tbody")].forEach((row, index) => {
    row.classList.toggle("on", index === focus);
    row.hidden = !(data.said[index].positive || view.below);
  });
  const label = focus >= 0 ? data.said[focus].names[0].label : data.heat_of;
  const image = data.heat[label];
  $("glow").hidden = !(view.heat && image);
  if (image) $("glow").src = image.src;
  $("heatof").textContent = view.heat && image ? `Heat map: ${image.name}` : "";
  anatomy.style.display = view.organs ? "" : "none";
  for (const id of ["boxes", "heat", "organs", "below"]) $(id).setAttribute("aria-pressed", String(view[id]));
}
for (const id of ["boxes", "heat", "organs", "below"]) $(id).addEventListener("click", () => { view[id] = !view[id]; paint(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (key === "c") return void copy();
  if (!data.assessed) return;
  const list = shown();
  if (key === "b") view.boxes = !view.boxes;
  else if (key === "h") view.heat = !view.heat;
  else if (key === "a" && data.organs.length) view.organs = !view.organs;
  else if (key === "t" && !$("below").hidden) view.below = !view.below;
  else if (key === "escape") chosen = -1;
  else if ((key === "arrowdown" || key === "arrowup") && list.length) {
    const at = list.indexOf(chosen);
    chosen = list[(at + (key === "arrowdown" ? 1 : at < 0 ? 0 : list.length - 1)) % list.length];
    event.preventDefault();
  } else return;
  paint();
});
paint();
