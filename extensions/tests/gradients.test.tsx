import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Panel } from "../src/panel";
import { makeStore, START, type Store } from "../src/store";
import { logOf, scaleSeen } from "../src/views/dialogs";
import { lookup } from "../src/views/link";
import { finer, regular } from "../src/views/surface";
import { answer } from "../src/views/tabs/Anatomy";
import { wayBack } from "../src/views/tabs/Flow";
import { known } from "../src/views/tabs/Stream";
import { frame, wire } from "./frames";
import { FakeModel, TABS } from "./model";

const LAYERS = ["linear1", "head", "all"];

/** What a gradient method of two steps would show. */
function frames() {
  const steps: Record<string, any[]> = { task: [], step: [], part: [], loss: [], mse: [] };
  const norms: Record<string, any[]> = { task: [], step: [], layer: [], kind: [], norm: [] };
  for (const task of [0, 1]) {
    for (const step of [0, 1, 2]) {
      for (const part of ["support", "query"]) {
        const loss = (task + 1) / (step + 1) + (part === "query" ? 0.5 : 0);
        push(steps, { task, step, part, loss, mse: loss });
      }
      for (const layer of LAYERS) {
        push(norms, { task, step, layer, kind: "weights", norm: 10 + step });
        if (step) push(norms, { task, step, layer, kind: "gradient", norm: 1 / step });
      }
    }
  }
  const anatomy: Record<string, any[]> = {
    layer: [],
    term: [],
    step: [],
    norm: [],
    cosine: [],
    share: [],
  };
  for (const layer of LAYERS) {
    push(anatomy, { layer, term: "first order", step: null, norm: 3, cosine: 0.8, share: 0.6 });
    push(anatomy, { layer, term: "step", step: 1, norm: 1, cosine: 0.5, share: 0.3 });
    push(anatomy, { layer, term: "step", step: 2, norm: 1, cosine: 0.1, share: 0.1 });
    push(anatomy, {
      layer,
      term: "second order",
      step: null,
      norm: layer === "head" ? 0.01 : 1,
      cosine: 0.4,
      share: 0.4,
    });
    push(anatomy, { layer, term: "full", step: null, norm: 4, cosine: 1, share: 1 });
  }
  return {
    "0:steps": wire(steps, [{ name: "loss" }, { name: "mse", loss: true }]),
    "0:norms": wire(norms),
    "0:anatomy": wire(anatomy),
  };
}

const push = (table: Record<string, any[]>, row: Record<string, any>) =>
  Object.entries(row).forEach(([name, value]) => table[name]!.push(value));

const lane = { learner: "MAML", steps: 2, parent: null, at: 0, settings: {}, edits: 0, diverged: null, memory: [] };

let root: HTMLElement;
let model: FakeModel;
let store: Store;
beforeEach(() => {
  document.body.append((root = document.createElement("div")));
  model = new FakeModel({
    about: {
      title: "MAML",
      tasks: 2,
      lanes: [lane],
      inspections: TABS,
      kinds: {
        steps: "ready",
        norms: "ready",
        anatomy: "ready",
        flow: "open",
        memory: "MAML has no memory",
        landscape: "stale",
        certificate: "open",
      },
    },
    frames: frames(),
  });
  store = makeStore(model);
  act(() => render(<Panel store={store} />, root));
});
afterEach(() => {
  act(() => render(null, root));
  store.dispose();
  root.remove();
});
const settled = () => act(() => new Promise((resolve) => setTimeout(resolve, 0)));
const press = (key: string, more: object = {}) =>
  act(
    () =>
      void root
        .querySelector("section.wb")!
        .dispatchEvent(
          new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
        ),
  );

test("keys walk through the steps and go to the tabs", async () => {
  await press("ArrowRight");
  await press("ArrowRight");
  await press("ArrowRight");
  expect(store.cursor.value.step).toBe(2);
  await press("ArrowLeft", { shiftKey: true });
  expect(store.cursor.value.step).toBe(0);
  await press("4");
  expect(root.querySelector("[aria-selected=true]")!.textContent).toBe("Anatomy");
  expect(root.textContent).toContain("before adaptation");
});

test("the loss of the step under the cursor is read out", async () => {
  await act(() => store.move({ step: 1, task: 1 }));
  expect(root.querySelector(".wb-readout")!.textContent).toContain(
    "inner step 1 · support loss 1 · query loss 1.5",
  );
});

test("a cell of the layers moves the cursor, and the cursor is marked there", async () => {
  await press("2");
  const map = root.querySelector("[role=application]")!;
  for (const key of ["ArrowDown", "ArrowRight", "Enter"]) {
    await act(
      () =>
        void map.dispatchEvent(
          new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }),
        ),
    );
  }
  expect(store.cursor.value).toMatchObject({ layer: "head", step: 2 });
  expect(root.querySelectorAll(".wb-marked").length).toBe(2);
});

