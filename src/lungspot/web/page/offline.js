// Keeps the page's own files in this browser, so that it opens without a network; a film is never among them.

async function keep() {
  if (!navigator.serviceWorker || !isSecureContext) return "none";
  await navigator.serviceWorker.register(new URL("../sw.js", import.meta.url));
  await navigator.serviceWorker.ready;
  return "ready";
}

keep().then(
  (word) => (document.documentElement.dataset.offline = word),
  () => (document.documentElement.dataset.offline = "none"),
);
