/** A `.metatrace` file read in the browser, as `workbench/inspection/stored.py` writes it: tensors with
 * a JSON header before them. Nothing is believed of the file, nothing larger than it is made of it,
 * and what is wrong with it is said in a sentence. */

import type { Measure, WireColumn, WireFrame } from "../../generated";
import { Told } from "../../words";

export const MOST_BYTES = 256 * 2 ** 20;
const MOST_HEADER = 32 * 2 ** 20;
const MOST_FRAMES = 2000;
const SCHEMA = 1; // the newest that is known here

/** What is shown of a file without a kernel. */
export interface Trace {
  version: string;
  about: Record<string, any>;
  kind: "regression" | "classification" | "control";
  ways: number | null;
  info: Record<string, any>;
  tasks: number;
  steps: number;
  budget: number;
  bytes: number;
  letGo: boolean;
  /** Whether its checksum is right; where it cannot be made here nobody knows. */
  checked?: boolean;
  /** By kind and task, as 'curves/1'; of the first task, and of all, 'curves'. */
  frames: Record<string, WireFrame>;
  refused: Record<string, string>;
}

export interface Tensor {
  type: string;
  shape: number[];
  bytes: DataView;
}

export interface Tensors {
  tensors: Map<string, Tensor>;
  text: string;
}

const SIZES: Record<string, number> = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1,
  U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
}; // prettier-ignore

const damaged = (why: string) =>
  new Told("This file is damaged or no .metatrace file (%1): save it again.", why);

function check(good: unknown, why: string): asserts good {
  if (!good) throw damaged(why);
}

const isRecord = (value: unknown): value is Record<string, any> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** The trace in these bytes. */
export function readTrace(
  buffer: ArrayBuffer,
  { tensors, text }: Tensors = readTensors(buffer),
): Trace {
  const header = parsed(text, "its description is no JSON");
  check(isRecord(header) && isCount(header.schema), "it has no description");
  if (header.schema > SCHEMA)
    throw new Told("This file was written by a newer workbench: update this one.");
  const { about, episode, steps, frames, refused, budget } = header;
  check(isRecord(about) && isRecord(episode) && isRecord(frames), "a part of its description");
  check(isRecord(refused) && isCount(steps) && isCount(budget), "its steps");
  check(Object.keys(frames).length <= MOST_FRAMES, "it has too many frames");
  const seed = tensors.get("episode.seed");
  check(seed && seed.shape.length === 1 && seed.shape[0]! > 0, "it has no tasks");
  const read: Trace["frames"] = {};
  for (const [name, record] of Object.entries(frames))
    read[name] = readFrame(record, (place) => tensors.get(`frame.${name}.${place}`));
  const ways = isCount(episode.ways) ? episode.ways : null;
  return {
    version: String(header.version ?? ""),
    about,
    kind: episode.environment ? "control" : ways === null ? "regression" : "classification",
    ways,
    info: isRecord(episode.info) ? episode.info : {},
    tasks: seed.shape[0]!,
    steps,
    budget,
    bytes: buffer.byteLength,
    letGo: header.let_go === true,
    frames: read,
    refused: Object.fromEntries(Object.entries(refused).map(([kind, why]) => [kind, String(why)])),
  };
}

export const tooLarge = (bytes: number) =>
  new Told(
    "This file is of %1 MB, and up to %2 MB are shown here: open it in a notebook by Stage.",
    Math.round(bytes / 2 ** 20),
    MOST_BYTES / 2 ** 20,
  );

/** The tensors of a safetensors file, and what its metadata says under 'metatrace'. */
export function readTensors(buffer: ArrayBuffer): Tensors {
  if (buffer.byteLength > MOST_BYTES) throw tooLarge(buffer.byteLength);
  check(buffer.byteLength > 8, "it is too short");
  const length = new DataView(buffer).getBigUint64(0, true);
  check(length <= BigInt(Math.min(MOST_HEADER, buffer.byteLength - 8)), "it is cut short");
  const start = 8 + Number(length);
  const words = new TextDecoder().decode(new Uint8Array(buffer, 8, Number(length)));
  const header = parsed(words, "its header is no JSON");
  check(isRecord(header) && isRecord(header.__metadata__), "it has no header");
  const text = header.__metadata__.metatrace;
  check(typeof text === "string", "it is of another kind");
  const tensors = new Map<string, Tensor>();
  let covered = 0; // tensors that shared bytes could be of any size together
  for (const [name, said] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    check(isRecord(said) && Array.isArray(said.shape) && said.shape.every(isCount), name);
    const size = SIZES[said.dtype];
    check(size !== undefined && Array.isArray(said.data_offsets), name);
    const [from, to] = said.data_offsets;
    check(isCount(from) && isCount(to) && from <= to, name);
    check(start + to <= buffer.byteLength, "it is cut short");
    const count = said.shape.reduce((a: number, b: number) => a * b, 1);
    check(count * size === to - from, name);
    check((covered += to - from) <= buffer.byteLength, "its tensors overlap");
    const bytes = new DataView(buffer, start + from, to - from);
    tensors.set(name, { type: said.dtype, shape: said.shape, bytes });
  }
  return { tensors, text };
}

