// The page without a network, from its second visit on: every file comes from this browser's own store, with the headers
// that let the network use several threads (COOP, COEP) where the host sends none. lungspot writes VERSION, POLICY and FILES.
// A newer version waits until no tab has the older one open: files of two versions never meet in one page.

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};
// A host may have several pages (a site of versions), and stores are the host's: each page takes away its own alone.
const MINE = `lungspot ${self.registration.scope} `;
const NAME = MINE + VERSION;

// Asked of the host anew: the browser may still hold another version's file under the same address.
const anew = (path) => new Request(path, { cache: "no-cache" });

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(["./", ...FILES].map(anew))));
});

self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith(MINE) && name !== NAME);
  const tidy = (names) => Promise.all(old(names).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(tidy).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(kept(event.request));
});

async function kept(request) {
  const cache = await caches.open(NAME);
  const found = (await cache.match(request, { ignoreSearch: true })) ?? (await fetch(request));
  if (found.type === "opaque" || found.status === 0) return found;
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}
