/** The worker that fetches a trace and reads it, so that the page never waits for either. */

import { isWhole } from "./checksum";
import { unpacked } from "./packed";
import { MOST_BYTES, readTensors, readTrace, tooLarge, type Trace } from "./parse";

/** A trace by its address, or as a notebook keeps it: compressed by zlib, in base64. */
export type Wanted = { url: string; headers: Record<string, string> } | { content: string };
export type Found = { trace: Trace } | { error: string };

async function fetched({ url, headers }: Extract<Wanted, { url: string }>): Promise<ArrayBuffer> {
  const answer = await fetch(url, { headers, credentials: "same-origin" });
  if (!answer.ok) throw new Error(`The file cannot be read (${answer.status}): look for it again.`);
  const said = Number(answer.headers.get("Content-Length") ?? 0);
  if (said > MOST_BYTES) {
    await answer.body?.cancel();
    throw new Error(tooLarge(said));
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
    found = { error: (error as Error).message };
  }
  const parts = "trace" in found ? Object.values(found.trace.frames) : [];
  const buffers = parts.flatMap(({ columns }) => columns.map(({ data }) => data.buffer));
  self.postMessage(found, { transfer: [...new Set(buffers)] as Transferable[] });
};
