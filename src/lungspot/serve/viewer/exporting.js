// Reviews out as training data: by plain links, and with the file names of films where only this page knows them.

import * as api from "./api.js";
import { make, one, say } from "./dom.js";

/** Let the links under the worklist bring the names that this tab knows; the server keeps none of them. */
export function exportLinks({ state }) {
  for (const link of one("exports").querySelectorAll("a"))
    link.addEventListener("click", async (event) => {
      if (api.SERVED && !state.names.size) return; // the link itself asks the server
      event.preventDefault();
      say("The export is being packed");
      try {
        const content = URL.createObjectURL(await api.exported(link.getAttribute("href"), state.names));
        make("a", { href: content, download: link.download }).click();
        say(`Exported: ${link.download}`);
        setTimeout(() => URL.revokeObjectURL(content), 60000);
      } catch (error) {
        say(error.message);
      }
    });
}
