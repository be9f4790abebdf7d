// The keyboard: one table says what each key does, for the listener and for the help page alike.

/** Groups of [keys, words, name of the act]. Keys are as KeyboardEvent.key has them, with "Ctrl+" or "Shift+" before. */
export const KEYS = [
  [
    "Films",
    [
      [["o"], "open films", "open"],
      [["]", "PageDown"], "next film", "nextFilm"],
      [["[", "PageUp"], "previous film", "previousFilm"],
      [["/"], "search the worklist", "search"],
      [["q"], "show or hide the worklist", "worklist"],
      [["Shift+Q"], "fold the findings away, on a small screen", "findings"],
      [["c"], "compare with a prior film: it hangs left, this one right", "compare"],
      [["Shift+P"], "one over the other, up to a line", "over"],
    ],
  ],
  [
    "Findings",
    [
      [["ArrowDown", "j"], "next finding", "nextFinding"],
      [["ArrowUp", "k"], "previous finding", "previousFinding"],
      [["b"], "boxes on or off", "boxes"],
      [["Shift+I"], "facts in the corners on or off", "corners"],
      [["v"], "show or hide this finding", "hide"],
      [["h"], "heat map on or off", "heat"],
      [["Shift+H"], "heart and lungs on or off", "anatomy"],
      [[","], "less sensitive", "lessSensitive"],
      [["."], "more sensitive", "moreSensitive"],
    ],
  ],
  [
    "Verdict",
    [
      [["a"], "accept", "accept"],
      [["x"], "reject", "reject"],
      [["e"], "edit the box; arrows move, Shift+arrows size", "edit"],
      [["n"], "draw a box; Enter puts one in the middle", "new"],
      [["l"], "change its label", "label"],
      [["Delete", "Backspace"], "take a drawn box away", "remove"],
      [["u", "Ctrl+z"], "undo", "undo"],
      [["Shift+U", "Ctrl+y", "Ctrl+Shift+Z"], "redo", "redo"],
      [["Shift+A"], "accept all that has no verdict yet", "acceptAll"],
      [["g"], "normal: reject all, everything was looked for", "normal"],
      [["s"], "save the review and open the next film to read", "save"],
      [["Shift+S", "Ctrl+s"], "save the review and stay", "saveHere"],
      [["y"], "copy the report", "copyReport"],
    ],
  ],
  [
    "Picture",
    [
      [["w"], "window by dragging", "toolWindow"],
      [["p"], "pan by dragging", "toolPan"],
      [["m"], "distance; Enter puts one in the middle, arrows move a point", "toolMeasure"],
      [["Shift+M"], "angle", "toolAngle"],
      [["Shift+G"], "greys of a region", "toolRegion"],
      [["Shift+C"], "cardiothoracic ratio", "heartToChest"],
      [["z"], "magnifier on or off", "lens"],
      [["i"], "invert", "invert"],
      [["1", "2", "3", "4", "5"], "window: as the file says, auto, lung, mediastinum, bone", "preset"],
      [["Shift+ArrowLeft", "Shift+ArrowRight"], "window narrower, wider", "windowBy"],
      [["Shift+ArrowUp", "Shift+ArrowDown"], "picture brighter, darker", "windowBy"],
      [["6"], "turn to the left", "turnLeft"],
      [["7"], "turn to the right", "turnRight"],
      [["8"], "mirror", "flip"],
      [["9"], "as stored, or as read", "stored"],
      [["f"], "fit", "fit"],
      [["0"], "one film pixel a screen pixel", "actual"],
      [["+", "="], "zoom in", "zoomIn"],
      [["-"], "zoom out", "zoomOut"],
      [["Ctrl+ArrowLeft", "Ctrl+ArrowRight", "Ctrl+ArrowUp", "Ctrl+ArrowDown"], "pan", "slideBy"],
    ],
  ],
  [
    "Page",
    [
      [["t"], "teaching: draw first, then reveal", "teach"],
      [["r"], "reveal, in teaching", "reveal"],
      [["d"], "dark or light", "theme"],
      [["?"], "this help", "help"],
      [["Escape"], "leave what you are in", "leave"],
    ],
  ],
];

const TABLE = new Map(KEYS.flatMap(([, rows]) => rows.flatMap(([keys, , act]) => keys.map((key) => [key, act]))));

/** The name of a key press, or null where it belongs to the element that has the focus. */
export function nameOf(event) {
  if (event.altKey || event.isComposing) return null;
  const ctrl = event.ctrlKey || event.metaKey;
  const letter = /^[a-z]$/i.test(event.key);
  const key = letter ? event.key[event.shiftKey ? "toUpperCase" : "toLowerCase"]() : event.key;
  const shift = event.shiftKey && (letter || key.length > 1);
  return `${ctrl ? "Ctrl+" : ""}${shift ? "Shift+" : ""}${key}`;
}

function typing(target) {
  return target.matches?.("input:not([type=range], [type=checkbox], [type=file]), textarea");
}

/** What a list to choose from uses itself: arrows, what opens it, and the first letters of its entries. */
const chooses = ({ key, target }) =>
  Boolean(target.matches?.("select")) && (/^[\p{L}\p{N} ]$/u.test(key) || /^(Arrow|Page|Home|End|Enter|F4|Escape)/.test(key));

/** Whether the focused element uses the key itself: arrows in lists and sliders, pages in what scrolls. */
function taken(event) {
  const { key, target } = event;
  if (chooses(event) && !event.ctrlKey && !event.metaKey) return true;
  if (/^(Page|Home|End)/.test(key) && target.closest?.("#body, .scrolls")) return true;
  const moves = /^(Arrow|Page|Home|End)/.test(key);
  return moves && Boolean(target.closest?.("input[type=range], [role=listbox], .scrolls"));
}

/**
 * Listen on the document. `acts` maps names to functions of the event; `enabled()` says whether single keys count; `first(name)` may
 * take a key before the table does, and returns true then.
 */
export function listen(acts, enabled, first) {
  document.addEventListener("keydown", (event) => {
    const name = nameOf(event);
    if (!name || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (name === "Escape" && event.target.matches?.("select")) return event.target.blur();
    if (typing(event.target)) {
      if (name === "Escape") event.target.blur();
      if (name !== "Ctrl+s") return;
    }
    if (taken(event)) return;
    if (/^(Shift\+)?.$/.test(name) && !enabled()) return; // WCAG 2.1.4: single keys can be turned off
    if (first(name, event)) return event.preventDefault();
    const act = acts[TABLE.get(name)];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}
