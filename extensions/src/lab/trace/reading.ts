/** The worker that fetches a trace and reads it, so that the page never waits for either. */

import { isWhole } from "./checksum";
import { MOST_BYTES, readTensors, readTrace, tooLarge, type Trace } from "./parse";

export interface Wanted {
  url: string;
  headers: Record<string, string>;
}
export type Found = { trace: Trace } | { error: string };

async function fetched({ url, headers }: Wanted): Promise<ArrayBuffer> {
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
    const bytes = await fetched(data);
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
