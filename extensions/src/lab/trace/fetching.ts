/** A trace that is read beside the page. */

import { Told } from "../../words";
import type { Found, Wanted } from "./reading";
import type { Trace } from "./parse";

const PATIENCE = 60_000; // milliseconds

export function fetchTrace(wanted: Wanted): Promise<Trace> {
  const worker = new Worker(new URL("./reading.js", import.meta.url), { type: "module" });
  return new Promise<Trace>((yes, no) => {
    const late = setTimeout(() => no(new Told("The file takes too long to read.")), PATIENCE);
    worker.onmessage = ({ data }: MessageEvent<Found>) => {
      clearTimeout(late);
      if ("trace" in data) yes(data.trace);
      else no(new Told(data.error, ...data.values));
    };
    worker.onerror = (event) => {
      clearTimeout(late);
      no(new Told("The file cannot be read: %1.", event.message || "its reader did not start"));
    };
    worker.postMessage(wanted);
  }).finally(() => worker.terminate());
}
