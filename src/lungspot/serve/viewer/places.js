// One shadow, one place: boxes that cover one another have one frame, one label and several names. Pure functions.
//
// Which boxes show one place is the server's to say (`place` of a candidate); a box that a reader drew is one of its own.

const named = (item) => item.renamed ?? item.label;

/**
 * The places of some items, drawn boxes last: {place, names, others}. `said`: for each place that is said, most urgent first, which candidates
 * show it; what only the reader's verdict keeps on the list joins the place that it has been boxed at, or is one of its own.
 * `names`: one item a label, reported ones before experimental ones, best first; `others`: further boxes of these labels, that go with them.
 */
export function placesOf(items, said = []) {
  const found = new Map(said.map((_, at) => [at, []]));
  const placed = new Map(items.filter((item) => item.score !== null).map((item) => [item.key, said.findIndex((keys) => keys.includes(item.key))]));
  const joined = (item) => placed.get(items.find((each) => each.place === item.place && placed.get(each.key) >= 0)?.key);
  for (const item of items) {
    const at = placed.get(item.key);
    const place = item.score === null ? `drawn-${item.key}` : at >= 0 ? at : (joined(item) ?? `place-${item.place}`);
    if (!found.has(place)) found.set(place, []);
    found.get(place).push(item);
  }
  const drawn = ([place]) => String(place).startsWith("drawn-");
  return [...found]
    .filter(([, all]) => all.length)
    .toSorted((a, b) => drawn(a) - drawn(b))
    .map(([place, all]) => split(place, all));
}

function split(place, all) {
  const ranked = all.toSorted((a, b) => tried(a) - tried(b) || b.score - a.score);
  const names = [];
  const others = [];
  for (const item of ranked) {
    const first = names.find((each) => named(each) === named(item));
    const along = first && (item.verdict === "open" || item.verdict === first.verdict) && item.verdict !== "edited";
    (along ? others : names).push(item);
  }
  return { place, names, others };
}

const tried = (item) => (item.standing === "experimental" ? 1 : 0);

/** The item that stands for a place: the best that was not rejected. */
export const leading = (names) => names.find((item) => item.verdict !== "rejected") ?? names[0];

/** The one frame of a place while an item of it stands out: that item's box; round all boxes that nobody judged one by one. */
export function frame({ names, others }, item) {
  if (item.judged !== false || item.verdict === "edited") return item.box;
  const boxes = [...names, ...others].filter((each) => named(each) === named(item)).map((each) => each.box);
  return [0, 1].map((at) => Math.min(...boxes.map((box) => box[at]))).concat([2, 3].map((at) => Math.max(...boxes.map((box) => box[at]))));
}

/** Names by what a film can tell apart: [{id, items}], `id` the look-alike group's label, best first. */
export function groups({ model }, names) {
  const found = new Map();
  for (const item of names) {
    const id = model.labels.get(item.label)?.group ?? item.label;
    if (!found.has(id)) found.set(id, []);
    found.get(id).push(item);
  }
  return [...found].map(([id, items]) => ({ id, items }));
}

/** An item and those that a verdict on it speaks of too: the further boxes of its label at its place. */
export function together(places, key, verdict) {
  const place = places.find(({ names }) => names.some((item) => item.key === key));
  const item = place?.names.find((each) => each.key === key);
  if (!item) return [key];
  const along = place.others.filter((each) => named(each) === named(item));
  const takes = verdict === "rejected" || item.judged === false; // to accept the best box says nothing of the others
  return takes ? [key, ...along.map((each) => each.key)] : [key];
}