test("anatomy answers for the layer under the cursor", async () => {
  await press("4");
  expect(root.querySelector(".wb-answer")!.textContent).toContain("25%");
  await act(() => store.move({ layer: "head" }));
  expect(root.querySelector(".wb-answer")!.textContent).toContain("in head? 0.25% Hardly");
  expect(model.sent).toEqual([]); // the certificate waits to be asked for
});

test("the answer in words", () => {
  expect(answer(0.05, 1, 1).words).toContain("A little");
  expect(answer(0.3, 1, Math.cos(Math.PI / 6)).words).toContain("30° away");
  expect(answer(2, 1, 0).words).toContain("Very much so");
  expect(answer(0, 0, NaN).number).toBe("–");
  expect(wayBack(0.001, 1, 10)).toContain(
    "vanishes: 0.1% of its norm are left after 10 steps back (0.501 times",
  );
  expect(wayBack(1000, 1, 1)).toContain(
    "explodes: its norm is 1,000 times as large after 1 step back",
  );
  expect(wayBack(1, 0, 1)).toContain("no meta-gradient");
});

test("what is open is asked for once, and shown when it comes", async () => {
  await press("3");
  await settled();
  expect(model.sent.map(({ command, args }) => [command, args.kind])).toEqual([
    ["inspect", "flow"],
  ]);
  expect(root.textContent).toContain("Computing flow");
  const rows: Record<string, any[]> = { task: [], step: [], layer: [], order: [], norm: [] };
  for (const step of [0, 1, 2])
    for (const layer of LAYERS)
      for (const order of ["first", "second"])
        push(rows, { task: 0, step, layer, order, norm: order === "first" ? 1 : 4 ** -(2 - step) });
  await act(() => model.python("frames", { ...model.traits.frames, "0:flow": wire(rows) }));
  await act(() =>
    model.python("about", {
      ...model.traits.about,
      kinds: { ...model.traits.about.kinds, flow: "ready" },
    }),
  );
  model.answer(0, { result: null });
  await settled();
  expect(root.querySelector(".wb-answer")!.textContent).toContain("It vanishes: 6.25%");
  expect(model.sent.length).toBe(1);
});

test("an error leaves a button to try again, and the problem says why", async () => {
  await press("3");
  await settled();
  model.answer(0, { error: "out of memory" });
  await settled();
  expect(root.querySelector("[role=alert]")!.textContent).toContain("out of memory");
  const button = [...root.querySelectorAll("button")].find((one) => one.textContent === "Compute")!;
  await act(() => button.click());
  expect(model.sent.length).toBe(2);
});

test("what cannot be had says why; what is stale is computed by one key", async () => {
  await press("7");
  expect(root.textContent).toContain("MAML has no memory.");
  const before = model.sent.length;
  await press("6");
  await press("r");
  expect(model.sent.slice(before).map(({ args }) => args.kind)).toContain("landscape");
});

test("the last good picture stays, greyed, when settings change", async () => {
  await press("2");
  const { "0:norms": _, ...rest } = model.traits.frames;
  await act(() =>
    model.python("about", {
      ...model.traits.about,
      kinds: { ...model.traits.about.kinds, norms: "stale" },
    }),
  );
  await act(() => model.python("frames", rest));
  expect(root.querySelector("[data-stale=true] [role=application]")).not.toBeNull();
  expect(root.textContent).toContain("Settings changed since this was computed");
});

test("T shows the table, in which the cursor's rows are marked and rows are picked", async () => {
  await press("t");
  expect(root.querySelectorAll("tbody tr").length).toBe(12);
  expect(root.querySelectorAll("tr[aria-current]").length).toBe(1); // task 0, step 0, query
  await act(() => (root.querySelectorAll("tbody tr")[6] as HTMLElement).click());
  expect(store.cursor.value).toMatchObject({ task: 1, step: 0, part: "support" });
});

test("a view that this version does not have is said", async () => {
  const other = makeStore(new FakeModel({ view: "nothing" }));
  await act(() => render(<Panel store={other} />, root));
  expect(root.textContent).toContain("no view 'nothing'");
  other.dispose();
});

test("a surface between its places", () => {
  const grid = frame({ x: [0, 0, 1, 1], y: [0, 2, 0, 2], loss: [0, 2, 1, 3] });
  const coarse = regular(grid);
  expect([...coarse.values]).toEqual([0, 1, 2, 3]);
  const fine = finer(coarse, 2);
  expect([fine.xs, fine.ys]).toEqual([
    [0, 0.5, 1],
    [0, 1, 2],
  ]);
  expect([...fine.values]).toEqual([0, 0.5, 1, 1, 1.5, 2, 2, 2.5, 3]);
});

