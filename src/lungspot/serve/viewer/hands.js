// What hands do on a stage: pointer.js tells of drags, clicks and pinches, and here is which act of the reader's each is.

import * as pointer from "./pointer.js";
import { marks, verdicts } from "./scene.js";

/** Listen on a stage. `own`: it is the open film's, which can be judged; else the other film's, which is only looked at. */
export function hands(store, { stage, own, picture, finding, measure }) {
  const { state } = store;
  pointer.listen(stage, {
    tool: () => (own ? state.tool : state.tool === "pan" ? "pan" : "window"),
    byFinger: () => state.byFinger,
    marks: () => (own && state.boxes ? marks(state).filter((mark) => typeof mark.key === "number") : []),
    labels: () => (own ? stage.words.filter((word) => typeof word.key === "number") : []),
    edited: () =>
      own && state.editing && !state.revealed
        ? (verdicts(state).items.find((item) => item.key === state.focus) ?? null)
        : null,
    select: (key) => own && finding.focus(key === state.focus ? null : key),
    hover: (key, point) => store.set({ hover: own ? key : null, cursor: own ? point : null }),
    window: picture.windowBy,
    look: (view) => picture.follow(stage, view),
    shape: finding.shape,
    draw: finding.draw,
    grip: (point, reach) => (own && !state.editing ? measure.grip(point, reach) : null),
    grasp: measure.grasp,
    move: measure.move,
    measure: (from, to, final) => own && measure.draw(from, to, final),
    lens: (point, on) => state.lens && store.set({ lensAt: point && { point, stage: on } }),
  });
}
