import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Lane } from "../src/generated";
import { Panel } from "../src/panel";
import { makeStore, type Store } from "../src/store";
import {
  cameFrom,
  changesOf,
  compared,
  memoryAfter,
  readReads,
  rewrittenLane,
  worthShowing,
} from "../src/views/memory/data";
import { summary } from "../src/views/memory/Rewritten";
import { describeSlot } from "../src/views/memory/Slots";
import { frame, wire } from "./frames";
import { FakeModel } from "./model";

/** Three steps: example 0 writes slot 0, example 1 slots 0 and 1, example 2 clears slot 0. */
const SLOTS = {
  step: [1, 2, 2, 3],
  slot: [0, 0, 1, 0],
  example: [0, 1, 1, 2],
  class: [0, 1, 1, 1],
  weight: [0.5, 0.25, 1, 1],
  erased: [1, 0, 0, 1],
};
const USAGE = {
  step: [1, 1, 2, 2, 3, 3],
  slot: [0, 1, 0, 1, 0, 1],
  written: [0.5, 0, 0.25, 1, 1, 0],
  held: [0.5, 0, 0.75, 1, 1, 1],
  usage: [0.5, 0, 0.7, 1, 1.5, 0.9],
  erased: [1, 0, 0, 0, 1, 0],
  evicted: [0, 0, 0, 0, 1, 0],
};
const READS = {
  query: [0, 0, 1, 1, 0, 0, 1, 1],
  label: [0, 0, 1, 1, 0, 0, 1, 1],
  entry: [0, 1, 0, 1, 0, 1, 0, 1],
  class: [1, 1, 1, 1, 1, 1, 1, 1],
  kind: Array(8).fill("attention"),
  value: [0.9, 0.1, 0.2, 0.8, 0.5, 0.5, 0.5, 0.5],
  head: [...Array(4).fill("head 1"), ...Array(4).fill("head 2")],
};
const predictions = (truths: number[], said: number[]) => ({
  step: [3, 3],
  example: [0, 1],
  label: [0, 1],
  prediction: said,
  confidence: truths.map((truth) => Math.max(truth, 1 - truth)),
  truth: truths,
});
const lane = (more: Partial<Lane> = {}): Lane => ({
  name: "mann",
  changed: "",
  learner: "mann",
  steps: 3,
  parent: null,
  at: 0,
  settings: {},
  edits: 0,
  diverged: null,
  memory: [],
  ...more,
});

test("the memory as it was after each step", () => {
  const [slots, usage] = [frame(SLOTS), frame(USAGE)];
  const at = (step: number) => memoryAfter(step, slots, usage);
  expect(at(0).map((one) => one.writers)).toEqual([[], []]);
  expect(at(1)[0]).toMatchObject({ held: 0.5, label: 0, since: 1, usage: 0.5, evictions: 0 });
  expect(at(2)[0]!.writers.map((one) => one.example)).toEqual([0, 1]);
  expect(at(2)[0]!.held).toBeCloseTo(0.75);
  expect(at(3)[0]).toMatchObject({ held: 1, label: 1, since: 3, evictions: 1 });
  expect(at(3)[0]!.writers.map((one) => one.example)).toEqual([2]);
  expect(at(3)[1]).toMatchObject({ held: 1, since: 2, evictions: 0, usage: 0.9 });
  expect(memoryAfter(3, slots, undefined).map((one) => one.held)).toEqual([1, 1]);
  expect(memoryAfter(3, undefined, undefined)).toEqual([]);
});

test("changes by hand stand from their step on, until the slot is cleared", () => {
  const [slots, usage] = [frame(SLOTS), frame(USAGE)];
  const emptied = memoryAfter(2, slots, usage, [{ at: 2, slot: 1 }]);
  expect(emptied[1]).toMatchObject({ writers: [], held: 0, label: null, rewritten: "emptied" });
  expect(memoryAfter(1, slots, usage, [{ at: 2, slot: 1 }])[1]!.rewritten).toBe("");
  const filled = [{ at: 2, slot: 0, source: 1 }];
  expect(memoryAfter(2, slots, usage, filled)[0]).toMatchObject({
    held: 1,
    label: 1,
    rewritten: "filled from 2",
  });
  expect(memoryAfter(3, slots, usage, filled)[0]).toMatchObject({ rewritten: "", held: 1 });
});

