import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Panel } from "../../src/panel";
import { makeStore, type Store } from "../../src/store";
import { EXPORT } from "../../src/views/dialogs";
import { wire } from "../frames";
import { FakeModel } from "../model";

let root: HTMLElement;
let model: FakeModel;
let store: Store;

const lane = (steps: number, more: object = {}) => ({
  learner: "sine",
  steps,
  parent: null,
  at: 0,
  settings: {},
  edits: 0,
  diverged: null,
  memory: [],
  ...more,
});
const rows = (count: number, value: (row: number) => any) =>
  Array.from({ length: count }, (_, row) => value(row));

/** A regression session with two steps and a branch. */
function sine(): FakeModel {
  const steps = wire({
    task: rows(6, () => 0),
    step: rows(6, (k) => Math.floor(k / 2)),
    part: rows(6, (k) => (k % 2 ? "query" : "support")),
    loss: rows(6, (k) => 6 - k),
  });
  const curve = wire({
    x: [-1, 1, 0, 0.5, ...rows(6, (k) => (k % 2 ? 1 : -1))],
    y: [0, 1, 0.5, 0.7, ...rows(6, (k) => k / 6)],
    kind: ["truth", "truth", "support", "support", ...rows(6, () => "prediction")],
    step: [null, null, null, null, ...rows(6, (k) => Math.floor(k / 2))],
  });
  const examples = wire({
    part: ["support", "support"],
    example: [0, 3],
    label: [null, null],
    name: [null, "x"],
    shot: [0, 1],
    edited: [null, "moved"],
    x: [0, 0.5],
    y: [0.5, 0.7],
  });
  const kinds = { steps, curves: curve, examples };
  return new FakeModel({
    view: "stage",
    about: {
      title: "MAML",
      kind: "regression",
      tasks: 2,
      learner: "sine",
      learners: [
        { name: "sine", note: "trained" },
        { name: "other", note: "not trained" },
      ],
      lanes: [lane(2), lane(2, {
          parent: 0,
          at: 1,
          settings: { inner_rate: 0.1 },
          name: "MAML, branch 1: inner rate 0.1",
          changed: "inner rate 0.1",
        })],
      kinds: { steps: "ready" },
      forms: { sampling: [], settings: [] },
      undo: true,
    },
    cursor: { task: 0, step: 0, lane: 0, part: "support", example: 0, layer: "all" },
    frames: Object.fromEntries(
      [0, 1].flatMap((one) =>
        Object.entries(kinds).map(([kind, frame]) => [`${one}:${kind}`, frame]),
      ),
    ),
  });
}

function mount(made: FakeModel): void {
  model = made;
  store = makeStore(model);
  act(() => render(<Panel store={store} />, root));
}
const find = (selector: string) => root.querySelector(selector) as HTMLElement;
const all = (selector: string) => [...root.querySelectorAll(selector)] as HTMLElement[];
const button = (name: string) =>
  all("button").find(
    (one) =>
      one.textContent === name || one.ariaLabel === name || one.getAttribute("aria-label") === name,
  )!;
const click = (element: Element) =>
  act(() => void element.dispatchEvent(new MouseEvent("click", { bubbles: true })));
const press = (key: string, from: Element = find(".wb"), more: object = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  act(() => void from.dispatchEvent(event));
  return event;
};
const sent = () => model.sent.map((one) => [one.command, one.args]);

beforeEach(() => document.body.append((root = document.createElement("div"))));
afterEach(() => {
  act(() => render(null, root));
  store.dispose();
  root.remove();
});

test("JupyterLab's shortcuts are off where the panel has the focus", () => {
  mount(sine());
  expect(find(".wb").getAttribute("data-lm-suppress-shortcuts")).toBe("true");
  const outside = vi.fn();
  document.addEventListener("keydown", outside);
  expect(press("ArrowRight").defaultPrevented).toBe(true);
  expect(outside).not.toHaveBeenCalled();
  document.removeEventListener("keydown", outside);
});

test("arrows step once each, with no message; Shift goes to the ends", () => {
  mount(sine());
  press("ArrowRight");
  expect(store.cursor.value.step).toBe(1);
  press("ArrowRight", undefined, { shiftKey: true });
  expect(store.cursor.value.step).toBe(2);
  expect(find("[role=slider]").getAttribute("aria-valuetext")).toBe("MAML, step 2 of 2, query loss 1");
  expect(find(".wb-player [role=status]").textContent).toBe("step 2 of 2, loss 1");
  press("ArrowLeft", undefined, { shiftKey: true });
  expect(store.cursor.value.step).toBe(0);
  expect(sent()).toEqual([]);
  press("ArrowRight", undefined, { shiftKey: true });
  press("ArrowRight");
  expect(sent()).toEqual([["extend", { steps: 1 }]]);
});

