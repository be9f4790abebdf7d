// The two dialogs: what the keys do, and the token that a server beyond this machine asks for.

import * as api from "./api.js";
import { fill, make, one } from "./dom.js";
import { KEYS } from "./keys.js";

const SHOWN = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowLeft: "←",
  ArrowRight: "→",
  PageDown: "Page ↓",
  PageUp: "Page ↑",
  Escape: "Esc",
};
const words = (key) =>
  key
    .split("+")
    .map((part) => SHOWN[part] ?? part)
    .join("+") || key;
const shown = (key) => (key === "+" ? "+" : words(key));

/** Show every key, and the switch for single keys. `settings`: {singleKeys}, `change(patch)` keeps them. */
export function help(settings, change) {
  const box = one("help");
  fill(
    box,
    make(
      "div",
      { class: "bar" },
      make("h2", { id: "help-title" }, "Keys and mouse"),
      make("button", { type: "button", class: "main", autofocus: true, onclick: () => box.close() }, "Close"),
    ),
    make(
      "p",
      { class: "hint" },
      "Left drag: the chosen tool. Right drag: window. Middle drag, or space and drag: pan. Wheel or pinch: zoom. " +
        "Double click: fit. A click on a box chooses it.",
    ),
    make(
      "div",
      { class: "groups scrolls", tabindex: "0", role: "region", "aria-label": "Keys" },
      ...KEYS.map(([title, rows]) => make("section", {}, make("h3", {}, title), make("dl", {}, ...rows.flatMap(row)))),
    ),
    make(
      "label",
      {},
      make("input", {
        id: "single-keys",
        type: "checkbox",
        checked: settings.singleKeys,
        onchange: (event) => change({ singleKeys: event.target.checked }),
      }),
      " Keys of one character work anywhere on the page",
    ),
  );
  if (!box.open) box.showModal();
}

function row([keys, text]) {
  const marks = keys.flatMap((key, at) => [at ? " " : "", make("kbd", {}, shown(key))]).filter(Boolean);
  return [make("dt", {}, ...marks), make("dd", {}, text)];
}

/** Ask for the token until the server takes it. */
export function askToken() {
  return new Promise((done) => {
    const problem = make("p", { role: "alert" });
    const input = make("input", { id: "token", type: "password", autocomplete: "off", required: true });
    const box = make("dialog", { "aria-labelledby": "token-title" });
    const form = make(
      "form",
      {
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await api.signIn(input.value);
          } catch (error) {
            problem.textContent = error.reason;
            return;
          }
          box.close();
          box.remove();
          done();
        },
      },
      make("h2", { id: "token-title" }, "This server asks for its token"),
      make("label", { for: "token" }, "Token "),
      input,
      make("button", { class: "main" }, "Sign in"),
      problem,
    );
    box.append(form);
    box.addEventListener("cancel", (event) => event.preventDefault());
    document.body.append(box);
    box.showModal();
  });
}
