import { beforeEach, expect, test, vi } from "vitest";
import { makeStore } from "../../src/store";
import { look } from "../../src/ui/palette";
import {
  classNames,
  once,
  readCourse,
  readCurves,
  readExamples,
  readPredictions,
  some,
  together,
} from "../../src/views/stage/data";
import { Editor, fitting } from "../../src/views/stage/edits";
import {
  divergedIn,
  every,
  followed,
  geometry,
  heightOf,
  laneAt,
  laneColour,
  linesOf,
  shareEpisode,
  placeOf,
  stepAt,
} from "../../src/views/stage/lanes";
import { laneName, stepName } from "../../src/facts";
import { CLEAN, lift, moveTo, pressed, touch, withoutLast } from "../../src/views/stage/pen";
import { described } from "../../src/views/stage/Pictures";
import { seriesOf } from "../../src/views/stage/CurveView";
import { Stepper } from "../../src/views/stage/stepper";
import { frame } from "../frames";
import { FakeModel } from "../model";

const lane = (steps: number, more: object = {}) => ({
  name: "MAML",
  changed: "",
  learner: "MAML",
  steps,
  parent: null as number | null,
  at: 0,
  settings: {} as Record<string, unknown>,
  edits: 0,
  diverged: null,
  memory: [],
  ...more,
});

test("every step has its place on the timeline, and finds itself again", () => {
  const lanes = [lane(5), lane(5, { parent: 0, at: 2 })];
  const g = geometry(lanes, 800);
  for (let step = 0; step <= 5; step++) expect(stepAt(placeOf(step, g), 5, g)).toBe(step);
  expect(placeOf(6, g)).toBeCloseTo(g.right); // where one step more would be
  expect(stepAt(5000, 3, g)).toBe(3);
  expect(stepAt(-50, 3, g)).toBe(0);
  expect([0, 1].map((number) => laneAt(heightOf(number, g), g))).toEqual([0, 1]);
  expect(laneAt(10, g)).toBeNull(); // among the losses: the current lane stays
  expect(laneAt(5000, g)).toBe(1);
});

test("numbers below the timeline have room", () => {
  expect(every(geometry([lane(5)], 800))).toBe(1);
  const long = geometry([lane(100)], 800);
  expect((every(long) * (long.right - long.left)) / 101).toBeGreaterThanOrEqual(24);
});

test("a lane is called as Python says, and the start is no step", () => {
  const name = "MAML, branch 1: optimizer momentum 0.9, inner rate 0.05";
  const branch = { parent: 0, at: 2, name, changed: "optimizer momentum 0.9, inner rate 0.05" };
  const about = { title: "MAML", lanes: [lane(5), lane(5, branch)] };
  expect([0, 1].map((one) => laneName(about, one))).toEqual(["MAML", name]);
  for (const width of [400, 700, 1400]) {
    const g = geometry(about.lanes, width);
    const lines = linesOf(lane(5, branch), g.left);
    expect(lines.join(" ")).toBe(name); // in full, however narrow
    expect(g.gap).toBeGreaterThanOrEqual(14 * lines.length);
    expect(g.left).toBeLessThanOrEqual(0.4 * width);
  }
  expect([0, 2].map((step) => stepName(step, 5))).toEqual(["before adaptation", "step 2 of 5"]);
});

test("blue and orange are orders of gradients: no lane has them", () => {
  const colours = Array.from({ length: 20 }, (_, lane) => laneColour(lane).toLowerCase());
  expect(colours).not.toContain("#0072b2");
  expect(colours).not.toContain("#e69f00");
});

test("a pen draws while it is down and leaves out what is too near to see", () => {
  let pad = touch(CLEAN, 0.1, 0.1);
  pad = moveTo(pad, 0.102, 0.1);
  pad = moveTo(pad, 0.5, 2);
  pad = lift(pad);
  expect(moveTo(pad, 0.9, 0.9).strokes).toEqual([
    [
      [0.1, 0.1],
      [0.5, 1],
    ],
  ]);
  expect(withoutLast(pad).strokes).toEqual([]);
});

test("a character can be drawn by keys alone", () => {
  let pad = CLEAN;
  for (const key of ["ArrowUp", " ", "ArrowRight", "ArrowRight", " ", "ArrowDown"])
    pad = pressed(pad, key, true)!;
  expect(pad.strokes).toEqual([
    [
      [0.5, 0.4],
      [0.6, 0.4],
      [0.7, 0.4],
    ],
  ]);
  expect(pad.pen).toEqual([0.7, 0.5]);
  expect(pressed(pad, "Backspace", false)!.strokes).toEqual([]);
  expect(pressed(pad, "x", false)).toBeNull();
});

const examples = frame({
  part: ["support", "support", "query", "query"],
  example: [0, 2, 0, 1],
  label: [0, 1, 0, 1],
  name: ["a", "b", "a", "b"],
  shot: [0, 0, 0, 0],
  edited: [null, "swapped", null, null],
});

