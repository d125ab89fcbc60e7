/** What panels ask of each other in the page, by events that bubble from the panel that asks. */

import { signal } from "@preact/signals";
import type { Store } from "../store";

/** What a panel shows beside what Python knows of: what is exported is that too. */
export interface Seen {
  /** The lanes that stand side by side; null where there is one alone. */
  lanes: number[] | null;
  /** By kind of frame and chart, whether the axis of what is measured is logarithmic now. */
  logs: Map<string, Map<string, boolean>>;
}

const SEEN = new WeakMap<Store, Seen>();

// By session and kind, what the panel that showed it last has: an export panel shows none itself.
const ELSEWHERE = new Map<string, Map<string, Seen>>();

/** Counts up when a scale changes, so that whoever exports it hears of that. */
export const scales = signal(0);

export function seenIn(store: Store): Seen {
  const known = SEEN.get(store) ?? { lanes: null, logs: new Map() };
  SEEN.set(store, known);
  return known;
}

/** For a chart to say on which scale it shows a kind. */
export const logOf = (store: Store, kind: string, chart = "") => (log: boolean) => {
  const seen = seenIn(store);
  if (!seen.logs.has(kind)) seen.logs.set(kind, new Map());
  seen.logs.get(kind)!.set(chart, log);
  if (store.session) {
    if (!ELSEWHERE.has(store.session)) ELSEWHERE.set(store.session, new Map());
    ELSEWHERE.get(store.session)!.set(kind, seen);
  }
  scales.value = scales.peek() + 1;
};

/** On which scale a kind is on screen; automatic where it is not, or charts of it differ. */
export function scaleSeen(store: Store, kind: string): "automatic" | "log" | "linear" {
  const seen =
    store.view === "export" ? ELSEWHERE.get(store.session)?.get(kind) : seenIn(store);
  const found = new Set(seen?.logs.get(kind)?.values());
  return found.size === 1 ? (found.has(true) ? "log" : "linear") : "automatic";
}

const IN_THE_MIDDLE = ["curves", "images", "predictions", "pulls"]; // of a stage, side by side

/** The lanes that a kind shows on screen; undefined where Python knows as well. */
export function lanesOf(store: Store, kind: string): number[] | undefined {
  if (store.view !== "stage" || !IN_THE_MIDDLE.includes(kind)) return undefined;
  return seenIn(store).lanes ?? [store.cursor.peek().lane];
}

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