test("letters branch, undo, ask for code and export; text fields keep theirs", () => {
  mount(sine());
  press("ArrowRight");
  press("b");
  press("z");
  press("z", undefined, { ctrlKey: true });
  press("c");
  expect(sent().map(([command]) => command)).toEqual(["branch", "undo", "undo", "code"]);
  expect(sent()[0]![1]).toEqual({ step: 1 });
  const asked = vi.fn();
  root.addEventListener(EXPORT, asked, true);
  press("e");
  expect(asked).toHaveBeenCalledOnce();
  const before = model.sent.length;
  const field = document.createElement("input");
  find(".wb").append(field);
  press("b", field);
  expect(model.sent).toHaveLength(before);
  field.remove();
});

test("code is shown, to be copied", async () => {
  mount(sine());
  press("c");
  await act(async () => model.answer(0, { result: "session = Session()" }));
  await vi.waitFor(() => expect(find(".wb-code pre").textContent).toBe("session = Session()"));
});

test("two lanes stand side by side, the older one left, with their difference", () => {
  mount(sine());
  expect(all(".wb-column h2").map((one) => one.textContent)).toEqual([
    "Episode",
    "What it does",
    "Why",
  ]);
  press("d");
  expect(all(".wb-column h2").map((one) => one.textContent)).toEqual([
    "Episode",
    "MAML",
    "MAML, branch 1: inner rate 0.1",
  ]);
  expect(find(".wb-change").textContent).toContain("(0)");
  press("d");
  expect(all(".wb-column")).toHaveLength(3);
});

test("up and down on the timeline change the lane", () => {
  mount(sine());
  press("ArrowDown", find("[role=slider]"));
  expect(store.cursor.value.lane).toBe(1);
  press("ArrowDown", find("[role=slider]"));
  expect(store.cursor.value.lane).toBe(1);
});

test("a row of a table stands as one, with names, units, gaps, and what it is research for", () => {
  const made = sine();
  const header = "age (years)\tsex";
  const frame = {
    ...wire({
      part: ["support", "support"],
      example: [0, 1],
      label: [0, 1],
      name: ["absent", "present"],
      shot: [0, 0],
      edited: [null, null],
      header: [header, header],
      cells: ["63\tmale", "—\tfemale"],
      text: ["age 63 years, sex male", "age —, sex female"],
    }),
    notice: "for research only: this is no medical device",
  };
  made.set("frames", { "0:examples": frame });
  mount(made);
  expect(all(".wb-rows th").map((one) => one.textContent)).toEqual(["class", "age (years)", "sex"]);
  expect(all(".wb-rows [data-missing]").map((one) => one.textContent)).toEqual(["—"]);
  press("ArrowDown", all(".wb-listed [role=option]")[0]);
  expect(store.cursor.value).toMatchObject({ part: "support", example: 1 });
  expect(find(".wb-notice").textContent).toContain("no medical device");
});

test("the chosen example is edited, by its place", () => {
  mount(sine());
  expect(all(".wb-listed [role=option]")).toHaveLength(2);
  press("ArrowDown", all(".wb-listed [role=option]")[0]);
  expect(store.cursor.value).toMatchObject({ part: "support", example: 3, step: 0 });
  expect(find(".wb-toolbar .wb-badge").textContent).toBe("moved");
  click(button("Drop"));
  expect(sent()).toEqual([["edit", { what: "drop", task: 0, part: "support", example: 3 }]]);
  expect(button("Swap")).toBeUndefined(); // points have no stock to be swapped from
});

test("a point is moved by keys, and stands there before Python answers", () => {
  mount(sine());
  const grip = () => all(".wb-curve .wb-grip")[1]!;
  const before = grip().getAttribute("transform");
  press("ArrowUp", grip());
  expect(grip().getAttribute("transform")).not.toBe(before);
  expect(sent()[0]).toMatchObject(["edit", { what: "move", example: 3, part: "support", task: 0 }]);
  expect(store.cursor.value.step).toBe(0); // the arrow was the point's
});

test("learners and tasks are chosen above", () => {
  mount(sine());
  click(button("other"));
  expect(sent()).toEqual([["choose", { learner: "other" }]]);
  click(button("2"));
  expect(store.cursor.value.task).toBe(1);
});

