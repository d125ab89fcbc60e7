/** A file as a notebook keeps it: compressed by zlib, in base64. */

import { Told } from "../../words";

const MOST_LETTERS = 4 * 2 ** 20; // those that we write have fewer
const MOST_BYTES = 64 * 2 ** 20; // a few letters can be made to unpack to any size

const damaged = (why: string) =>
  new Told("What this notebook keeps of the panel is damaged (%1): run the cell again.", why);

/** The file's bytes; never more of them than there may be. */
export async function unpacked(content: unknown, most = MOST_BYTES): Promise<ArrayBuffer> {
  if (typeof content !== "string") throw damaged("it holds no file");
  if (content.length > MOST_LETTERS) throw damaged("it is too long");
  let packed: Uint8Array<ArrayBuffer>;
  try {
    packed = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  } catch {
    throw damaged("it is no base64");
  }
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts: BlobPart[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw damaged("it cannot be unpacked");
    });
    if (done) return new Blob(parts).arrayBuffer();
    size += value.byteLength;
    if (size > most) {
      await reader.cancel();
      throw damaged("it is too large");
    }
    parts.push(value);
  }
}
