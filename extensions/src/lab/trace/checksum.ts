/** Whether a file is as it was written: the checksum that `save_tensors` put into it, made again. */

import { Told } from "../../words";
import type { Tensor, Tensors } from "./parse";

const TYPES: Record<string, string> = {
  F64: "float64", F32: "float32", F16: "float16", BF16: "bfloat16", I64: "int64", I32: "int32",
  I16: "int16", I8: "int8", U64: "uint64", U32: "uint32", U16: "uint16", U8: "uint8", BOOL: "bool",
}; // prettier-ignore
const WRITTEN = /, "sha256": "([0-9a-f]{64})"\}$/;

/** Refuses a file that was changed; says false where this page cannot tell, as browsers make no
 * checksums on pages that come neither by https nor from this machine. */
export async function isWhole({ tensors, text }: Tensors): Promise<boolean> {
  const said = WRITTEN.exec(text);
  const changed = new Told("This file was changed after it was written, or has no checksum: save it again.");
  if (!said) throw changed;
  if (!globalThis.crypto?.subtle) return false;
  const head = new TextEncoder().encode(text.replace(WRITTEN, "}"));
  const body = fingerprinted(tensors);
  const whole = new Uint8Array(head.length + body.length);
  whole.set(head);
  whole.set(body, head.length);
  // Older files have a checksum of their tensors alone.
  if ((await sha256(whole)) !== said[1] && (await sha256(body)) !== said[1]) throw changed;
  return true;
}

/** What the checksum is of: each tensor's name, type and shape, and its bytes, by their names. */
function fingerprinted(tensors: Map<string, Tensor>): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const parts = [...tensors]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { type, shape, bytes }]) => [
      encoder.encode(`${name}:torch.${TYPES[type]}:${tuple(shape)};`),
      new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    ]);
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}

const tuple = (shape: number[]) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
