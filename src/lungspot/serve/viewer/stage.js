// One film on one canvas: its picture under the window, the heat map, the boxes, and the reader's aids, in that order.

import { drawLens, drawScale, drawSides } from "./aids.js";
import { drawOrgans } from "./anatomy.js";
import { drawCorners } from "./corners.js";
import { picture } from "./film.js";
import { axes, down, fit, onScreen, turnAbout } from "./geometry.js";
import { drawMarks } from "./marks.js";
import { drawMeasureWords, drawMeasures, measureWords } from "./measure_marks.js";

export const NARROW = 520; // of a canvas on which words would cover the film; the list below has them

/**
 * A stage on a canvas. `draw(scene)` paints; scene: {film, window, frame, spacing, edges, heat, organs, marks, focus, edited,
 * measures, scale, grip, lens, draft}. After a drawing, `words` are the rectangles {left, top, wide, high, text, key} of all that is written
 * on it. `view` is where the film lies; `size` the canvas in CSS pixels.
 */
export function stage(canvas, changed) {
  const context = canvas.getContext("2d", { alpha: false });
  const self = {
    canvas,
    view: { scale: 1, tall: 1, turns: 0, flip: false, x: 0, y: 0 },
    size: { width: 1, height: 1 },
    facing: { turns: 0, flip: false },
    fitted: true,
    frame: null,
  };
  const whole = () => fit(self.frame, self.size, self.facing);

  self.measure = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    const dense = globalThis.devicePixelRatio || 1;
    const [wide, high] = [Math.max(Math.round(width * dense), 1), Math.max(Math.round(height * dense), 1)];
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    self.size = { width: Math.max(width, 1), height: Math.max(height, 1) };
    if (self.frame && self.fitted) self.view = whole();
    changed();
  };
  self.show = (frame, facing = { turns: 0, flip: false }) => {
    self.frame = frame;
    self.facing = facing;
    self.fit();
  };
  self.fit = () => {
    self.fitted = true;
    if (self.frame) self.view = whole();
    changed();
  };
  self.face = (facing) => {
    self.facing = facing;
    if (self.fitted) return self.fit();
    self.look(turnAbout(self.view, facing, { x: self.size.width / 2, y: self.size.height / 2 }));
  };
  self.look = (view) => {
    self.fitted = false;
    self.view = view;
    changed();
  };
  self.words = [];
  self.draw = (scene) => {
    self.words = paint(context, self, scene) ?? [];
  };
  new ResizeObserver(self.measure).observe(canvas);
  self.measure();
  return self;
}

function paint(context, { canvas, view, size }, scene) {
  const dense = canvas.width / size.width;
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, size.width, size.height);
  if (!scene.film) return;
  drawFilm(context, scene.film, scene.window, view, dense);
  if (scene.under) drawUnder(context, scene, view, size, dense);
  if (scene.heat) drawHeat(context, scene.heat, scene.frame, view);
  const { x, y, width, height } = onScreen(view, [0, 0, scene.frame.width, scene.frame.height]);
  const film = { left: x, top: y, wide: width, high: height };
  const reserved = scene.reserved ?? [];
  const unshown = scene.unshown ?? new Set();
  const taken = unshown.has("sides") ? [] : drawSides(context, view, scene.frame, scene.edges ?? {}, size);
  if (scene.spacing && !unshown.has("scale")) taken.push(drawScale(context, view, scene.spacing, size));
  if (!scene.under) taken.push(...drawOrgans(context, view, scene.organs ?? []));
  const { measures = [], scale, grip: held } = scene;
  const lengths = measureWords(context, view, measures, { scale, film: scene.film, size });
  taken.push(...lengths);
  drawMeasures(context, view, measures, held);
  const clear = [...taken, ...reserved, ...(size.width < NARROW ? [film] : [])]; // on a small screen words never cover the film
  if (scene.corners) taken.push(...drawCorners(context, scene.corners, { taken: clear, size }));
  const shown = { focus: scene.focus ?? null, edited: scene.edited ?? null, size, film, taken: [...taken, ...reserved], silent: size.width < NARROW };
  const labels = drawMarks(context, view, scene.under ? [] : (scene.marks ?? []), shown); // boxes of one film are not the other's
  if (scene.draft) drawMarks(context, view, [scene.draft], { focus: scene.draft.key, size });
  drawMeasureWords(context, lengths);
  if (scene.lens) drawLens(context, scene, view, (under) => drawFilm(context, scene.film, scene.window, under, dense));
  return [...taken, ...labels];
}

/** Draw the film so that its pixels lie where the view says, whichever of its smaller copies is used. */
function drawFilm(context, film, window, view, dense) {
  const { canvas, shrink } = picture(film, window, Math.max(view.scale, down(view)) * dense);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  onFilm(context, view, () => context.drawImage(canvas, 0, 0, canvas.width * shrink, canvas.height * shrink));
}

/** The prior film left of a line, as large as the open one. */
function drawUnder(context, { under, frame }, view, size, dense) {
  const { film, window, reading, split } = under;
  const room = onScreen(view, [0, 0, frame.width, frame.height]);
  const facing = { turns: reading.correction.quarter_turns, flip: false };
  const laid = fit(reading.frame, room, facing, 0);
  const line = Math.round(split * size.width);
  context.save();
  context.beginPath();
  context.rect(0, 0, line, size.height);
  context.clip();
  context.fillStyle = "#000";
  context.fillRect(0, 0, line, size.height);
  drawFilm(context, film, window, { ...laid, x: laid.x + room.x, y: laid.y + room.y }, dense);
  context.restore();
  context.fillStyle = "#ffd27a";
  context.fillRect(line - 1, 0, 2, size.height);
}

/** Draw in pixels of the film. */
function onFilm(context, view, draw) {
  context.save();
  context.transform(...axes(view), view.x, view.y);
  draw();
  context.restore();
}

function drawHeat(context, heat, frame, view) {
  context.imageSmoothingEnabled = true;
  onFilm(context, view, () => context.drawImage(heat, 0, 0, frame.width, frame.height));
}