test("a branch takes over what was changed before it left", () => {
  const lanes = [
    lane(),
    lane({ parent: 0, at: 2, memory: [{ slot: 1 }] }),
    lane({ parent: 1, at: 3, memory: [{ slot: 0, source: 1 }] }),
    lane({ parent: 1, at: 1 }),
  ];
  expect(changesOf(lanes, 0)).toEqual([]);
  expect(changesOf(lanes, 2)).toEqual([
    { at: 2, slot: 1 },
    { at: 3, slot: 0, source: 1 },
  ]);
  expect(changesOf(lanes, 3)).toEqual([]);
  expect([0, 1, 2, 3].map((one) => rewrittenLane(lanes, one))).toEqual([1, 1, 2, null]);
});

test("reads by head, and whose writing they came from", () => {
  const reads = readReads(frame(READS));
  expect(reads.heads).toEqual(["head 1", "head 2"]);
  expect([reads.strength("head 1", 1, 1), reads.strength("head 2", 1, 1)]).toEqual([0.8, 0.5]);
  const last = memoryAfter(2, frame(SLOTS), frame(USAGE));
  const from = cameFrom(reads, "head 1", 0, last);
  expect(from.get(0)).toBeCloseTo(0.9 * (2 / 3));
  expect(from.get(1)).toBeCloseTo(0.9 / 3 + 0.1);
});

test("reads are those of the step, and what was there before counts as held", () => {
  const every = frame({
    step: [1, 1, 2, 2],
    query: [0, 0, 0, 0],
    label: [0, 0, 0, 0],
    entry: [0, 1, 0, 1],
    class: [0, 1, 0, 1],
    kind: ["attention", "attention", "attention", "attention"],
    value: [0.9, 0.1, 0.2, 0.8],
    head: ["a", "a", "a", "a"],
  });
  expect(readReads(every, 1).value("a", 0, 0)).toBe(0.9);
  expect(readReads(every).value("a", 0, 0)).toBe(0.2);
  expect(readReads(every, 0).step).toBe(2); // nothing was read there: the last one
  const usage = frame({
    step: [1, 1],
    slot: [0, 1],
    before: [0, 1],
    usage: [0, 0],
    erased: [0, 0],
    evicted: [0, 0],
  });
  expect(memoryAfter(1, undefined, usage).map((slot) => slot.before)).toEqual([0, 1]);
});

test("the nearest prototype is read most", () => {
  const near = frame({
    query: [0, 0],
    label: [0, 0],
    entry: [0, 1],
    class: [0, 1],
    kind: ["distance", "distance"],
    value: [1, 4],
    head: ["prototypes", "prototypes"],
  });
  const reads = readReads(near);
  expect([0, 1].map((slot) => reads.strength("prototypes", 0, slot))).toEqual([0.75, 0]);
});

test("regression has no classes", () => {
  const none = Array(2).fill(null);
  const reads = readReads(frame({ ...READS, label: Array(8).fill(null), class: Array(8).fill(null) }));
  expect([reads.label(0), reads.classOf(0)]).toEqual([null, null]);
  const slots = frame({ ...SLOTS, class: [...none, ...none] });
  expect(memoryAfter(3, slots, frame(USAGE)).map((one) => one.label)).toEqual([null, null]);
});

test("many slots: those that hold most, and the chosen one", () => {
  const last = memoryAfter(2, frame(SLOTS), frame(USAGE));
  expect([...worthShowing(last, 1)]).toEqual([1]);
  expect([...worthShowing(last, 1, [0])]).toEqual([1, 0]);
});