test("examples keep the places that edits know them by", () => {
  const read = readExamples(examples);
  expect(read.map((one) => one.place)).toEqual([0, 2, 0, 1]);
  expect(read[1]).toMatchObject({
    part: "support",
    label: 1,
    name: "b",
    edited: "swapped",
    image: null,
  });
  expect(classNames(read)).toEqual(["a", "b"]);
  expect(readExamples(examples)).toBe(read); // read once
  expect([...fitting(read[0])].sort()).toEqual(["drop", "duplicate", "noise", "relabel", "swap"]);
  expect(fitting(undefined).size).toBe(0);
  expect(fitting({ ...read[0]!, text: "a sentence" }).has("noise")).toBe(false);
});

test("predictions are found by step and example, and said in words", () => {
  const found = frame({
    step: [0, 0, 1, 1],
    example: [0, 1, 0, 1],
    prediction: [1, 1, 0, 1],
    confidence: [0.6, 0.7, 0.9, 0.8],
  });
  expect(readPredictions(found, 0).get(0)).toEqual({ prediction: 1, confidence: 0.6 });
  expect(readPredictions(found, 1).get(0)).toEqual({ prediction: 0, confidence: 0.9 });
  expect(readPredictions(found, 7).size).toBe(0);
  const query = readExamples(examples)[2]!;
  expect(described(query, ["a", "b"], { prediction: 1, confidence: 0.6 })).toMatchObject({
    state: "wrong",
    label: "query a 1: taken for b, 60%, wrong",
    colour: look(1).colour,
  });
  const right = { prediction: 0, confidence: 0.9 };
  expect(described(query, ["a", "b"], right).state).toBeUndefined();
  expect(described(query, ["a", "b"], right, { prediction: 1, confidence: 1 }).state).toBe(
    "changed",
  );
});

test("the course of a task is its query loss, by step", () => {
  const steps = frame({
    task: [0, 0, 0, 0, 1],
    step: [0, 0, 1, 1, 0],
    part: ["support", "query", "support", "query", "query"],
    loss: [5, 6, 1, 2, 9],
    mse: [5, 6, 1, 2, 9],
  }, [{ name: "loss" }, { name: "mse", loss: true }]);
  expect(readCourse(steps, 0)).toEqual({
    name: "loss",
    values: [6, 2],
    support: [5, 1],
    metric: null,
  });
  const moves = { task: [0, 0], step: [0, 1], part: ["trial", "trial"] };
  const trial = frame({ ...moves, reward: [0, 1] }, [{ name: "reward" }]);
  expect(readCourse(trial, 0)).toMatchObject({ name: "reward", values: [0, 1] });
  const mine = frame({ task: [0], step: [0], part: ["query"], loss: [1], regret: [3] }, [
    { name: "loss" },
    { name: "regret", better: "lower" },
  ]);
  expect(readCourse(mine, 0)?.metric).toMatchObject({ measure: { name: "regret" }, values: [3] });
});

const curves = frame({
  x: [-1, 1, 0, -1, 1, -1, 1, -1, 1],
  y: [0, 1, 0.5, 0, 0, 0.5, 5, 0, 90],
  kind: [
    "truth",
    "truth",
    "support",
    "prediction",
    "prediction",
    "prediction",
    "prediction",
    "prediction",
    "prediction",
  ],
  step: [null, null, null, 0, 0, 1, 1, 2, 2],
});

test("axes hold all steps, but not what runs away", () => {
  const read = readCurves(curves)!;
  expect(read.steps.map((one) => [...one.y])).toEqual([
    [0, 0],
    [0.5, 5],
    [0, 90],
  ]);
  expect(read.domain.x).toEqual([-1, 1]);
  expect(read.domain.y).toEqual([0, 1.5]);
});

test("before is grey, ghosts are thin, and a dragged point is where the hand has it", () => {
  const read = readCurves(curves)!;
  const held = { task: 0, part: "support" as const, example: 7, x: 0.2, y: -3 };
  const { series, parts } = seriesOf({ curves: read, step: 2, held, place: () => 7 });
  expect(series.map((one) => one.name)).toEqual(["truth", "step 1", "before", "step 2", "support"]);
  expect(series[1]).toMatchObject({ thin: true, silent: true });
  expect(parts.get(4)).toBe("support");
  expect([...(series[4]!.x as Float64Array)]).toEqual([0.2]);
  expect(seriesOf({ curves: read, step: 0 }).series.map((one) => one.name)).toEqual([
    "truth",
    "before",
    "support",
  ]);
  expect(seriesOf({ curves: read, step: 0, bare: true }).series.map((one) => one.name)).toEqual([
    "truth",
    "support",
  ]);
});

test("some of many are evenly spaced, with the first and the last", () => {
  expect(some(1, 4, 6)).toEqual([1, 2, 3]);
  expect(some(1, 101, 5)).toEqual([1, 26, 51, 75, 100]);
  expect(some(1, 1, 5)).toEqual([]);
});

test("what is made of a frame is made once", () => {
  const make = vi.fn(() => 3);
  const one = frame({ a: [1] });
  expect([once(one, "k", make), once(one, "k", make)]).toEqual([3, 3]);
  expect(make).toHaveBeenCalledOnce();
});

