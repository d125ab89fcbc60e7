/** Saved adaptations without a kernel: reading files, good and bad, and what views see of them. */

import { afterEach, describe, expect, it, vi } from "vitest";
// @ts-expect-error: types of Node are not loaded, and jsdom has no subtle of its own
import { webcrypto } from "node:crypto";
import { Frame } from "../../src/frame";
import { isWhole } from "../../src/lab/trace/checksum";
import { aboutOf, TraceModel } from "../../src/lab/trace/model";
import { MOST_BYTES, readTensors, readTrace, type Trace } from "../../src/lab/trace/parse";
import { csvOf } from "../../src/lab/saving";
import { stageOver } from "../../src/lab/trace/stage";
import { makeStore } from "../../src/store";
import { wire } from "../frames";

type Values = Float64Array | Float32Array | Int32Array | BigInt64Array | Uint8Array;
const TYPES = new Map<unknown, string>([
  [Float64Array, "F64"],
  [Float32Array, "F32"],
  [Int32Array, "I32"],
  [BigInt64Array, "I64"],
  [Uint8Array, "BOOL"],
]);

/** A file as `save_tensors` writes it. */
function file(tensors: Record<string, [Values, number[]]>, header: unknown): ArrayBuffer {
  let end = 0;
  const said: Record<string, unknown> = { __metadata__: { metatrace: typeof header === "string" ? header : JSON.stringify(header) } };
  for (const [name, [values, shape]] of Object.entries(tensors)) {
    const from = end;
    end += values.byteLength;
    said[name] = { dtype: TYPES.get(values.constructor), shape, data_offsets: [from, end] };
  }
  const words = new TextEncoder().encode(JSON.stringify(said));
  const bytes = new Uint8Array(8 + words.length + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(words.length), true);
  bytes.set(words, 8);
  let place = 8 + words.length;
  for (const [values] of Object.values(tensors)) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
    place += values.byteLength;
  }
  return bytes.buffer;
}

const HEADER = {
  schema: 1,
  version: "0.1.0",
  about: { run: "sinusoid-maml", learner: "MAML" },
  episode: { ways: null, info: {}, environment: null },
  steps: 1,
  budget: 2 ** 28,
  let_go: false,
  frames: {
    steps: {
      rows: 4,
      columns: [
        { name: "task", type: "int64" },
        { name: "step", type: "int64" },
        { name: "part", type: "words", words: ["support", "query"], dtype: "str" },
        { name: "loss", type: "float32" },
      ],
      measures: [{ name: "loss", better: "lower", unit: "", chance: null, label: "", loss: true }],
    },
    curves: { rows: 1, columns: [{ name: "x", type: "float64" }] },
    "curves/1": { rows: 1, columns: [{ name: "x", type: "float64" }] },
  },
  refused: { predictions: "these tasks have no classes" },
};
const TENSORS: Record<string, [Values, number[]]> = {
  "episode.seed": [BigInt64Array.of(1n, 2n), [2]],
  "frame.steps.0": [BigInt64Array.of(0n, 0n, 0n, 0n), [4]],
  "frame.steps.1": [BigInt64Array.of(0n, 1n, 0n, 1n), [4]],
  "frame.steps.2": [Int32Array.of(0, 0, 1, -1), [4]],
  "frame.steps.3": [Float32Array.of(4, 2, 3, NaN), [4]],
  "frame.curves.0": [Float64Array.of(0.5), [1]],
  "frame.curves/1.0": [Float64Array.of(1.5), [1]],
};
const changed = (part: object) => ({ ...HEADER, ...part });
const good = () => readTrace(file(TENSORS, HEADER));