/** JSON as Python writes it, NaN and Infinity among it, as null. */
function parsed(text: string, why: string): any {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(/([[:,]\s*)(?:NaN|-?Infinity)(?=\s*[,}\]])/g, "$1null"));
    } catch {
      throw damaged(why);
    }
  }
}

function readFrame(record: unknown, column: (place: number) => Tensor | undefined): WireFrame {
  check(isRecord(record) && isCount(record.rows) && Array.isArray(record.columns), "a frame");
  const { rows, columns } = record;
  const names = new Set<string>();
  const read = columns.map((said: unknown, place: number) => {
    const tensor = column(place);
    check(isRecord(said) && typeof said.name === "string" && !names.has(said.name), "a column");
    names.add(said.name);
    check(tensor && tensor.shape[0] === rows, `the column '${said.name}'`);
    return readColumn(said, tensor);
  });
  const measures: Record<string, Measure> = {};
  for (const one of Array.isArray(record.measures) ? record.measures : []) {
    check(isRecord(one) && typeof one.name === "string", "a measure");
    measures[one.name] = measureOf(one);
  }
  const told = isRecord(record.diverged) ? Object.entries(record.diverged) : [];
  const diverged = Object.fromEntries(told.map(([name, said]) => [name, String(said)]));
  return { rows, columns: read, measures, diverged };
}

function measureOf(one: Record<string, any>): Measure {
  const number = typeof one.chance === "number" ? one.chance : null;
  return {
    name: one.name,
    better: one.better === "lower" || one.better === "higher" ? one.better : null,
    unit: String(one.unit ?? ""),
    chance: number,
    label: String(one.label ?? ""),
    loss: one.loss === true,
  };
}

function readColumn(said: Record<string, any>, tensor: Tensor): WireColumn {
  const { name, type } = said;
  if (type === "arrays") {
    check(tensor.shape.length > 1, `the column '${name}'`);
    const numbers = numbersOf(tensor);
    const data = view(numbers instanceof Float32Array ? numbers : Float32Array.from(numbers));
    return { name, type: "arrays", data, shape: tensor.shape.slice(1) };
  }
  check(tensor.shape.length === 1, `the column '${name}'`);
  if (type === "words") {
    const { words } = said;
    check(Array.isArray(words) && words.every((one) => typeof one === "string"), `'${name}'`);
    check(tensor.type === "I32", `the words of '${name}'`);
    const codes = numbersOf(tensor) as Int32Array;
    check(codes.every((code) => code >= -1 && code < words.length), `the words of '${name}'`);
    return { name, type: "words", data: view(codes), words };
  }
  const numbers = numbersOf(tensor);
  if (tensor.type === "BOOL") return { name, type: "boolean", data: view(numbers) };
  const whole = /^[IU]/.test(tensor.type) && numbers.every((x) => Math.abs(x) < 2 ** 31);
  if (whole) {
    const data = view(numbers instanceof Int32Array ? numbers : Int32Array.from(numbers));
    return { name, type: "integer", data };
  }
  const data = view(numbers instanceof Float64Array ? numbers : Float64Array.from(numbers));
  return { name, type: "number", data };
}

type Values = Float64Array | Float32Array | Int32Array | Int16Array | Int8Array | Uint32Array | Uint16Array | Uint8Array; // prettier-ignore

const view = ({ buffer, byteOffset, byteLength }: Values) =>
  new DataView(buffer as ArrayBuffer, byteOffset, byteLength);

/** The numbers of a tensor, whatever type they were written in: a copy of its bytes, no more. */
function numbersOf({ type, bytes }: Tensor): Values {
  const { buffer, byteOffset, byteLength } = bytes;
  const own = buffer.slice(byteOffset, byteOffset + byteLength); // on the borders that arrays ask for
  switch (type) {
    case "F64":
      return new Float64Array(own);
    case "F32":
      return new Float32Array(own);
    case "I32":
      return new Int32Array(own);
    case "I16":
      return new Int16Array(own);
    case "I8":
      return new Int8Array(own);
    case "U32":
      return new Uint32Array(own);
    case "U16":
      return new Uint16Array(own);
    case "U8":
    case "BOOL":
      return new Uint8Array(own);
    case "I64": {
      // By halves: to make a BigInt of each takes ten times as long.
      const [low, high] = [new Uint32Array(own), new Int32Array(own)];
      const made = new Float64Array(byteLength / 8);
      for (let k = 0; k < made.length; k++) made[k] = high[2 * k + 1]! * 2 ** 32 + low[2 * k]!;
      return made;
    }
    default:
      throw damaged(`its numbers are of the type ${type}`);
  }
}
