/** The worker that fetches a trace and reads it, so that the page never waits for either. */

import { Told } from "../../words";
import { isWhole } from "./checksum";
import { unpacked } from "./packed";
import { MOST_BYTES, readTensors, readTrace, tooLarge, type Trace } from "./parse";

/** A trace by its address, or as a notebook keeps it: compressed by zlib, in base64. */
export type Wanted = { url: string; headers: Record<string, string> } | { content: string };
/** What is wrong is said by the page, in its language. */
export type Found = { trace: Trace } | { error: string; values: unknown[] };

async function fetched({ url, headers }: Extract<Wanted, { url: string }>): Promise<ArrayBuffer> {
  const answer = await fetch(url, { headers, credentials: "same-origin" });
  if (!answer.ok) throw new Told("The file cannot be read (%1): look for it again.", answer.status);
  const said = Number(answer.headers.get("Content-Length") ?? 0);
  if (said > MOST_BYTES) {
    await answer.body?.cancel();
    throw tooLarge(said);
  }
  return answer.arrayBuffer();
}

self.onmessage = async ({ data }: MessageEvent<Wanted>) => {
  let found: Found;
  try {
    const bytes = await ("url" in data ? fetched(data) : unpacked(data.content));
    const tensors = readTensors(bytes);
    const checked = isWhole(tensors); // the browser makes the checksum beside what follows
    checked.catch(() => {}); // what is wrong with the trace is said first
    const trace = readTrace(bytes, tensors);
    found = { trace: { ...trace, checked: await checked } };
  } catch (error) {
    found =
      error instanceof Told
        ? { error: error.text, values: error.values }
        : { error: "%1", values: [(error as Error).message] };
  }
  const parts = "trace" in found ? Object.values(found.trace.frames) : [];
  const buffers = parts.flatMap(({ columns }) => columns.map(({ data }) => data.buffer));
  self.postMessage(found, { transfer: [...new Set(buffers)] as Transferable[] });
};
