// One state for the page: parts listen to it and draw themselves anew, once a frame at most.

/** A store: `state` is read, `set(patch)` changes it, `listen(keys, then)` hears of changes to those keys. */
export function store(initial) {
  const state = { ...initial };
  const listeners = [];
  let waiting = null;

  function tell() {
    const changed = waiting;
    waiting = null;
    for (const { keys, then } of listeners) if (keys.some((key) => changed.has(key))) then(state);
  }

  return {
    state,
    set(patch) {
      for (const [key, value] of Object.entries(patch)) {
        if (Object.is(state[key], value)) continue;
        state[key] = value;
        if (!waiting) {
          waiting = new Set();
          requestAnimationFrame(tell);
        }
        waiting.add(key);
      }
    },
    listen(keys, then) {
      listeners.push({ keys, then });
    },
  };
}