test("a bandit shows pulls, probabilities and rewards", () => {
  const made = sine();
  const pulls = wire({
    step: [1, 1, 2, 2],
    arm: [0, 1, 0, 1],
    probability: [0.25, 0.75, 0.5, 0.5],
    pulled: [0, 1, 1, 0],
    reward: [null, 1, 0, null],
    value: [1.5, 1.5, 0.5, 0.5],
    chance: [0.1, 0.9, 0.1, 0.9],
  });
  made.traits.about.kind = "control";
  made.traits.frames = {
    "0:pulls": pulls,
    "0:steps": wire({ task: [0, 0], step: [0, 1], part: ["trial", "trial"], reward: [0, 1] }, [{ name: "reward" }]),
  };
  mount(made);
  expect(all(".wb-pulls li").map((one) => one.textContent)).toEqual(["1arm 21", "2arm 10"]);
  expect(all(".wb-arms .wb-figure").map((one) => one.textContent)).toEqual(["25.0%", "75.0%"]);
  click(all(".wb-pulls button")[1]!);
  expect(store.cursor.value.step).toBe(2);
  expect(all(".wb-arms .wb-figure").map((one) => one.textContent)).toEqual(["50.0%", "50.0%"]);
});

test("trajectories are shown, chosen, gone through by move, and their goal is moved by keys", () => {
  const made = sine();
  made.traits.about.kind = "control";
  made.traits.about.aims = true;
  made.traits.cursor.step = 1;
  made.traits.frames = {
    "0:trajectories": wire({
      step: [0, 0, 0, 1, 1, 1, 1, 1],
      part: ["goal", "path", "path", "path", "path", "path", "path", "path"],
      trajectory: [null, 0, 0, 0, 0, 0, 1, 1],
      move: [null, 0, 1, 0, 1, 2, 0, 1],
      point: [0, 0, 0, 0, 0, 0, 0, 0],
      x: [2, 0, -1, 0, 1, 2, 0, 2],
      y: [1, 0, 0, 0, 0, 1, 0, 1],
      reward: [null, null, -3, null, -2, -1, null, -0.5],
      value: [null, null, null, null, null, null, null, null],
    }),
  };
  mount(made);
  const list = () => all(".wb-pulls li").map((one) => one.textContent);
  expect(list()).toEqual(["12 moves−3", "21 move−0.5"]);
  click(all(".wb-pulls button")[1]!);
  expect(store.cursor.value.example).toBe(1);
  expect(find(".wb-moves")!.textContent).toBe("trajectory 2, move1 of 1");
  const goal = find(".wb-grip")!;
  expect(goal.getAttribute("aria-label")).toContain("goal: 2, 1");
  goal.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
  const { command, args } = made.sent.at(-1)!;
  expect([command, args.what, args.task, args.x]).toEqual(["edit", "aim", 0, 2]);
  expect(args.y).toBeGreaterThan(1);
  expect(args.part).toBeUndefined();
});

test("a trial whose steps make several moves goes by moves", () => {
  const made = sine();
  made.traits.about.kind = "control";
  made.traits.frames = {
    "0:pulls": wire({
      step: [1, 1, 1, 1, 2, 2],
      move: [1, 1, 2, 2, 3, 3],
      arm: [0, 1, 0, 1, 0, 1],
      probability: [0.25, 0.75, 0.5, 0.5, 0.125, 0.875],
      pulled: [0, 1, 1, 0, 1, 0],
      reward: [null, 1, 0, null, 2, null],
      value: [1, 1, 2, 2, 3, 3],
      chance: [null, null, null, null, null, null],
    }),
  };
  mount(made);
  const moves = all(".wb-pulls li").map((one) => one.textContent);
  expect(moves).toEqual(["1action 21", "2action 10", "3action 12"]);
  click(all(".wb-pulls button")[2]!);
  expect(store.cursor.value.step).toBe(2);
  expect(all(".wb-arms .wb-figure").map((one) => one.textContent)).toEqual(["12.5%", "87.5%"]);
});

test("actions that are numbers show what was drawn, and around what", () => {
  const made = sine();
  made.traits.about.kind = "control";
  made.traits.frames = {
    "0:pulls": wire({
      step: [1, 1, 2, 2],
      move: [1, 1, 2, 2],
      arm: [0, 1, 0, 1],
      mean: [0.5, -0.5, 0.25, 0],
      deviation: [1, 1, 0.5, 0.75],
      action: [0.75, -1, 0, 0.5],
      reward: [-2, -2, -1, -1],
      value: [-3, -3, -1.5, -1.5],
    }),
  };
  mount(made);
  const moves = all(".wb-pulls li").map((one) => one.textContent);
  expect(moves).toEqual(["10.75, −1−2", "20, 0.5−1"]);
  click(all(".wb-pulls button")[1]!);
  expect(store.cursor.value.step).toBe(2);
  expect(all(".wb-arms .wb-figure").map((one) => one.textContent)).toEqual(["0.25 ± 0.5", "0 ± 0.75"]);
});

