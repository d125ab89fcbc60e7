/** Saved adaptations without a kernel: reading files, good and bad, and what views see of them. */

import { describe, expect, it, vi } from "vitest";
import { Frame } from "../../src/frame";
import { aboutOf, TraceModel } from "../../src/lab/trace/model";
import { MOST_BYTES, readTrace, type Trace } from "../../src/lab/trace/parse";
import { csvOf } from "../../src/lab/trace/saving";
import { stageOver } from "../../src/lab/trace/stage";
import { makeStore } from "../../src/store";

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
    expect(about.kinds.landscape).toMatch(/saved without/);
    expect(about.whole).toContain("steps");
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
    await new Promise((done) => setTimeout(done, 50)); // its keys are there
    panel.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    await vi.waitFor(() =>
      expect(node.querySelector(".wb-now-step")!.textContent).toBe("step 1 of 1"),
    );
    away();
    expect(node.innerHTML).toBe("");
  });
});