test("lookups by several columns", () => {
  const norm = lookup(
    frame({ layer: ["a", "a"], step: [0, 1], norm: [5, null] }),
    ["layer", "step"],
    "norm",
  );
  expect([norm("a", 0), norm("a", 1), norm("b", 0)]).toEqual([5, NaN, NaN]);
  expect(START.layer).toBe("all");
});

test("a tab stands there for each view that there is something for, called by the first", async () => {
  const tabs = () => [...root.querySelectorAll("[role=tab]")].map((tab) => tab.textContent);
  expect(tabs()).toEqual(TABS.map(({ label }) => label));
  const more = [
    { name: "certificate", label: "Certificate", view: "anatomy", sentence: "Held against" },
    { name: "embedding", label: "Embedding", view: "memory", sentence: "Where examples lie" },
  ];
  const offer = (inspections: object[]) =>
    act(() => model.python("about", { ...model.traits.about, inspections }));
  await offer([...TABS, ...more]);
  expect(tabs()).toEqual(TABS.map(({ label }) => label));
  await offer([TABS[0]!, ...more]);
  expect(tabs()).toEqual(["Loss", "Certificate", "Embedding"]);
  await press("3");
  expect(root.textContent).not.toContain("MAML has no memory");
});

test("a share is shown in percent, as in the stage's head and in figures", async () => {
  const table = { task: [0, 0], step: [0, 1], part: ["query", "query"], accuracy: [0.2, 0.755] };
  const accuracy = { name: "accuracy", unit: "%", better: "higher", chance: 0.5 } as const;
  await act(() => model.python("frames", { "0:steps": wire(table, [accuracy]) }));
  await act(() => store.move({ step: 1, task: 0 }));
  expect(root.querySelector(".wb-readout")!.textContent).toContain("query 75.5%");
});

test("an export panel has the scale that is on screen in another panel of the session", () => {
  const of = (view: string, session: string) => makeStore(new FakeModel({ view, session }));
  const [stage, files, others] = [of("stage", "a"), of("export", "a"), of("export", "b")];
  expect(scaleSeen(files, "steps")).toBe("automatic");
  logOf(stage, "steps")(true);
  expect([stage, files, others].map((one) => scaleSeen(one, "steps"))).toEqual([
    "log",
    "log",
    "automatic",
  ]);
  logOf(stage, "steps")(false);
  expect(scaleSeen(files, "steps")).toBe("linear");
});

test("what acting brought has a tab of its own", async () => {
  const named = () => [...root.querySelectorAll("[role=tab]")].map((one) => one.textContent);
  const acting = { ...TABS[0]!, name: "returns", label: "Returns", view: "acting" as const };
  const about = { ...model.traits.about, inspections: [TABS[0]!, acting, ...TABS.slice(1)] };
  const shown = (more: object) => act(() => model.python("about", { ...about, ...more }));
  await shown({
    kind: "control",
    kinds: { returns: "ready", regret: "it is not known", expectations: "ready" },
  });
  expect(named()[1]).toBe("Returns");
  await act(() =>
    model.python("frames", {
      "0:returns": wire({
        task: [0, 0, 1, 1],
        step: [10, 20, 10, 20],
        episode: [1, 2, 1, 2],
        return: [1, 3, 2, 6],
        moves: [10, 10, 10, 10],
      }),
      "0:expectations": wire({
        task: [0, 0, 1],
        step: [1, 2, 1],
        move: [1, 2, 1],
        value: [0.5, 1, 2],
        return: [1, 1, 3],
      }),
    }),
  );
  await press("2");
  await settled();
  expect(root.textContent).toContain("Return by episode");
  expect(root.textContent).toContain("mean of 2 tasks");
  expect(root.textContent).toContain("it is not known");
  expect(root.textContent).toContain("Expected and came");
});

test("a stream says how much of what came is known", () => {
  const table: Record<string, any[]> = { step: [], asked: [], name: [], met: [], accuracy: [] };
  for (const step of [0, 1, 2])
    for (const asked of [1, 2])
      push(table, {
        step,
        asked,
        name: `class ${asked}`,
        met: asked <= step ? 1 : 0,
        accuracy: step === 2 && asked === 1 ? 0.5 : asked <= step ? 1 : 0,
      });
  const rows = frame(table);
  expect(known(rows, 0)).toBe("Nothing has come yet.");
  expect(known(rows, 1)).toBe("After step 1, 100% is right on the one class that came.");
  expect(known(rows, 2)).toBe("After step 2, 75% is right on the 2 classes that came.");
});
