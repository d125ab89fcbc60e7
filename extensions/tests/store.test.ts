import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchKernel } from "../src/connection";
import { makeStore, START } from "../src/store";
import { wire } from "./frames";
import { FakeModel } from "./model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("traits are signals, and unchanged frames stay the same", () => {
  const model = new FakeModel({ frames: { "0:steps": wire({ step: [0] }) } });
  const store = makeStore(model);
  const before = store.frames.value["0:steps"];
  expect(before!.rows).toBe(1);
  model.python("frames", { ...model.traits.frames, "0:norms": wire({ step: [0, 1] }) });
  expect(store.frames.value["0:steps"]).toBe(before);
  expect(store.frames.value["0:norms"]!.rows).toBe(2);
  model.python("problem", { text: "no" });
  expect(store.problem.value!.text).toBe("no");
  model.python("problem", {});
  expect(store.problem.value).toBeNull();
  store.dispose();
});

test("a move is seen at once by the panels of the session, and by no other", () => {
  const [a, b, c] = [new FakeModel(), new FakeModel(), new FakeModel({ session: "other" })].map(
    makeStore,
  );
  a!.move({ step: 3, layer: "head" });
  expect(b!.cursor.value).toMatchObject({ ...START, step: 3, layer: "head", moved: expect.any(Number) });
  expect(c!.cursor.value).toEqual(START);
  for (const store of [a!, b!, c!]) store.dispose();
});

