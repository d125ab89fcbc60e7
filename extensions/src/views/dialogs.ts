/** What panels ask of each other in the page, by events that bubble from the panel that asks. */

import type { Store } from "../store";

/** Somebody wants a view as a file: the export dialog listens. */
export const EXPORT = "workbench:export";

export interface ExportAsked {
  session: string;
  view: string;
  store: Store;
}

/** Asks for the export dialog, from any element of the panel. */
export function askExport(from: Element | null, store: Store): void {
  const detail: ExportAsked = { session: store.session, view: store.view, store };
  (from ?? document).dispatchEvent(new CustomEvent(EXPORT, { bubbles: true, detail }));
}
