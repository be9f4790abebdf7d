// Keeps the page's own files in this browser, so that it opens without a network; a film is never among them.

async function keep() {
  if (!navigator.serviceWorker || !isSecureContext) return "none";
  const { active, waiting, installing } = await navigator.serviceWorker.register(new URL("../sw.js", import.meta.url));
  return active || waiting || !installing ? "ready" : ended(installing);
}

/** How its first installation ends; where a file is missing it is given up, and nobody would ever be told "ready". */
function ended(worker) {
  return new Promise((done) => {
    const look = () => {
      if (worker.state === "activated") done("ready");
      if (worker.state === "redundant") done("none");
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

keep().then(
  (word) => (document.documentElement.dataset.offline = word),
  () => (document.documentElement.dataset.offline = "none"),
);