test("Python is told at most every 100 ms, and of the last place", () => {
  const model = new FakeModel();
  const store = makeStore(model);
  vi.advanceTimersByTime(1000);
  for (let step = 1; step <= 50; step++) {
    store.move({ step });
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(200);
  expect(model.saved.length).toBeGreaterThan(3);
  expect(model.saved.length).toBeLessThan(8);
  expect(model.saved.at(-1)!.step).toBe(50);
  store.dispose();
});

test("an echo does not pull the cursor back, a move by Python does move it", () => {
  const model = new FakeModel();
  const store = makeStore(model);
  store.move({ step: 1 });
  const echo = { ...store.cursor.value };
  store.move({ step: 2 });
  model.python("cursor", echo);
  expect(store.cursor.value.step).toBe(2);
  model.python("cursor", { ...echo, step: 9, moved: 0 });
  expect(store.cursor.value.step).toBe(9);
  model.python("cursor", { ...echo, moved: 0 }); // to where the page was a moment ago
  expect(store.cursor.value.step).toBe(1);
  store.dispose();
});

test("what Python makes of the last move is shown, such as the end of a shorter lane", () => {
  const model = new FakeModel();
  const [store, other] = [makeStore(model), makeStore(new FakeModel())];
  store.move({ step: 7 });
  const told = { ...store.cursor.value };
  model.python("cursor", { ...told, step: 5 });
  expect(store.cursor.value.step).toBe(5);
  other.move({ step: 3 });
  model.python("cursor", { ...told, step: 5 }); // older than what another panel did since
  expect(store.cursor.value.step).toBe(3);
  for (const one of [store, other]) one.dispose();
});

test("a command comes after the cursor it is meant at, and its answer may move the cursor", async () => {
  const model = new FakeModel();
  const store = makeStore(model);
  store.move({ step: 1 });
  const asked = store.send("branch", { step: 1 });
  expect(model.saved.at(-1)!.step).toBe(1);
  expect(model.sent[0]).toMatchObject({ command: "branch", args: { step: 1 } });
  expect(store.busy.value).toBe(true);
  model.python("cursor", { ...START, lane: 1 });
  model.answer(0, { result: 1 });
  expect(await asked).toBe(1);
  expect(store.busy.value).toBe(false);
  expect(store.cursor.value.lane).toBe(1);
  store.dispose();
});

test("of the latest-wins commands one is under way and only the newest waits", async () => {
  const model = new FakeModel();
  const store = makeStore(model);
  const asked = [1, 2, 3, 4].map((rate) => store.send("vary", { rate }, { latest: true }));
  expect(model.sent.map((message) => message.args.rate)).toEqual([1]);
  model.answer(0, { result: "one" });
  expect(model.sent.map((message) => message.args.rate)).toEqual([1, 4]);
  model.answer(1, { result: "four" });
  expect(await Promise.all(asked)).toEqual(["one", "four", "four", "four"]);
  expect(store.busy.value).toBe(false);
  store.dispose();
});

test("a change of one setting is not overtaken by one of another", async () => {
  const model = new FakeModel();
  const store = makeStore(model);
  for (const args of [{ ways: 4 }, { ways: 3 }, { shots: 2 }])
    void store.send("sample", args, { latest: Object.keys(args)[0]! });
  expect(model.sent.map((message) => message.args)).toEqual([{ ways: 4 }, { shots: 2 }]);
  model.answer(0, { result: null });
  expect(model.sent[2]!.args).toEqual({ ways: 3 });
  store.dispose();
});

test("an error is a problem until something works", async () => {
  const model = new FakeModel();
  const store = makeStore(model);
  const asked = store.send("sample");
  model.answer(0, { error: "shots is 0: choose at least 1" });
  await expect(asked).rejects.toThrow("shots is 0");
  expect(store.problem.value).toEqual({ text: "shots is 0: choose at least 1" });
  void store.send("sample");
  model.answer(1, { result: null });
  expect(store.problem.value).toBeNull();
  store.dispose();
});

test("nothing listens after the end", () => {
  const model = new FakeModel();
  const store = makeStore(model);
  const other = makeStore(new FakeModel());
  store.move({ step: 1 });
  store.dispose();
  expect(model.saved.at(-1)!.step).toBe(1);
  expect(model.listening).toBe(0);
  other.move({ step: 5 });
  expect(store.cursor.value.step).toBe(1);
  other.dispose();
});

test("the cursor leaves a lane that is gone together with it", () => {
  const model = new FakeModel({ about: { lanes: [{}, {}] }, cursor: { lane: 1 } });
  const store = makeStore(model);
  expect(store.cursor.value.lane).toBe(1);
  model.python("about", { lanes: [{}] });
  expect(store.cursor.value.lane).toBe(0);
  store.dispose();
});

test("who asks a kernel that is gone is refused at once, and nothing waits", async () => {
  const model = new FakeModel({ progress: { what: "x", done: 1, total: 2, left: null } });
  const store = makeStore(model);
  const asked = store.send("vary", { a: 1 });
  expect(store.busy.value).toBe(true);
  store.lose();
  await expect(asked).rejects.toThrow("run the cell again");
  expect([store.lost.value, store.busy.value, store.progress.value]).toEqual([true, false, null]);
  await expect(store.send("branch")).rejects.toThrow("kernel is gone");
  expect(model.sent).toHaveLength(1);
  store.move({ step: 2 }); // what was recorded can be gone through
  expect(store.cursor.value.step).toBe(2);
  store.dispose();
  expect(model.saved).toEqual([]); // and nobody is told
});

test("a model that cannot send any more has lost its kernel", async () => {
  const model = new FakeModel();
  model.send = () => {
    throw new Error("Cannot send");
  };
  const store = makeStore(model);
  await expect(store.send("code")).rejects.toThrow("kernel is gone");
  expect([store.lost.value, store.busy.value]).toEqual([true, false]);
  store.dispose();
});

test("JupyterLab's word on the kernel is heard, and no other status ends a panel", () => {
  const slots = new Set<(sender: unknown, status: string) => void>();
  const statusChanged = {
    connect: (slot: any) => void slots.add(slot),
    disconnect: (slot: any) => void slots.delete(slot),
  };
  const model = new FakeModel() as FakeModel & { widget_manager: any };
  model.widget_manager = { context: { sessionContext: { statusChanged } } };
  const outer = document.createElement("div");
  const el = outer.appendChild(document.createElement("div"));
  const lost = vi.fn();
  const end = watchKernel(model, el, lost);
  const tell = (status: string) => slots.forEach((slot) => slot(null, status));
  for (const status of ["busy", "idle", "unknown"]) tell(status);
  expect(lost).not.toHaveBeenCalled();
  tell("autorestarting");
  expect(lost).toHaveBeenCalledOnce();
  end();
  expect([slots.size, model.listening]).toEqual([0, 0]);
  outer.className = "jupyter-widgets-disconnected"; // a view without a kernel from the start
  watchKernel(new FakeModel(), el, lost);
  expect(lost).toHaveBeenCalledTimes(2);
});