test("what a change did, in numbers and words", () => {
  const answers = compared(
    frame(predictions([0.2, 0.75], [1, 1])),
    frame(predictions([0.7, 0.75], [0, 1])),
    3,
  );
  expect(answers.map((one) => [one.example, one.turned])).toEqual([
    [0, true],
    [1, false],
  ]);
  expect(answers[0]!.change).toBeCloseTo(-0.5);
  expect(summary(answers)).toContain("1 of 2 queries changed class");
  expect(summary(answers)).toContain("−0.25 on average, at most by −0.5 (query 1)");
  expect(summary([])).toContain("no classes");
});

test("a slot in words", () => {
  const [slot] = memoryAfter(2, frame(SLOTS), frame(USAGE));
  expect(describeSlot(slot!, ["a", "b"], "query 1: reads 0.9")).toBe(
    "slot 1, a, written by 66.7% support 1 (step 1), 33.3% support 2 (step 2), usage 0.7, " +
      "query 1: reads 0.9",
  );
});

let root: HTMLElement;
let model: FakeModel;
let store: Store;
const examples = {
  part: ["support", "support", "support", "query", "query"],
  example: [0, 1, 2, 0, 1],
  label: [0, 1, 1, 0, 1],
  name: ["a", "b", "b", "a", "b"],
  shot: [0, 0, 1, 0, 0],
};
const shown = (number: number, truths: number[], said: number[]) => ({
  [`${number}:memory`]: wire(READS),
  [`${number}:slots`]: wire(SLOTS),
  [`${number}:usage`]: wire(USAGE),
  [`${number}:examples`]: wire(examples),
  [`${number}:predictions`]: wire(predictions(truths, said)),
});
const kinds = { memory: "ready", slots: "ready", usage: "ready" };
beforeEach(() => {
  document.body.append((root = document.createElement("div")));
  model = new FakeModel({
    view: "memory",
    about: { title: "MANN", kind: "classification", task: 0, tasks: 2, lanes: [lane()], kinds },
    frames: shown(0, [0.7, 0.75], [0, 1]),
    cursor: { step: 3, part: "query", example: 0 },
  });
  store = makeStore(model);
  act(() => render(<Panel store={store} />, root));
});
afterEach(() => {
  act(() => render(null, root));
  store.dispose();
  root.remove();
});
const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)];
const rows = () => all("[aria-label=Slots] [role=option]");
const press = (target: Element, key: string) =>
  act(
    () =>
      void target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })),
  );

test("slots stand in rows, and the step is scrubbed with no message", async () => {
  expect(rows().map((row) => row.getAttribute("aria-label"))[0]).toContain(
    "slot 1, b, written by support 3 (step 3), usage 1.5, evicted 1 time, query 1: reads 0.9",
  );
  await act(() => store.move({ step: 1 }));
  expect(rows()[0]!.getAttribute("aria-label")).toContain("written by support 1 (step 1)");
  expect(rows()[1]!.getAttribute("aria-label")).toContain("holds nothing");
  expect(root.textContent).toContain("Queries read after the last step (3)");
  expect(model.sent).toEqual([]);
});

test("a slot is chosen by keys: its writer is under the cursor, its readers are shown", async () => {
  await press(rows()[0]!, "ArrowDown");
  expect(store.cursor.value).toMatchObject({ part: "support", example: 1 });
  expect(rows()[1]!.getAttribute("aria-selected")).toBe("true");
  const readers = root.querySelector("[aria-label='Slot 2 is read by these']")!;
  expect(readers.textContent).toContain("0.8");
  await press(rows()[1]!, "Delete");
  expect(model.sent.map(({ command, args }) => [command, args])).toEqual([["rewrite", { slot: 1 }]]);
});

