/** A table with named columns, read from the binary form in which Python sends it. */

import type { Measure, WireColumn, WireFrame } from "./generated";
import { named } from "./measure";

export type Cell = number | string | boolean | null;
export type Numbers = Float64Array | Int32Array | Uint8Array;

const SIZES = { number: 8, integer: 4, boolean: 1, words: 4, arrays: 4 } as const;

/** A view of the bytes; a copy where they do not lie on the borders that typed arrays ask for. */
function typed(column: WireColumn): Float64Array | Float32Array | Int32Array | Uint8Array {
  const size = SIZES[column.type];
  let { buffer, byteOffset, byteLength } = column.data;
  if (byteOffset % size) {
    buffer = buffer.slice(byteOffset, byteOffset + byteLength);
    byteOffset = 0;
  }
  const count = byteLength / size;
  switch (column.type) {
    case "number":
      return new Float64Array(buffer, byteOffset, count);
    case "arrays":
      return new Float32Array(buffer, byteOffset, count);
    case "boolean":
      return new Uint8Array(buffer, byteOffset, count);
    default:
      return new Int32Array(buffer, byteOffset, count);
  }
}

/** What is the same for a frame and all that were chosen from it. */
class Source {
  private decoded = new Map<string, ReturnType<typeof typed>>();
  readonly columns: Map<string, WireColumn>;
  readonly measures: Record<string, Measure>;
  readonly notice: string;

  constructor(wire: WireFrame) {
    this.measures = wire.measures;
    this.notice = wire.notice ?? "";
    this.columns = new Map(wire.columns.map((column) => [column.name, column]));
  }

  column(name: string): WireColumn {
    const column = this.columns.get(name);
    if (!column) {
      throw new Error(`the frame has no column '${name}', only ${[...this.columns.keys()]}`);
    }
    return column;
  }

  data(name: string): ReturnType<typeof typed> {
    let data = this.decoded.get(name);
    if (!data) this.decoded.set(name, (data = typed(this.column(name))));
    return data;
  }

  /** Whether a row has a value, decided on the raw numbers: scrubbing asks it of many rows. */
  test(name: string, value: Cell): (place: number) => boolean {
    const column = this.column(name);
    const data = this.data(name);
    if (column.type === "words") {
      const code = value === null ? -1 : (column.words?.indexOf(String(value)) ?? -1);
      if (value !== null && code < 0) return () => false;
      return (place) => data[place] === code;
    }
    if (value === null) return (place) => Number.isNaN(data[place]);
    const number = Number(value);
    return (place) => data[place] === number;
  }
}

/** A row's condition: a value for each of some columns, or a function of the row. */
export type Condition<Name extends string = any> =
  | { [name in Name]?: Cell }
  | ((row: number) => boolean);

/** `Name` are its columns, where they are known: `Frame<Columns["flow"]>`. */
export class Frame<Name extends string = any> {
  readonly rows: number;
  private keptNumbers = new Map<string, Numbers>();
  private keptFrames = new Map<string, Frame<Name>>();
  private keptWords = new Map<string, (string | null)[]>();
  private keptDistinct = new Map<string, Cell[]>();
  private keptGroups = new Map<string, [Cell, Frame<Name>][]>();

  private constructor(
    private readonly source: Source,
    /** The rows of the source that are chosen; null is all of them. */
    private readonly index: Int32Array | null,
    all: number,
  ) {
    this.rows = index ? index.length : all;
  }

  /** The frame that these bytes are. */
  static read(wire: WireFrame): Frame {
    return new Frame(new Source(wire), null, wire.rows);
  }

  get names(): Name[] {
    return [...this.source.columns.keys()] as Name[];
  }

  /** A sentence that every picture of it says; empty where there is none. */
  get notice(): string {
    return this.source.notice;
  }

  /** Its measures, in their order. */
  get measures(): Measure[] {
    return Object.values(this.source.measures);
  }

  /** What is known of one of its measures. */
  measure(name: string): Measure {
    return this.source.measures[name] ?? named(name);
  }

  has(name: string): boolean {
    return this.source.columns.has(name);
  }

  type(name: string): WireColumn["type"] {
    return this.source.column(name).type;
  }

  /** A column of numbers, whole numbers or truth values; a missing number is NaN. */
  numbers(name: Name): Numbers {
    const found = this.keptNumbers.get(name);
    if (found) return found;
    const data = this.source.data(name);
    const type = this.type(name);
    if (type === "words" || type === "arrays" || data instanceof Float32Array) {
      throw new Error(`the column '${name}' holds ${type} and no numbers`);
    }
    const chosen = this.index ? pick(data, this.index) : data;
    this.keptNumbers.set(name, chosen);
    return chosen;
  }

  /** A column of words; a missing one is null. */
  words(name: Name): (string | null)[] {
    const found = this.keptWords.get(name);
    if (found) return found;
    const words = Array.from(
      { length: this.rows },
      (_, row) => this.at(name, row) as string | null,
    );
    this.keptWords.set(name, words);
    return words;
  }

