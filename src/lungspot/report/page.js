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
  if (threshold !== undefined) node.append(svg("rect", { x: 100 * threshold - 0.5, width: 1, height: 6, fill: "#ecf0f5" }));
  parent.append(node);
};

let chosen = -1;
let hovered = -1;
const view = { boxes: true, heat: false, below: false };

const [width, height] = data.frame;
$("picture").src = data.picture;
$("picture").alt = `The chest film, ${width} by ${height} pixels`;
$("status").textContent = data.status;
$("headline").textContent = data.headline;
for (const warning of data.warnings) add($("warnings"), "li", warning);
if (!data.assessed) document.body.classList.add("refused");

const marks = $("marks");
marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
marks.setAttribute("preserveAspectRatio", "none");
const size = Math.max(width, height) / 48;
const taken = [];
const lines = marks.appendChild(svg("g", {}));
const words = marks.appendChild(svg("g", {})); // over every line, so that none crosses a word
data.findings.forEach((finding, index) => {
  const [x0, y0, x1, y1] = finding.box;
  const group = svg("g", { class: finding.positive ? "" : "below" });
  const said = svg("g", {});
  group.append(svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, stroke: finding.color, rx: size / 5 }));
  const text = `${finding.name}  ${percent(finding.score)}`;
  const wide = text.length * size * 0.56;
  let y = y0 - size * 0.35;
  if (y < size) y = Math.min(y1 + size, height - size * 0.3);
  const x = Math.max(size * 0.2, Math.min(x0, width - wide));
  while (taken.some((t) => Math.abs(t.y - y) < size * 1.1 && t.x < x + wide && x < t.x + t.wide) && y < height - size) y += size * 1.15;
  taken.push({ x, y, wide });
  const label = svg("text", { x, y, "font-size": size });
  label.textContent = text;
  said.append(label);
  const title = svg("title", {});
  title.textContent = `${finding.name}, ${percent(finding.score)}${finding.place ? ", " + finding.place : ""}`;
  group.append(title);
  group.addEventListener("pointerenter", () => { hovered = index; paint(); });
  group.addEventListener("pointerleave", () => { hovered = -1; paint(); });
  group.addEventListener("click", () => { chosen = chosen === index ? -1 : index; paint(); });
  lines.append(group);
  words.append(said);

  const row = add(document.querySelector("#findings tbody"), "tr", undefined, finding.positive ? "" : "below");
  row.tabIndex = 0;
  const name = add(row, "td");
  const dot = svg("svg", { class: "dot", viewBox: "0 0 1 1" });
  dot.append(svg("rect", { width: 1, height: 1, fill: finding.color }));
  name.append(dot, finding.name);
  add(row, "td", finding.place || "–");
  add(row, "td", percent(finding.score), "number");
  const agreement = finding.agreement;
  const cell = add(row, "td", agreement ? `${percent(agreement.energy_in_box)}${agreement.peak_in_box ? " ✓" : " ✗"}` : "–", "number");
  if (agreement) cell.title = `${percent(agreement.energy_in_box)} of the activation in ${percent(agreement.area)} of the film; the map's peak is ${agreement.peak_in_box ? "" : "not "}in the box; IoU ${agreement.iou.toFixed(2)}`;
  row.addEventListener("pointerenter", () => { hovered = index; paint(); });
  row.addEventListener("pointerleave", () => { hovered = -1; paint(); });
  row.addEventListener("click", () => { chosen = chosen === index ? -1 : index; paint(); });
  row.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); chosen = chosen === index ? -1 : index; paint(); } });
});
if (!data.findings.length) $("findings").hidden = true;
$("below").hidden = data.findings.every((finding) => finding.positive);

for (const score of data.image_scores) {
  const row = add(document.querySelector("#whole tbody"), "tr");
  add(row, "td", score.name);
  bar(add(row, "td"), score.probability, score.positive ? score.color : "#5a6675", score.threshold);
  add(row, "td", percent(score.probability), "number");
}
if (!data.image_scores.length) $("wholebox").hidden = true;
for (const [part, where] of [[data.facts, $("facts")], [data.card, $("card")]]) {
  for (const [name, value] of part) { add(where, "dt", name); add(where, "dd", value); }
}
if (!data.assessed) for (const id of ["boxes", "heat", "below"]) $(id).hidden = true;

const shown = () => data.findings.map((finding, index) => index).filter((index) => view.below || data.findings[index].positive);
function paint() {
  const focus = hovered >= 0 ? hovered : chosen;
  for (const layer of [lines, words]) [...layer.children].forEach((group, index) => {
    const finding = data.findings[index];
    group.style.display = view.boxes && (finding.positive || view.below || index === focus) ? "" : "none";
    group.classList.toggle("on", index === focus);
    group.classList.toggle("dim", focus >= 0 && index !== focus);
  });
  [...document.querySelectorAll("#findings tbody tr")].forEach((row, index) => {
    row.classList.toggle("on", index === focus);
    row.hidden = !(data.findings[index].positive || view.below);
  });
  const label = focus >= 0 ? data.findings[focus].label : data.heat_of;
  const image = data.heat[label];
  $("glow").hidden = !(view.heat && image);
  if (image) $("glow").src = image.src;
  $("heatof").textContent = view.heat && image ? `Heat map: ${image.name}` : "";
  for (const id of ["boxes", "heat", "below"]) $(id).setAttribute("aria-pressed", String(view[id]));
}
for (const id of ["boxes", "heat", "below"]) $(id).addEventListener("click", () => { view[id] = !view[id]; paint(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !data.assessed) return;
  const key = event.key.toLowerCase();
  const list = shown();
  if (key === "b") view.boxes = !view.boxes;
  else if (key === "h") view.heat = !view.heat;
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
