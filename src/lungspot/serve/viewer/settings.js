// What the page remembers in this browser only. Between visits: theme, reader's name, sensitivity, nothing of a film.
// Until its tab is closed: the names of the films that it sent, which the server does not keep.

const KEY = "lungspot";
const DEFAULTS = {
  ...{ theme: "dark", reader: "", point: "balanced", language: "en", singleKeys: true, worklist: true },
  ...{ findings: true, sort: "urgency", recent: [], corners: true, unshown: [] },
};

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

const NAMES = "lungspot-names";
const MOST_NAMES = 10000;

/** The names of films that this tab has sent, by reading id. */
export function keptNames() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(NAMES) ?? "[]"));
  } catch {
    return new Map();
  }
}

export function keepNames(names) {
  try {
    sessionStorage.setItem(NAMES, JSON.stringify([...names].slice(-MOST_NAMES)));
  } catch {
    // A browser that keeps nothing still reads films.
  }
}
