// Is this a frontal chest film that the detector can judge? Said before, and instead of, any score (lungspot.detect.gate).

import { NONE, frameOf, then, upright } from "./correction.js";
import { percentiles, prepare } from "./prepare.js";
import { lookAgain } from "./second_look.js";

const [SMALLEST, LONGEST] = [64, 2.5];
const [BLANK, SATURATED] = [0.02, 0.8];
const CHILD = 16;
const ATTEMPTS = 2; // swapped greys can hide the turn; it shows once they are set right
const WHAT = { lateral: "LATERAL", partial: "CROPPED", other_xray: "NOT_A_CHEST_FILM", not_xray: "NOT_AN_XRAY" };

/**
 * Run the network on a film, set upright where it must be: {reasons, notices} where it may not be judged, else
 * {reasons: [], raw, frame (of the upright film), correction, notices}. `run(tensor)` resolves to what the network says.
 */
export async function runGated(film, card, run) {
  const notices = noticesOf(film, card.gate);
  const unfitFor = unfit(film);
  if (unfitFor.length) return { reasons: unfitFor, notices };
  let correction = NONE;
  let raw;
  try {
    raw = await run(prepare(film, card.input_size));
    const first = notFrontal(raw, card.gate);
    for (let attempt = 0; attempt < ATTEMPTS && !first.length; attempt += 1) {
      const step = correctionOf(raw, card.gate);
      if (!step.turns && !step.invert) break;
      correction = then(correction, step);
      raw = await run(prepare(upright(film, correction), card.input_size));
    }
    const reasons = first.length ? first : after(raw, card.gate);
    if (reasons.length) return { reasons, notices };
    if (card.second_look) raw = await lookAgain(raw, upright(film, correction), card, run);
  } catch (error) {
    if (error.code !== "MODEL_NUMERIC") throw error;
    return { reasons: [error.code], notices };
  }
  return { reasons: [], raw, frame: frameOf(correction, film), correction, notices: [...notices, ...corrected(correction)] };
}

/** The reasons not to run the detector at all, from the pixels and the header. */
export function unfit(film) {
  const { width, height, pixels } = film;
  const [down, across] = [Math.max(Math.floor(height / 256), 1), Math.max(Math.floor(width / 256), 1)];
  const sample = [];
  for (let y = 0; y < height; y += down) for (let x = 0; x < width; x += across) sample.push(pixels[y * width + x]);
  const [low, high] = percentiles(sample, [1, 99]);
  const blank = high - low < BLANK;
  const pure = sample.filter((each) => each <= 0 || each >= 1).length / sample.length;
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const checks = {
    TOO_SMALL: short < SMALLEST,
    SHAPE: long > LONGEST * short,
    BLANK: blank,
    SATURATED: !blank && pure > SATURATED,
    LATERAL: film.view === "LATERAL",
    NOT_A_CHEST_FILM: film.notices.some(({ code }) => code === "BODY_PART"),
  };
  return Object.keys(checks).filter((code) => checks[code]);
}

function groups(raw, gate) {
  const found = {};
  gate.classes.forEach((name, at) => {
    const [group, which] = name.split(/:(.*)/s);
    (found[group] ??= {})[which] = raw.gate[at];
  });
  return found;
}

const likeliest = (of) => Object.keys(of).reduce((best, name) => (of[name] > of[best] ? name : best));

function correctionOf(raw, gate) {
  if (!gate) return NONE;
  const { turn: turns = { 0: 1 }, polarity = {} } = groups(raw, gate);
  const turn = gate.classes.filter((name) => name.startsWith("turn:")).map((name) => name.slice(5));
  const best = (turn.length ? turn : ["0"]).reduce((one, other) => (turns[other] > turns[one] ? other : one));
  const believed = turns[best] >= (gate.thresholds.turn ?? 0.5);
  return { turns: believed ? Math.floor(Number(best) / 90) % 4 : 0, invert: (polarity.inverted ?? 0) >= (gate.thresholds.inverted ?? 0.5) };
}

/** Why a film that has been set right, as far as that goes, cannot be judged. */
function after(raw, gate) {
  const reasons = notFrontal(raw, gate);
  if (reasons.length) return reasons;
  const again = correctionOf(raw, gate);
  return [...(again.turns ? ["ROTATED"] : []), ...(again.invert ? ["INVERTED"] : [])];
}

function notFrontal(raw, gate) {
  const what = gate ? (groups(raw, gate).what ?? { frontal: 1 }) : { frontal: 1 };
  if (!gate || (what.frontal ?? 0) >= (gate.thresholds.frontal ?? 0.5)) return [];
  const { frontal, ...others } = what;
  return [WHAT[likeliest(others)] ?? "NOT_A_CHEST_FILM"];
}

function noticesOf(film, gate) {
  const found = [];
  const age = film.age_years ?? null;
  if (age !== null && age < CHILD && !film.notices.some(({ code }) => code === "CHILD"))
    found.push({ code: "CHILD", text: `${Number(age.toPrecision(6))} years` });
  if (!gate) found.push({ code: "NO_GATE", text: "gate: not available; nothing checked that this is an upright frontal chest film" });
  return found;
}

function corrected({ turns, invert }) {
  const found = [];
  if (turns) found.push({ code: "TURNED", text: `turned ${90 * turns} degrees clockwise in the file; boxes are in the file's frame` });
  if (invert) found.push({ code: "GREYS_SWAPPED", text: "dense was dark in the file although it does not say so" });
  return found;
}
