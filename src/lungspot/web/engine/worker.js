// The page's other thread: opens the network once, then reads one film after another. Nothing here asks
// for anything but the decoders beside it.

import { analyse } from "./analyse.js";
import { cardOf } from "./card.js";
import { openNetwork } from "./network.js";
import { read } from "./read.js";
import { FilmError } from "./refusal.js";
import { sha256 } from "./sha256.js";
import { statisticsOf } from "./statistics.js";

const MOST_THREADS = 4;
let opened = null;

const acts = {
  /** `model` and `runtime`: bytes; `pinned`: the model's SHA-256; `taxonomy`: by label. */
  async open({ model, runtime, pinned, taxonomy, threads }) {
    if ((await sha256(model)) !== pinned) throw new FilmError("MODEL_HASH", "the model is not the one that this page was made with");
    const card = cardOf(model);
    const ort = await import("../runtime/ort.wasm.min.mjs");
    const many = self.crossOriginIsolated ? (threads ?? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS)) : 1;
    Object.assign(ort.env.wasm, {
      numThreads: many,
      wasmBinary: runtime.buffer,
      wasmPaths: { mjs: new URL("../runtime/ort-wasm-simd-threaded.mjs", import.meta.url).href },
    });
    ort.env.logLevel = "error";
    opened = { card, taxonomy, network: await openNetwork(ort, model, card.input_size) };
    return { card, threads: many, runtime: ort.env.versions.web };
  },

  async read({ file }) {
    const start = performance.now();
    const film = await read(await bytesOf(file));
    const seen = performance.now();
    const { card: _, film: __, ...analysis } = await analyse(film, opened.card, opened.taxonomy, opened.network.run);
    const { pixels, ...facts } = film;
    const stored = new Uint16Array(pixels.length); // `from` with a function takes a second for a film
    for (let at = 0; at < pixels.length; at += 1) stored[at] = Math.round(pixels[at] * 65535);
    const timings = { read: seen - start, detect: performance.now() - seen };
    return { film: facts, analysis: { ...analysis, timings, statistics: statisticsOf(film) }, pixels: stored };
  },
};

async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new FilmError("NOT_READABLE", `the browser cannot read it (${error.name})`);
  }
}

self.addEventListener("message", async ({ data: { id, act, ...given } }) => {
  try {
    const answer = await acts[act](given);
    postMessage({ id, answer }, answer.pixels ? [answer.pixels.buffer] : []);
  } catch (error) {
    const known = typeof error.code === "string"; // a DOMException's code is a number
    if (!known) console.error(error);
    postMessage({ id, refused: { code: known ? error.code : "CRASHED", reason: error.message, advice: error.advice ?? "" } });
  }
});