describe("a trace that is whole", () => {
  it("is read with its frames, in the types that views know", () => {
    const trace = good();
    expect([trace.kind, trace.tasks, trace.steps]).toEqual(["regression", 2, 1]);
    const steps = Frame.read(trace.frames.steps!);
    expect(steps.words("part")).toEqual(["support", "support", "query", null]);
    expect(steps.type("step")).toBe("integer");
    expect(steps.at("loss", 0)).toBe(4);
    expect(steps.at("loss", 3)).toBe(null);
    expect(steps.measure("loss").better).toBe("lower");
  });

  it("is a table too", () => {
    const trace = good();
    trace.frames.steps!.columns[2]!.words![0] = 'a "b", c';
    expect(csvOf(Frame.read(trace.frames.steps!)).split("\n")[1]).toBe('0,0,"a ""b"", c",4');
    expect(csvOf(Frame.read(trace.frames.steps!)).split("\n")[4]).toBe("0,1,,");
  });

  it("may hold NaN where Python writes it", () => {
    const text = JSON.stringify(changed({ about: { rate: "X", said: "NaN, all of it" } }));
    const { about } = readTrace(file(TENSORS, text.replace('"X"', "NaN")));
    expect(about).toEqual({ rate: null, said: "NaN, all of it" });
  });
});

describe("numbers", () => {
  const wide = { frames: { steps: { rows: 4, columns: [{ name: "x", type: "int64" }] } } };
  const column = (values: Values) => {
    const trace = readTrace(file({ "episode.seed": TENSORS["episode.seed"]!, "frame.steps.0": [values, [4]] }, changed(wide)));
    return Frame.read(trace.frames.steps!);
  };

  it("of 64 bits are whole, below zero too, and numbers where they are too large for 32", () => {
    const small = column(BigInt64Array.of(0n, -1n, -(2n ** 31n) + 1n, 2n ** 31n - 1n));
    expect(small.type("x")).toBe("integer");
    expect([...small.numbers("x")]).toEqual([0, -1, -(2 ** 31) + 1, 2 ** 31 - 1]);
    const large = column(BigInt64Array.of(2n ** 40n + 7n, -(2n ** 40n) - 7n, 2n ** 32n, 0n));
    expect(large.type("x")).toBe("number");
    expect([...large.numbers("x")]).toEqual([2 ** 40 + 7, -(2 ** 40) - 7, 2 ** 32, 0]);
  });

  it("are copied out of the file, which then can go", () => {
    const bytes = file(TENSORS, HEADER);
    const { frames } = readTrace(bytes);
    for (const { columns } of Object.values(frames))
      for (const { data } of columns) {
        expect(data.buffer).not.toBe(bytes);
        expect(data.byteLength).toBe(data.buffer.byteLength);
      }
  });
});

describe("a file's checksum", () => {
  // {"b.x": float32 [1.5], "a": int64 3, "c": bool [[0], [0]]} by `save_tensors`.
  const WRITTEN = atob(
    "cAEAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJtZXRhdHJhY2UiOiJ7XCJuYW1lc1wiOiBbXCJiLnhcIiwgXCJhXCIsIFwiY1wiXSwgXCJzY2hlbWFcIjogMSwgXCJhYm91dFwiOiB7XCJcXHUwMGU5XCI6IE5hTn0sIFwic2hhMjU2XCI6IFwiY2I1OGZiNmMzNDczNWQzNTNhMDkzYzE0MTQ5ZDlmNzk2YzBmYWIyZGY4Y2JhZjcyOThlNzQ4NjYzN2ZjOTIyOFwifSJ9LCJhIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOltdLCJkYXRhX29mZnNldHMiOlswLDhdfSwiYi54Ijp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlsxXSwiZGF0YV9vZmZzZXRzIjpbOCwxMl19LCJjIjp7ImR0eXBlIjoiQk9PTCIsInNoYXBlIjpbMiwxXSwiZGF0YV9vZmZzZXRzIjpbMTIsMTRdfX0gICAgIAMAAAAAAAAAAADAPwAA",
  ); // prettier-ignore
  const read = (change?: (bytes: Uint8Array) => void) => {
    const bytes = Uint8Array.from(WRITTEN, (letter) => letter.charCodeAt(0));
    change?.(bytes);
    return readTensors(bytes.buffer);
  };
  afterEach(() => vi.unstubAllGlobals());

  it("is the one that Python wrote", async () => {
    vi.stubGlobal("crypto", webcrypto);
    await expect(isWhole(read())).resolves.toBe(true);
  });

  it("tells of a changed number, a changed word, and that there is none", async () => {
    vi.stubGlobal("crypto", webcrypto);
    const last = read((bytes) => bytes.set([64], bytes.length - 3));
    await expect(isWhole(last)).rejects.toThrow(/changed after it was written/);
    const word = WRITTEN.indexOf("schema") + 10;
    const other = read((bytes) => (bytes[word] = "7".charCodeAt(0)));
    expect(other.text).toContain('"schema": 7');
    await expect(isWhole(other)).rejects.toThrow(/changed after it was written/);
    await expect(isWhole(readTensors(file(TENSORS, HEADER)))).rejects.toThrow(/no checksum/);
  });

  it("that cannot be made here is said not to be checked", async () => {
    vi.stubGlobal("crypto", {});
    await expect(isWhole(read())).resolves.toBe(false);
    const trace = { ...good(), checked: false };
    expect(aboutOf([{ name: "a", trace }], 0, 0).limited).toMatch(/was not checked/);
    expect(aboutOf([{ name: "a", trace: { ...trace, checked: true } }], 0, 0).limited).toBe("");
  });
});