test("the builder goes through the tasks, and keeps an episode in a file", () => {
  const made = sine();
  made.traits.view = "episode";
  mount(made);
  press("PageDown");
  expect(store.cursor.value.task).toBe(1);
  press("t");
  expect(find(".wb-table")).not.toBeNull();
  click(button("Save"));
  click(button("Open"));
  expect(sent()).toEqual([
    ["save_episode", { path: "my.episode" }],
    ["open_episode", { path: "my.episode" }],
  ]);
});

test("another learner stands beside; an axis holds both, and a drag is one in both", () => {
  const made = sine();
  const { lanes, learners } = made.traits.about;
  made.traits.about = {
    ...made.traits.about,
    learners,
    lanes: [lanes[0], lane(2, { learner: "other", name: "other" })],
  };
  mount(made);
  expect(all(".wb-column h2").map((one) => one.textContent)).toEqual(["Episode", "MAML", "other"]);
  expect(all(".wb-curve")).toHaveLength(2);
  expect(all(".wb-curve").map((one) => one.querySelectorAll(".wb-grip").length)).toEqual([2, 2]);
  press("d"); // one again, and why
  expect(all(".wb-column h2").map((one) => one.textContent)).toContain("Why");
});

test("settings stand where the episode was, and what they change stays", () => {
  mount(sine());
  press("s");
  expect(all(".wb-column h2").map((one) => one.textContent)).toEqual([
    "Settings",
    "What it does",
    "Why",
  ]);
  click(button("Close (S)"));
  expect(all(".wb-column h2")[0]!.textContent).toBe("Episode");
});

test("points of an episode without a learner can be dragged", () => {
  const made = sine();
  made.traits.view = "episode";
  made.traits.about.learners = [];
  made.traits.frames = { "0:examples": made.traits.frames["0:examples"] };
  mount(made);
  press("ArrowUp", all(".wb-curve .wb-grip")[1]);
  expect(sent()[0]).toMatchObject(["edit", { what: "move", example: 3, part: "support" }]);
});

test("a panel whose kernel is gone says so and what to do, greyed", () => {
  mount(sine());
  expect(find(".wb-lost")).toBeNull();
  act(() => store.lose());
  expect(find(".wb-lost").textContent).toContain("Run the cell again");
  expect(find(".wb-body").getAttribute("data-failed")).toBe("true");
});

test("the scale of the timeline holds 0, where rewards are below it too", async () => {
  mount(sine());
  const ends = () =>
    [...root.querySelectorAll(".wb-time svg .wb-tick-label[text-anchor=end]")].map(
      (label) => label.textContent,
    );
  const reward = wire({
    task: rows(3, () => 0),
    step: rows(3, (k) => k),
    part: rows(3, () => "trial"),
    reward: [-52, -30, -8],
  }, [{ name: "reward", better: "higher" }]);
  await act(() => model.python("frames", { ...model.traits.frames, "0:steps": reward, "1:steps": reward }));
  expect(ends()).toEqual(["0", "−52"]);
});

test("of whole tasks it is said where they are shown", async () => {
  mount(sine());
  const { "0:curves": _, ...rest } = model.traits.frames;
  await act(() => model.python("frames", rest));
  await act(() => model.python("about", { ...model.get("about"), trains: true }));
  expect(root.textContent).toContain("what becomes of it is shown one level below");
});

test("what trains another learner opens it one level below, at the step under the cursor", async () => {
  mount(sine());
  expect(button("Open the level below")).toBeUndefined();
  const asked: string[] = [];
  const lower = sine();
  Element.prototype.scrollIntoView = () => undefined; // jsdom has none
  Object.assign(model, { widget_manager: { get_model: async (id: string) => (asked.push(id), lower) } });
  act(() => model.python("about", { ...model.get("about"), trains: true }));
  press("ArrowRight");
  click(button("Open the level below"));
  expect(sent()).toEqual([["open_below", {}]]);
  expect(model.saved.at(-1).step).toBe(1); // told before
  expect(find("[aria-label='One level below']")).toBeNull();
  await act(async () => {
    model.python("about", { ...model.get("about"), below: "other" });
    model.answer(0, { result: "Stage(session.below())" });
  });
  expect(find("[aria-label='One level below']").textContent).toContain("Stage(session.below())");
  expect(asked).toEqual(["other"]);
  await vi.waitFor(async () => {
    await act(() => new Promise((resolve) => setTimeout(resolve, 0)));
    expect(find("[aria-label='One level below'] section.wb")).not.toBeNull();
  });
  expect(all("[aria-label='One level below'] section.wb")).toHaveLength(1);
});
