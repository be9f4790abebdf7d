// The thread that reads films, and what it is given: fetched once, when the page opens, and nothing after that.

const files = new URL("../", import.meta.url);

/** Fetch what the page needs, and the film of a demonstration, and start the thread: {facts, card, threads, runtime, ask, film}.
 * `tell(words)` hears of progress. */
export async function start(tell) {
  const facts = await (await get("facts.json")).json();
  const [model, runtime] = await Promise.all([
    bytesOf("model/lungspot.onnx", facts.sizes.model, (words) => tell(`Loading the model: ${words}`)),
    bytesOf("runtime/ort-wasm-simd-threaded.wasm.gz", facts.sizes.runtime, () => {}),
  ]);
  const film = facts.film && new File([await (await get(facts.film.path)).blob()], facts.film.name);
  tell("Starting the network…");
  const unpackedRuntime = await unpacked(runtime);
  forbidConnections(); // before the thread is started: it has the policy that the page has then
  const ask = thread();
  const threads = Number(new URLSearchParams(location.search).get("threads")) || undefined;
  const opened = await ask("open", { model, runtime: unpackedRuntime, pinned: facts.model.sha256, taxonomy: facts.taxonomy, threads });
  return { facts, ask, film, ...opened };
}

/** Take from this page, for as long as it is open, the right to connect to anything. */
function forbidConnections() {
  const rule = Object.assign(document.createElement("meta"), { httpEquiv: "Content-Security-Policy", content: "connect-src 'none'" });
  document.head.append(rule);
}

async function get(path) {
  const answer = await fetch(new URL(path, files), { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${path} is missing where this page lies (${answer.status}): write it again with lungspot web`);
  return answer;
}

async function bytesOf(path, size, tell) {
  const answer = await get(path);
  const parts = [];
  let got = 0;
  for await (const part of stream(answer.body)) {
    parts.push(part);
    got += part.length;
    tell(`${(got / 1e6).toFixed(1)} of ${(size / 1e6).toFixed(1)} MB`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** What a stream holds, piece by piece; not every browser can iterate over one. */
async function* stream(body) {
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** A file as it was before it was packed; a server may have unpacked it on the way. */
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

/** The thread, as a function that asks it: ask(act, given) → its answer. It is started from a blob, for one from an
 * address would not have this page's policy, and could send what it is given elsewhere. */
function thread() {
  const address = URL.createObjectURL(new Blob([`import ${JSON.stringify(new URL("engine/worker.js", files).href)};`], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module", name: "lungspot" });
  const waiting = new Map();
  let last = 0;
  const fail = (reason) => {
    for (const [id, { refuse }] of waiting) {
      waiting.delete(id);
      refuse({ code: "CRASHED", reason, advice: "load the page again" });
    }
  };
  worker.addEventListener("error", (event) => fail(event.message || "the reading thread did not start"));
  worker.addEventListener("message", ({ data: { id, answer, refused } }) => {
    if (!waiting.has(id)) return; // it was refused when the thread failed
    const { done, refuse } = waiting.get(id);
    waiting.delete(id);
    if (refused) refuse(refused);
    else done(answer);
  });
  return (act, given) =>
    new Promise((done, refuse) => {
      last += 1;
      waiting.set(last, { done, refuse });
      worker.postMessage({ id: last, act, ...given });
    });
}