describe("a file that is none", () => {
  const cases: [string, ArrayBuffer, RegExp][] = [
    ["empty", new ArrayBuffer(0), /too short/],
    ["other bytes", new TextEncoder().encode("PNG and so on and on").buffer, /cut short/],
    ["another kind", file({}, undefined), /another kind/],
    ["newer", file(TENSORS, changed({ schema: 2 })), /newer workbench/],
    ["no tasks", file({}, HEADER), /no tasks/],
    ["a column less", file({ ...TENSORS, "frame.steps.3": TENSORS["frame.curves.0"]! }, HEADER), /the column 'loss'/],
    ["codes without words", file({ ...TENSORS, "frame.steps.2": [Int32Array.of(0, 0, 1, 7), [4]] }, HEADER), /words/],
    ["frames by the thousand", file(TENSORS, changed({ frames: Object.fromEntries(Array.from({ length: 3000 }, (_, k) => [`f${k}`, {}])) })), /too many/],
    ["rows that are not there", file(TENSORS, changed({ frames: { steps: { rows: 1e9, columns: HEADER.frames.steps.columns } } })), /the column/],
    ["columns that are none", file(TENSORS, changed({ frames: { steps: { rows: 4, columns: [7] } } })), /a column/],
  ]; // prettier-ignore
  it.each(cases)("%s is refused in a sentence", (_, bytes, why) => {
    expect(() => readTrace(bytes)).toThrow(why);
  });

  it("cut anywhere is refused, and never believed", () => {
    const whole = file(TENSORS, HEADER);
    for (let length = 0; length < whole.byteLength; length += 13)
      expect(() => readTrace(whole.slice(0, length))).toThrow(/damaged/);
  });

  it("with offsets that overlap the header, run backwards or past the end is refused", () => {
    const lie = (offsets: number[]) => {
      const bytes = new Uint8Array(file(TENSORS, HEADER));
      const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
      header["episode.seed"].data_offsets = offsets;
      const words = new TextEncoder().encode(JSON.stringify(header));
      const made = new Uint8Array(8 + words.length + bytes.length - 8 - length);
      new DataView(made.buffer).setBigUint64(0, BigInt(words.length), true);
      made.set(words, 8);
      made.set(bytes.subarray(8 + length), 8 + words.length);
      return () => readTrace(made.buffer);
    };
    for (const offsets of [[-8, 8], [16, 0], [0, 1e15], [0, 12], [0.5, 16.5], [null, 16]])
      expect(lie(offsets as number[])).toThrow(/damaged/);
  });

  it("that is too large is refused before anything is read", () => {
    const huge = { byteLength: MOST_BYTES + 1 } as ArrayBuffer;
    expect(() => readTrace(huge)).toThrow(/up to 256 MB/);
  });
});

