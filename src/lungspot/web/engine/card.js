// What a model's card says, read from the model file itself (docs/reference/model-format.md), and its curves.

const KEY = "lungspot.card";
export const POINTS = ["sensitive", "balanced", "specific"];

/** The card inside an ONNX file's bytes; throws where there is none. */
export function cardOf(bytes) {
  for (const [number, value] of fields(bytes)) {
    if (number !== 14) continue;
    const entry = new Map(fields(value));
    if (text(entry.get(1)) === KEY) return JSON.parse(text(entry.get(2)));
  }
  throw new Error("the model file holds no card");
}

const text = (bytes) => new TextDecoder().decode(bytes ?? new Uint8Array());

/** The fields of a protocol buffer, [number, bytes or null], those of bytes as they lie in it. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const kind = key % 8;
    const number = (key - kind) / 8;
    if (kind === 0) {
      varint();
      yield [number, null];
    } else if (kind === 2) {
      const length = varint();
      yield [number, bytes.subarray(at, at + length)];
      at += length;
    } else if (kind === 1 || kind === 5) {
      at += kind === 1 ? 8 : 4;
      yield [number, null];
    } else throw new Error("the model file is damaged");
  }
}

/** The thresholds {box, image} of a label at an operating point; where the card has none 0.5, kept in order. */
export function thresholds(card, label, point) {
  const own = card.thresholds[point]?.[label];
  if (own) return own;
  const at = POINTS.indexOf(point);
  const of = (points) => points.flatMap((each) => card.thresholds[each]?.[label] ?? []);
  const [lower, upper] = [of(POINTS.slice(0, at)), of(POINTS.slice(at + 1))];
  const kept = (kind) => Math.min(Math.max(0.5, ...lower.map((each) => each[kind])), ...upper.map((each) => each[kind]));
  return { box: kept("box"), image: kept("image") };
}

export const isReported = (card, label) => (card.standing[label] ?? "reported") === "reported";

/** A finding's threshold: of its box, or of the whole film where it has none. */
export const limitOf = (card, { label, box }, point) => thresholds(card, label, point)[box ? "box" : "image"];
export const reaches = (card, finding, point) => (finding.score ?? 0) >= limitOf(card, finding, point);

/** A score, 0 to 1, as a calibrated probability: Platt's {a, b}, or knots {x, y, slope} of log odds; none: unchanged. */
export function calibrate(score, curve) {
  const value = Math.min(Math.max(score, 0), 1);
  if (!curve) return value;
  const inner = Math.min(Math.max(value, 1e-7), 1 - 1e-7);
  const odds = Math.log(inner / (1 - inner));
  return 1 / (1 + Math.exp(-(curve.x ? through(odds, curve) : curve.a * odds + curve.b)));
}

function through(at, { x, y, slope }) {
  const last = x.length - 1;
  if (at <= x[0]) return y[0] + slope * (at - x[0]);
  if (at >= x[last]) return y[last] + slope * (at - x[last]);
  const after = x.findIndex((each) => each > at);
  return y[after - 1] + ((at - x[after - 1]) / (x[after] - x[after - 1])) * (y[after] - y[after - 1]);
}