  /** One cell's array, as it lies in memory. */
  array(name: Name, row: number): Float32Array {
    const size = this.shape(name).reduce((a, b) => a * b, 1);
    const place = this.place(row);
    return (this.source.data(name) as Float32Array).subarray(place * size, (place + 1) * size);
  }

  /** The shape of one cell of a column of arrays. */
  shape(name: Name): number[] {
    return this.source.column(name).shape ?? [];
  }

  /** One cell; null where it is missing. An array is asked for by `array`. */
  at(name: Name, row: number): Cell {
    const column = this.source.column(name);
    const value = this.source.data(name)[this.place(row)];
    if (value === undefined || column.type === "arrays") return null;
    if (column.type === "words") return value < 0 ? null : (column.words?.[value] ?? null);
    if (column.type === "boolean") return value !== 0;
    return Number.isNaN(value) ? null : value;
  }

  /** The rows for which a condition holds. The same values give the same frame again. */
  where(condition: Condition<Name>): Frame<Name> {
    if (typeof condition === "function") return this.those(condition);
    return this.having(condition as Record<string, Cell>);
  }

  private having(condition: Record<string, Cell>): Frame<Name> {
    const key = JSON.stringify(condition);
    let found = this.keptFrames.get(key);
    if (!found) {
      const tests = Object.entries(condition).map(([name, value]) => this.source.test(name, value));
      found = this.those((row) => {
        const place = this.place(row);
        return tests.every((test) => test(place));
      });
      this.keptFrames.set(key, found);
    }
    return found;
  }

  private those(holds: (row: number) => boolean): Frame<Name> {
    const chosen: number[] = [];
    for (let row = 0; row < this.rows; row++) if (holds(row)) chosen.push(this.place(row));
    return new Frame<Name>(this.source, Int32Array.from(chosen), this.rows);
  }

  /** The different values of a column, in the order in which they first appear. */
  distinct<T extends Cell = Cell>(name: Name): T[] {
    let found = this.keptDistinct.get(name);
    if (!found) {
      const seen = new Set<Cell>();
      for (let row = 0; row < this.rows; row++) {
        const value = this.at(name, row);
        if (value !== null) seen.add(value);
      }
      this.keptDistinct.set(name, (found = [...seen]));
    }
    return [...found] as T[]; // a copy, which may be sorted
  }

  /** The rows in parts that have the same value in a column: one pass for all of them. */
  groups<T extends Cell = Cell>(name: Name): [T, Frame<Name>][] {
    let found = this.keptGroups.get(name);
    if (!found) this.keptGroups.set(name, (found = this.parts(name)));
    return [...found] as [T, Frame<Name>][];
  }

  private parts(name: Name): [Cell, Frame<Name>][] {
    const data = this.source.data(name);
    const rows = new Map<number, number[]>(); // by the raw number of the first that has it
    for (let row = 0; row < this.rows; row++) {
      const own = rows.get(data[this.place(row)]!);
      if (own) own.push(row);
      else rows.set(data[this.place(row)]!, [row]);
    }
    return [...rows.values()].flatMap((own): [Cell, Frame<Name>][] => {
      const value = this.at(name, own[0]!);
      if (value === null) return [];
      const key = JSON.stringify({ [name]: value });
      const part =
        this.keptFrames.get(key) ??
        new Frame<Name>(this.source, Int32Array.from(own, (row) => this.place(row)), this.rows);
      this.keptFrames.set(key, part);
      return [[value, part]];
    });
  }

  /** The frame as comma-separated values; arrays are left out. */
  csv(
    rows: Iterable<number> = Array(this.rows).keys(),
    counted: ReadonlySet<string> = new Set(),
  ): string {
    const names = this.names.filter((name) => this.type(name) !== "arrays");
    const quoted = (cell: Cell) => {
      const text = cell === null ? "" : String(cell);
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [names.map(quoted).join(",")];
    for (const row of rows) {
      const cells = names.map((name) => {
        const cell = this.at(name, row);
        return quoted(typeof cell === "number" && counted.has(name) ? cell + 1 : cell);
      });
      lines.push(cells.join(","));
    }
    return lines.join("\n") + "\n";
  }

  private place(row: number): number {
    return this.index ? (this.index[row] ?? -1) : row;
  }
}

function pick(data: Numbers, index: Int32Array): Numbers {
  const made = new (data.constructor as new (length: number) => Numbers)(index.length);
  for (let row = 0; row < index.length; row++) made[row] = data[index[row]!]!;
  return made;
}

/** Makes frames once for each set of bytes: unchanged ones keep their frame. */
export class FrameCache {
  private frames = new WeakMap<DataView, { wire: WireFrame; frame: Frame }>();

  read(wire: WireFrame): Frame {
    const first = wire.columns[0]?.data;
    if (!first) return Frame.read(wire);
    const known = this.frames.get(first);
    if (known && same(known.wire, wire)) return known.frame;
    const frame = Frame.read(wire);
    this.frames.set(first, { wire, frame });
    return frame;
  }
}

function same(a: WireFrame, b: WireFrame): boolean {
  return (
    a === b ||
    (a.rows === b.rows &&
      a.columns.length === b.columns.length &&
      a.columns.every((column, k) => column.data === b.columns[k]!.data))
  );
}
