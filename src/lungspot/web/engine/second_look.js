// A second look at parts of a film, for what is small (lungspot.detect.second_look).

import { prepare } from "./prepare.js";
import { resize } from "./resize.js";

/** What the network said of the upright `film`, and what parts show of the labels that the card names. */
export async function lookAgain(raw, film, card, run) {
  const { second_look: look, input_size: size } = card;
  if (Math.min(film.width, film.height) < look.least) return raw;
  const wanted = card.labels.map((label) => look.labels.indexOf(label));
  if (wanted.every((of, at) => of < 0 || raw.image_scores[at] < look.least_score)) return raw;
  const whole = { width: look.size, height: look.size, pixels: prepare(film, look.size) };
  const [boxes, scores] = [[...raw.boxes], [...raw.scores]];
  for (const [x0, y0, x1, y1] of look.windows) {
    const part = [x0 * look.size, y0 * look.size, x1 * look.size, y1 * look.size];
    const said = await run(resize(whole, size, size, "bilinear", part).pixels, true);
    const placed = (value, at) => value * (at % 2 ? y1 - y0 : x1 - x0) + (at % 2 ? y0 : x0) * size;
    boxes.push(...said.boxes.map((box) => box.map(placed)));
    scores.push(...said.scores.map((row) => wanted.map((of, at) => (of < 0 ? 0 : row[said.part ? of : at]))));
  }
  return { ...raw, boxes, scores };
}
