// Results as files: made here, and saved by the browser as any download is.

import { atPoint } from "../engine/analyse.js";
import { document as resultOf } from "../engine/document.js";
import { DRAWN, crc } from "../engine/png.js";
import { reportText } from "../engine/report_text.js";
import { statement, textOf } from "../engine/statement.js";
import { drawSides } from "./aids.js";
import { correctionOf, edgesOf } from "./films.js";
import { film as withLevels, picture } from "./film.js";
import { drawMarks } from "./marks.js";
import { presets } from "./window.js";

const LARGEST = 1400; // pixels of a saved picture's long side
const LINE = 20; // pixels of a line below it

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const at = ({ analysis }, { facts }, { point }) => atPoint(analysis, point, facts.taxonomy).at;

export async function jsonBlob(film, engine, how) {
  return new Blob([`${JSON.stringify(resultOf(at(film, engine, how), engine.facts), null, 2)}\n`], { type: "application/json" });
}

export async function textBlob(film, engine, how) {
  return new Blob([reportText(at(film, engine, how), engine.facts, { language: how.language }).text], { type: "text/plain" });
}

/** The reviews, of each film as long as it is in this tab. */
export function reviewsBlob(films) {
  const reviews = films.flatMap(({ name, analysis, reviews: said }) =>
    analysis?.film ? said.map((each) => ({ film_sha256: analysis.film.sha256, film_name: name, ...each })) : [],
  );
  const value = { schema: "lungspot-reviews/1", reviews, not_for_clinical_use: true };
  return new Blob([`${JSON.stringify(value, null, 1)}\n`], { type: "application/json" });
}

/** The film with its boxes, and below it what is said of it and for whom. */
export async function overlayBlob(film, engine, how) {
  const { facts } = engine;
  const shown = at(film, engine, how);
  const { width, height } = film.pixels;
  const tall = shown.film.pixel_aspect[0] / shown.film.pixel_aspect[1];
  const scale = Math.min(LARGEST / Math.max(width, height * tall), 1);
  const size = { width: Math.max(Math.round(width * scale), 320), height: Math.max(Math.round(height * tall * scale), 320) };
  const said = statement(shown, facts);
  const lines = [said.headline, facts.model.banner, `${shown.card.name} ${shown.card.version}, ${how.point} operating point`];
  const canvas = new OffscreenCanvas(size.width, size.height + LINE * (lines.length + 1));
  const context = canvas.getContext("2d", { alpha: false });
  const levels = withLevels(film.pixels);
  const auto = presets(levels, correctionOf(shown))[1].window;
  const { canvas: grey, shrink } = picture(levels, auto, scale);
  const [wide, high] = [size.width / width, size.height / height];
  context.imageSmoothingQuality = "high";
  context.drawImage(grey, 0, 0, grey.width * shrink * wide, grey.height * shrink * high);
  const view = { scale: wide, tall: high / wide, turns: 0, flip: false, x: 0, y: 0 };
  const marks = said.said.filter(({ box }) => box).map((each) => mark(each, facts));
  const taken = drawSides(context, view, { width, height }, edgesOf(shown), size);
  drawMarks(context, view, marks, { focus: null, size, taken });
  context.fillStyle = "#f2f5f8";
  context.font = "14px system-ui, sans-serif";
  lines.forEach((line, row) => context.fillText(line, 8, size.height + LINE * (row + 1), size.width - 16));
  return withSoftware(await canvas.convertToBlob({ type: "image/png" }));
}

const mark = (said, facts) => ({
  key: said.place,
  box: said.box,
  colour: facts.taxonomy[said.names[0].label].color,
  text: textOf(said, facts).replaceAll("; ", "\n"),
});

/** A PNG that says that it is a drawing of lungspot's, so that none takes it for a film. */
async function withSoftware(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const body = new TextEncoder().encode(`tEXtSoftware\0${DRAWN}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(4 + body.length, crc(body));
  const head = 33; // the signature and the first chunk
  return new Blob([bytes.subarray(0, head), chunk, bytes.subarray(head)], { type: "image/png" });
}