test("arrows in the heat map choose query and slot; the head is chosen above", async () => {
  const map = root.querySelector("[role=application]")!;
  await press(map, "ArrowDown");
  await press(map, "ArrowRight");
  expect(store.cursor.value).toMatchObject({ part: "query", example: 1 });
  expect(rows()[1]!.getAttribute("aria-selected")).toBe("true");
  const head = all("button").find((one) => one.textContent === "head 2")!;
  await act(() => head.click());
  expect(rows()[1]!.getAttribute("aria-label")).toContain("query 2: reads 0.5");
  await press(map, "Delete");
  expect(model.sent[0]!.args).toEqual({ slot: 1 });
});

test("what cannot be changed yet is changed after the last step", async () => {
  await act(() => store.move({ step: 1 }));
  await act(() => rows()[1]!.click());
  const choice = root.querySelector<HTMLSelectElement>("select[aria-label^=Fill]")!;
  expect([...choice.options].map((one) => one.value)).toEqual(["", "0"]);
  await press(rows()[1]!, "Delete");
  expect(store.cursor.value.step).toBe(3);
});

test("the difference of a branch stands there, with the lane that it belongs to", async () => {
  expect(root.querySelector("[aria-label='What it changed']")).toBeNull();
  await act(() => {
    model.python("frames", { ...model.traits.frames, ...shown(1, [0.2, 0.75], [1, 1]) });
    const lanes = [lane(), lane({ parent: 0, at: 3, name: "mann, branch 1: slot 1 emptied", memory: [{ slot: 0 }] })];
    model.python("about", { ...model.traits.about, lanes });
  });
  const said = root.querySelector("[aria-label='What it changed']")!;
  expect(said.textContent).toContain("mann, branch 1: slot 1 emptied");
  expect(said.textContent).toContain("1 of 2 queries changed class");
  expect(said.querySelectorAll("tr[data-turned=true]").length).toBe(1);
  await act(() => store.move({ lane: 1 }));
  expect(rows()[0]!.getAttribute("aria-label")).toContain("emptied");
  const away = all("button").find((one) => one.textContent === "Remove branch")!;
  await act(() => away.click());
  expect(model.sent.at(-1)).toMatchObject({ command: "remove", args: { lane: 1 } });
});

test("a method without memory says so, and not twice", async () => {
  const sentence = "MAML has no memory that queries read";
  await act(() => {
    model.python("about", { ...model.traits.about, kinds: { memory: "open" } });
    model.python("frames", {});
  });
  expect(model.sent[0]).toMatchObject({ command: "inspect", args: { kind: "memory" } });
  await act(() => {
    model.python("about", { ...model.traits.about, kinds: { memory: sentence } });
    model.python("problem", { text: sentence });
    model.answer(0, { error: sentence });
  });
  await act(() => new Promise((done) => setTimeout(done)));
  expect(root.querySelector(".wb-empty")!.textContent).toBe(`${sentence}.`);
  expect(root.querySelector(".wb-problem")).toBeNull();
});

test("what is of another task is greyed until the cursor's comes", async () => {
  await act(() => store.move({ task: 1 }));
  expect(root.querySelector(".wb-inspected")!.getAttribute("data-stale")).toBe("true");
  expect(root.textContent).toContain("This is task 1: task 2 is not here yet");
  await act(() => model.python("about", { ...model.traits.about, task: 1 }));
  expect(root.querySelector(".wb-inspected")!.getAttribute("data-stale")).toBe("false");
  await act(() => {
    model.python("about", { ...model.traits.about, whole: ["memory"] });
    store.move({ task: 0 });
  });
  expect(root.querySelector(".wb-inspected")!.getAttribute("data-stale")).toBe("false");
});

test("a slow kind is asked for again by itself after a change", async () => {
  await act(() => {
    model.python("about", { ...model.traits.about, kinds: { ...kinds, usage: "stale" } });
    const { "0:usage": _, ...rest } = model.traits.frames;
    model.python("frames", rest);
  });
  expect(model.sent.map((one) => one.args.kind)).toEqual(["usage"]);
});
