// What the page remembers between visits, in this browser only: theme, reader's name, sensitivity. Nothing of a film.

const KEY = "lungspot";
const DEFAULTS = { theme: "dark", reader: "", point: "balanced", singleKeys: true, worklist: true };

/** The settings kept in this browser; defaults where there are none or the browser keeps nothing. */
export function kept() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export function keep(settings) {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing still reads films.
  }
}