let model: FakeModel;
beforeEach(() => {
  model = new FakeModel({
    view: "stage",
    about: { title: "MAML", lanes: [lane(3), lane(5, { parent: 0, at: 1 })] },
    cursor: { task: 0, step: 0, lane: 0, part: "support", example: 1, layer: "all" },
  });
});

test("stepping stays on the lane and asks Python for nothing until its end", () => {
  const store = makeStore(model);
  const stepper = new Stepper(store);
  stepper.back();
  expect(store.cursor.value.step).toBe(0);
  stepper.last();
  expect(store.cursor.value.step).toBe(3);
  expect(model.sent).toEqual([]);
  stepper.next();
  stepper.next(); // a key that is held down asks once
  expect(model.sent.map((one) => [one.command, one.args])).toEqual([["extend", { steps: 1 }]]);
  stepper.to(9, 1);
  expect(store.cursor.value).toMatchObject({ lane: 1, step: 5 });
  store.dispose();
});

test("playing goes step by step to the end, and from the end begins anew", () => {
  vi.useFakeTimers();
  const store = makeStore(model);
  const stepper = new Stepper(store);
  stepper.last();
  stepper.play();
  expect([store.cursor.value.step, stepper.playing.value]).toEqual([0, true]);
  const seen = [0];
  while (stepper.playing.value) {
    vi.advanceTimersByTime(450);
    seen.push(store.cursor.value.step);
  }
  expect(seen).toEqual([0, 1, 2, 3]);
  stepper.play();
  stepper.back(); // a hand on the steps stops it
  expect(stepper.playing.value).toBe(false);
  store.dispose();
  vi.useRealTimers();
});

test("a lane is held against where it came from, the first one against the newest branch", () => {
  const store = makeStore(model);
  const stepper = new Stepper(store);
  expect(stepper.other).toBe(1);
  stepper.to(2, 1);
  expect(stepper.other).toBe(0);
  model.python("about", { lanes: [lane(3)] });
  expect(new Stepper(store).other).toBeNull();
  store.dispose();
});

test("a dragged point is shown at once; Python gets the newest place only", async () => {
  const store = makeStore(model);
  const editor = new Editor(store);
  editor.move("support", 2, 0.123456, 1);
  editor.move("support", 2, 0.2, 1.1);
  editor.move("support", 2, 0.3, 1.2);
  expect(editor.held.value).toMatchObject({ example: 2, x: 0.3, y: 1.2 });
  expect(store.cursor.value.example).toBe(2);
  expect(model.sent).toHaveLength(1);
  expect(model.sent[0]!.args).toEqual({
    what: "move",
    task: 0,
    part: "support",
    example: 2,
    x: 0.1235,
    y: 1,
  });
  model.answer(0, { result: null });
  expect(model.sent).toHaveLength(2);
  expect(model.sent[1]!.args).toMatchObject({ x: 0.3, y: 1.2 });
  await Promise.resolve();
  expect(editor.held.value).not.toBeNull();
  model.answer(1, { result: null });
  await vi.waitFor(() => expect(editor.held.value).toBeNull());
  store.dispose();
});

test("a refused edit lets the point go", async () => {
  const store = makeStore(model);
  const editor = new Editor(store);
  editor.move("support", 2, 9, 9);
  model.answer(0, { error: "no" });
  await vi.waitFor(() => expect(editor.held.value).toBeNull());
  expect(store.problem.value).toEqual({ text: "no" });
  store.dispose();
});

test("axes follow a lane that diverged as far as the others are in sight, and it says so", () => {
  const diverged = { step: 3, follow: 1, sentence: "task 1 diverged at inner step 3 (loss inf)" };
  const lanes = [lane(3), lane(3, { diverged, name: "other" })];
  expect(followed([1, 2, 1e30, Infinity], lanes[1])).toEqual([1, 2]);
  expect(followed([1, 2], lanes[0])).toEqual([1, 2]);
  expect(divergedIn(lanes)).toBe("other: task 1 diverged at inner step 3 (loss inf)");
  expect(linesOf(lanes[1]!, 150)).toEqual(["other", "diverged at step 3"]);
});

test("lanes that are no branches have one episode; lanes are shown at one scale", () => {
  const lanes = [lane(2), lane(2, { learner: "other" }), lane(2, { parent: 1 })];
  expect(shareEpisode(lanes, 0, 1)).toBe(true);
  expect(shareEpisode(lanes, 1, 2)).toBe(false);
  const a = { x: [0, 1] as [number, number], y: [-1, 2] as [number, number] };
  const b = { x: [0, 3] as [number, number], y: [0, 5] as [number, number] };
  expect(together([a, b])).toEqual({ x: [0, 3], y: [-1, 5] });
});

test("the other lane is where this one came from, or the newest other one", () => {
  const store = makeStore(
    new FakeModel({ about: { lanes: [lane(2), lane(2), lane(2, { parent: 1 })] } }),
  );
  const stepper = new Stepper(store);
  const other = (at: number) => (store.move({ lane: at }), stepper.other);
  expect([0, 1, 2].map(other)).toEqual([2, 2, 1]);
  store.dispose();
});
