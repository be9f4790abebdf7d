// Elements from words. Text is only ever set as text, so nothing that a file says can become markup.

/** Make an element: attributes by name, `on…` as listeners, the rest as children (elements or text). */
export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && typeof value === "boolean") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const one = (id) => document.getElementById(id);

/** Put other children into an element, keeping the keyboard's focus on the child with the same data-key. */
export function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children.filter(Boolean));
  if (focused !== undefined) parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** Put other rows into a list. A row with the data-key of an old one takes its place in the old element, which stays
 *  where it is: a mouse button that went down on it and comes up a moment later has clicked it. */
export function refill(list, ...rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const next = rows.map((row) => (old.has(row.dataset.key) ? changed(old.get(row.dataset.key), row) : row));
  for (const row of old.values()) if (!next.includes(row)) row.remove();
  let at = list.firstElementChild;
  for (const row of next) {
    if (row === at) at = at.nextElementSibling;
    else list.insertBefore(row, at);
  }
  if (focused?.isConnected) focused.focus(); // an element that was moved has lost it
}

function changed(old, { attributes, childNodes }) {
  for (const { name, value } of attributes) old.setAttribute(name, value);
  old.replaceChildren(...childNodes);
  return old;
}

/** A small drawing in SVG, of rectangles or what `name` says; attributes only, for the page allows no inline style. */
export function shape(width, height, rows) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const { name, ...row } of rows) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name ?? "rect");
    for (const [key, value] of Object.entries(row)) node.setAttribute(key, value);
    svg.append(node);
  }
  return svg;
}

/** A small square of a label's colour. */
export function swatch(colour) {
  const square = shape(10, 10, [{ width: 10, height: 10, fill: colour }]);
  square.setAttribute("class", "dot");
  return square;
}

/** A score as a bar, with a line where its threshold is; both from 0 to 1. */
export function scoreBar(score, threshold, colour) {
  const at = 100 * threshold;
  const svg = shape(100, 6, [
    { class: "track", width: 100, height: 6 },
    { width: 100 * score, height: 6, fill: colour },
    { name: "line", class: "limit", x1: at, x2: at, y1: 0, y2: 6 },
  ]);
  svg.setAttribute("class", "bar");
  return svg;
}

/** Say something to a screen reader, and in the status line. */
export function say(text) {
  one("live").textContent = text;
}
