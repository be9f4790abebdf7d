// The network: a prepared film in, numbers out, checked as lungspot.detect.detector checks them. One film a run, on the CPU.

const SLACK = 1e-3; // rounding past 0 or 1 that a probability may show

/** `ort`: onnxruntime-web. {run(tensor)}: {boxes, scores, image_scores, maps, organs, mirrored, gate}; of a part boxes and scores. */
export async function openNetwork(ort, model, size) {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    logSeverityLevel: 4,
  });
  const named = (parts) => session.outputNames.filter((name) => name.startsWith("part_") === parts);
  const [wholes, parts] = [named(false), named(true)];
  async function run(tensor, part) {
    const given = { image: new ort.Tensor("float32", tensor, [1, 1, size, size]) };
    if (session.inputNames.includes("part")) given.part = new ort.Tensor("bool", [!!part], []);
    const found = await session.run(given, part && parts.length ? parts : wholes);
    const made = Object.fromEntries(Object.entries(found).map(([name, value]) => [name, checked(name, value)]));
    Object.values(found).forEach((value) => value.dispose());
    return made.boxes ? raw(made) : { boxes: rows(made.part_boxes), scores: rows(made.part_scores), part };
  }
  return { run };
}

function checked(name, { data, dims }) {
  const plain = name.endsWith("boxes") || name === "features";
  const values = data.slice();
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    const fair = plain ? value : Math.min(Math.max(value, 0), 1);
    if (!(Math.abs(fair - value) <= SLACK)) throw Object.assign(new Error(`${name}: ${value}`), { code: "MODEL_NUMERIC" }); // NaN, too
    values[at] = fair;
  }
  return { values, dims };
}

const rows = ({ values, dims }) => Array.from({ length: dims[1] }, (_, at) => Array.from(values.subarray(at * dims[2], (at + 1) * dims[2])));

function planes({ values, dims: [, count, height, width] }) {
  const size = width * height;
  return Array.from({ length: count }, (_, at) => ({ width, height, pixels: values.subarray(at * size, (at + 1) * size) }));
}

const raw = (made) => ({
  boxes: rows(made.boxes),
  scores: rows(made.scores),
  image_scores: made.image_scores.values,
  maps: planes(made.maps),
  organs: made.organs && planes(made.organs),
  mirrored: made.mirrored?.values,
  gate: made.gate?.values,
});
