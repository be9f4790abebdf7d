// Mouse, pen and fingers on a stage: turns drags, clicks, the wheel and pinches into the reader's acts.
//
// Left drag: the tool (window, pan, draw, measure), or the handles of the box that is edited. Right drag: window.
// Middle drag, or left with the space bar down: pan. Wheel or pinch: zoom. Double click: fit. A click chooses a box.
// One finger pans (or does what a tool does that was chosen by finger), two zoom, and one that rests measures from there.

import { area, boxBetween, compassOnScreen, down, dragBox, handleAt, pan, toFilm, zoomAt } from "./geometry.js";

const CURSORS = {
  n: "ns-resize",
  s: "ns-resize",
  e: "ew-resize",
  w: "ew-resize",
  nw: "nwse-resize",
  se: "nwse-resize",
};
Object.assign(CURSORS, { ne: "nesw-resize", sw: "nesw-resize", move: "move" });
const LONG = 450; // milliseconds until a finger that rests measures
const SLACK = 4; // screen pixels before a press becomes a drag
const REACH = 7; // screen pixels about an edge that count as the edge

/**
 * Listen on a stage's canvas; `acts` has: tool, marks, edited, select, hover, window, look, shape, draw, lens, and of measures grip (what
 * lies at a film point), grasp, move and measure.
 */
export function listen(stage, acts) {
  const { canvas } = stage;
  const pressed = new Map();
  let drag = null;
  let space = false;
  let resting = null;

  const at = (event) => {
    const rect = canvas.getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const film = (point) => toFilm(stage.view, point);
  const reach = (wider = 1) => [(wider * REACH) / stage.view.scale, (wider * REACH) / down(stage.view)];

  const within = ({ left, top, wide, high }, { x, y }) => x >= left && x < left + wide && y >= top && y < top + high;

  function under(point) {
    const label = acts.labels().find((each) => within(each, point));
    if (label) return label.key;
    const inside = acts.marks().filter((mark) => handleAt(mark.box, film(point), reach()));
    return inside.sort((a, b) => area(a.box) - area(b.box))[0]?.key ?? null;
  }

  function begin(event) {
    const point = at(event);
    const edited = acts.edited();
    const handle = edited && handleAt(edited.box, film(point), reach());
    const grip = acts.grip(film(point), reach(2));
    let kind = acts.tool();
    if (event.pointerType === "touch" && kind === "window" && !acts.byFinger()) kind = "pan";
    if (event.button === 1 || space) kind = "pan";
    else if (event.button === 2) kind = "window";
    else if (grip) kind = "grip";
    else if (handle && kind !== "measure") kind = "shape";
    if (event.pointerType === "touch" && kind === "pan") rest(point);
    return { kind, grip, handle, box: edited?.box, key: edited?.key, start: point, last: point, moved: false };
  }

  /** A finger that stays where it is put measures from there. */
  function rest(point) {
    clearTimeout(resting);
    resting = setTimeout(() => {
      if (!drag || drag.moved || drag.kind !== "pan") return;
      drag.kind = "measure";
      acts.measure(film(point), film(point), false);
      navigator.vibrate?.(20);
    }, LONG);
  }

  function move(event) {
    const point = at(event);
    const [dx, dy] = [point.x - drag.last.x, point.y - drag.last.y];
    if (!drag.moved && Math.hypot(point.x - drag.start.x, point.y - drag.start.y) < SLACK) return;
    drag.moved = true;
    clearTimeout(resting);
    drag.last = point;
    const [from, to] = [film(drag.start), film(point)];
    if (drag.kind === "window") acts.window(dx, dy);
    else if (drag.kind === "pan") acts.look(pan(stage.view, dx, dy, stage.frame, stage.size));
    else if (drag.kind === "measure") acts.measure(from, to, false);
    else if (drag.kind === "grip") acts.move(drag.grip, to, false);
    else if (drag.kind === "draw") acts.draw(boxBetween(from, to, stage.frame), false);
    else if (drag.kind === "shape") {
      drag.next = dragBox(drag.box, drag.handle, to.x - from.x, to.y - from.y, stage.frame);
      acts.shape(drag.key, drag.next, false);
    }
  }

  function end(event) {
    const { kind, moved, start, next, key, grip } = drag;
    drag = null;
    clearTimeout(resting);
    if (kind === "draw" && moved) acts.draw(boxBetween(film(start), film(at(event)), stage.frame), true);
    else if (kind === "shape" && next) acts.shape(key, next, true);
    else if (kind === "measure" && moved) acts.measure(film(start), film(at(event)), true);
    else if (kind === "grip") moved ? acts.move(grip, film(at(event)), true) : acts.grasp(grip);
    else if (!moved && event.button === 0 && kind !== "shape" && kind !== "measure") acts.select(under(start));
  }

  function pinch() {
    clearTimeout(resting);
    const [a, b] = [...pressed.values()];
    const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    const apart = Math.max(Math.hypot(b.x - a.x, b.y - a.y), 1);
    if (drag?.kind === "pinch") {
      const moved = pan(stage.view, middle.x - drag.middle.x, middle.y - drag.middle.y, stage.frame, stage.size);
      acts.look(zoomAt(moved, apart / drag.apart, middle));
    }
    drag = { kind: "pinch", middle, apart };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (!stage.frame) return;
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, at(event));
    if (pressed.size === 2) pinch();
    else if (pressed.size === 1) drag = begin(event);
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stage.frame) return;
    if (pressed.has(event.pointerId)) pressed.set(event.pointerId, at(event));
    if (pressed.size === 2) pinch();
    else if (drag && drag.kind !== "pinch") move(event);
    else if (!drag) hover(at(event));
    acts.lens(at(event), stage);
  });
  const release = (event) => {
    pressed.delete(event.pointerId);
    if (drag?.kind === "pinch") drag = null;
    else if (drag) end(event);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", (event) => {
    pressed.delete(event.pointerId);
    clearTimeout(resting);
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => {
    acts.hover(null, null);
    acts.lens(null, stage);
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => stage.fit());
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!stage.frame) return;
      event.preventDefault();
      acts.look(zoomAt(stage.view, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), at(event)));
    },
    { passive: false },
  );
  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target === document.body) space = true;
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") space = false;
  });

  function hover(point) {
    const edited = acts.edited();
    const handle = edited && handleAt(edited.box, film(point), reach());
    canvas.style.cursor = handle ? CURSORS[handle === "move" ? handle : compassOnScreen(stage.view, handle)] : acts.tool() === "pan" ? "grab" : "crosshair";
    acts.hover(under(point), film(point));
  }
}