describe("what views see of it", () => {
  const named = (name: string, trace: Trace = good()) => ({ name, trace });

  it("is what a session would say", () => {
    const about = aboutOf([named("a")], 0, 0);
    expect(about.lanes.map(({ name, steps }) => [name, steps])).toEqual([["a", 1]]);
    expect(about.kinds.steps).toBe("ready");
    expect(about.kinds.predictions).toBe("these tasks have no classes");
    expect(about.inspections.map(({ name }) => name)).not.toContain("returns"); // of control alone
    expect(about.kinds.landscape).toMatch(/saved without/);
    expect(about.whole).toContain("steps");
  });

  it("is what such methods and tasks have, under their names", () => {
    const labels = (part: object) =>
      Object.fromEntries(
        aboutOf([named("a", readTrace(file(TENSORS, changed(part))))], 0, 0).inspections.map((one) => [one.name, one.label]),
      );
    const plain = labels({ about: { lacks: ["memory", "slots", "usage"] } });
    expect(plain.steps).toBe("Loss");
    expect(plain).not.toHaveProperty("memory");
    expect(labels({})).toHaveProperty("memory"); // older files do not say
    expect(labels({ episode: { ways: null, info: {}, environment: "grid" } }).steps).toBe("Reward");
  });

  it("follows the cursor to another task", () => {
    const model = new TraceModel([named("a")]);
    const store = makeStore(model);
    vi.useFakeTimers();
    store.move({ task: 1 });
    vi.runAllTimers();
    vi.useRealTimers();
    expect(store.about.value.task).toBe(1);
    expect(store.frames.value["0:curves"]!.at("x", 0)).toBe(1.5);
    expect(store.frames.value["0:steps"]!.rows).toBe(4);
    store.dispose();
  });

  it("two of them are lanes of one stage", () => {
    const model = new TraceModel([named("a"), named("b")]);
    expect(Object.keys(model.get("frames"))).toContain("1:curves");
    expect(model.get("about").learners.length).toBe(2);
  });

  it("what would be computed is refused in a sentence, and said where it is seen", async () => {
    const store = makeStore(new TraceModel([named("a")]));
    await expect(store.send("branch", { step: 1 })).rejects.toThrow(/nothing is computed here/);
    expect(store.problem.value?.text).toMatch(/open it in a notebook/);
    store.dispose();
  });

  it("is the panels' own stage, gone through by keys", async () => {
    const node = document.body.appendChild(document.createElement("div"));
    const trace = good();
    delete trace.frames.curves;
    const away = stageOver(node, [named("a", trace)], async () => "lines");
    const panel = node.querySelector<HTMLElement>("section.wb")!;
    expect(node.querySelector(".wb-now-step")!.textContent).toBe("before adaptation");
    await vi.waitFor(() => {
      panel.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
      expect(node.querySelector(".wb-now-step")!.textContent).toBe("step 1 of 1");
    });
    away();
    expect(node.innerHTML).toBe("");
  });

  it("offers nothing that would change it", async () => {
    const node = document.body.appendChild(document.createElement("div"));
    const trace = good();
    delete trace.frames.curves;
    trace.frames.examples = wire({ part: ["support"], example: [0], x: [0.5], y: [1] });
    const away = stageOver(node, [named("a", trace), named("b", trace)], async () => "lines");
    await new Promise((done) => setTimeout(done, 50));
    const names = [...node.querySelectorAll("button")].map((one) => one.textContent);
    for (const name of ["Branch here", "Settings", "⚄ Other tasks", "Undo", "Reset", "Duplicate", "Drop"])
      expect(names).not.toContain(name);
    expect(names).toContain("Export");
    expect(node.querySelector(".wb-more")).toBe(null);
    const panel = node.querySelector<HTMLElement>("section.wb")!;
    await vi.waitFor(() => {
      for (const key of ["b", "s", "z", "ArrowRight", "ArrowRight"])
        panel.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      expect(node.querySelector<HTMLButtonElement>('[aria-label="Next"]')!.disabled).toBe(true);
    });
    expect(node.querySelector(".wb-problem")).toBe(null);
    away();
    node.remove();
  });
});
