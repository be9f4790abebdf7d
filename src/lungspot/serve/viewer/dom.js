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

/** A small coloured square or bar in SVG; colours as attributes, for the page allows no inline style. */
export function shape(width, height, rows, label) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  for (const row of rows) {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries(row)) rect.setAttribute(key, value);
    svg.append(rect);
  }
  return svg;
}

/** Say something to a screen reader, and in the status line. */
export function say(text) {
  one("live").textContent = text;
}
