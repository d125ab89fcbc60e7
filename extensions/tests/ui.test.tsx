import { render } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { act } from "preact/test-utils";
import type { Field } from "../src/generated";
import { Chart } from "../src/ui/Chart";
import { range, rateAt, ratePlace } from "../src/ui/fields";
import { Form } from "../src/ui/Form";
import { duration, short, three, withInterval } from "../src/ui/format";
import { HeatMap, shares } from "../src/ui/HeatMap";
import { Images, rgba } from "../src/ui/Images";
import { look } from "../src/ui/palette";
import { extent, makeScale } from "../src/ui/scales";
import { Select } from "../src/ui/Select";
import { PLACES, sorted, Table, text } from "../src/ui/Table";
import { Tabs } from "../src/ui/Tabs";
import { frame } from "./frames";
import shared from "./numbers.json";

let root: HTMLElement;
beforeEach(() => document.body.append((root = document.createElement("div"))));
afterEach(() => {
  act(() => render(null, root));
  root.remove();
});
const show = (what: preact.ComponentChild) => act(() => render(what, root));
const press = (element: Element, key: string, more: object = {}) =>
  act(
    () =>
      void element.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
      ),
  );
const all = (selector: string) => [...root.querySelectorAll(selector)] as HTMLElement[];

test("numbers have three significant digits", () => {
  expect([0, 1, 0.123456, 12.3456, 1234.5, 123456, 0.00012345, -0.5].map(three)).toEqual([
    "0",
    "1",
    "0.123",
    "12.3",
    "1,230",
    "123,456",
    "1.23×10⁻⁴",
    "−0.5",
  ]);
  expect([NaN, null, Infinity].map(three)).toEqual(["–", "–", "∞"]);
  expect(short("features.norm1.weight", 10)).toBe("featu…ight");
  expect([3, 90, 7200].map(duration)).toEqual(["3 s", "2 min", "2.0 h"]);
});

test("numbers read as Python writes them", () => {
  for (const [value, text] of shared.numbers) expect(three(value as number)).toBe(text);
  for (const [value, half, text] of shared.intervals)
    expect(withInterval(value as number, half as number | null)).toBe(text);
});

test("the first 64 classes differ", () => {
  const looks = Array.from({ length: 64 }, (_, number) => JSON.stringify(look(number)));
  expect(new Set(looks).size).toBe(64);
});

test("log axes have powers of ten, linear ones whole numbers where asked", () => {
  const log = makeScale({ label: "norm", scale: "log" }, [1e-5, 1e2], [0, 300]);
  expect(log.ticks.map((tick) => tick.text)).toContain("0.01");
  expect(log.ticks.length).toBeLessThanOrEqual(8);
  const narrow = makeScale({ label: "norm", scale: "log" }, [2, 30], [0, 300]);
  expect(narrow.ticks.length).toBeGreaterThanOrEqual(2);
  const steps = makeScale({ label: "step", integer: true }, [0, 3], [0, 900], true);
  expect(steps.ticks.map((tick) => tick.value)).toEqual([0, 1, 2, 3]);
  expect(extent([[1, NaN, 3], [-1]], false)).toEqual([-1, 3]);
  expect(extent([[-1, 0, 5]], true)).toEqual([5, 5]);
  expect(extent([[]], false)).toBeNull();
});

test("colour shares: signed about zero, log over decades", () => {
  const signed = shares([-2, 1, NaN], { signed: true });
  expect([signed.share(-2), signed.share(0), signed.share(1)]).toEqual([-1, 0, 0.5]);
  const log = shares([1, 10, 100], { log: true });
  expect([log.share(1), log.share(10), log.share(100)].map((s) => Number(s.toFixed(6)))).toEqual([
    0, 0.5, 1,
  ]);
});

test("a table sorts by its heads, missing last, and picks rows", () => {
  const one = frame({ name: ["b", "a", "c"], loss: [2.5, null, 1.5] });
  expect(sorted(one, "loss", false)).toEqual([2, 0, 1]);
  expect(sorted(one, "loss", true)).toEqual([0, 2, 1]);
  const pick = vi.fn();
  show(
    <Table
      frame={one}
      title="losses"
      onPick={pick}
      marked={(f, row) => f.at("name", row) === "c"}
    />,
  );
  act(() => all("th button")[0]!.click());
  expect(all("tbody tr td:first-child").map((cell) => cell.textContent)).toEqual(["a", "b", "c"]);
  expect(all("th")[0]!.getAttribute("aria-sort")).toBe("ascending");
  expect(all("tr[aria-current]").length).toBe(1);
  act(() => all("tbody tr")[1]!.click());
  expect(pick).toHaveBeenCalledWith(one, 0);
});

const field = (more: Partial<Field>): Field => ({
  name: "x",
  label: "x",
  help: "what x does",
  type: "integer",
  value: 1,
  default: 1,
  minimum: null,
  maximum: null,
  span: null,
  choices: null,
  optional: false,
  ...more,
});

test("each field has the control of its type", () => {
  const change = vi.fn();
  show(
    <Form
      title="settings"
      onChange={change}
      fields={[
        field({ name: "steps", label: "inner steps", value: 5, minimum: 1, maximum: 20 }),
        field({ name: "rate", label: "inner rate", type: "rate", value: 0.01, default: 0.1 }),
        field({
          name: "order",
          label: "order",
          type: "choice",
          value: "second",
          default: "second",
          choices: ["first", "second"],
        }),
        field({
          name: "data",
          label: "data",
          type: "choice",
          value: "a",
          default: "a",
          choices: ["a", "b", "c", "d", "e"],
        }),
        field({ name: "seed", label: "seed", type: "seed", value: 3, default: 0 }),
        field({ name: "learn", label: "learn", type: "boolean", value: true, default: false }),
      ]}
    />,
  );
  expect(all("input[type=range]").length).toBe(2);
  expect(all("input[type=radio]").length).toBe(2);
  expect(all("select option").length).toBe(5);
  expect(root.textContent).toContain(
    "Different: inner steps 5 (1), inner rate 0.01 (0.1), seed 3 (0), learn on (off)",
  );
  const [steps] = all("input[type=range]") as HTMLInputElement[];
  steps!.value = "7";
  act(() => void steps!.dispatchEvent(new Event("input", { bubbles: true })));
  expect(change).toHaveBeenLastCalledWith("steps", 7);
  const box = all("input[inputmode=decimal]")[0] as HTMLInputElement;
  for (const [typed, taken] of [
    ["99", 99], // Python says what is allowed
    ["−2,4", -2.4],
  ] as const) {
    box.value = typed;
    act(() => void box.dispatchEvent(new Event("change", { bubbles: true })));
    expect(change).toHaveBeenLastCalledWith("steps", taken);
  }
  change.mockClear();
  box.value = "many";
  act(() => void box.dispatchEvent(new Event("change", { bubbles: true })));
  expect(change).not.toHaveBeenCalled();
  expect(all(".wb-refused")[0]!.textContent).toBe("'many' is no number: inner steps stays -2.4");
  act(() => all(".wb-reset")[1]!.click());
  expect(change).toHaveBeenLastCalledWith("rate", 0.1);
});

test("a refused value goes back, and why stands at its field", async () => {
  const refusal = new Error("sampling.shots is -1: it must be at least 1");
  const fields = [
    field({ name: "shots", label: "shots", value: 5, minimum: 1 }),
    field({ name: "tasks", label: "tasks", type: "choice", value: "glyphs", choices: [..."abcd", "glyphs"] }),
  ];
  show(<Form title="tasks" onChange={() => Promise.reject(refusal)} fields={fields} />);
  const box = root.querySelector("input[inputmode=decimal]") as HTMLInputElement;
  const list = root.querySelector("select")!;
  expect(list.value).toBe("glyphs");
  box.value = "-1";
  list.selectedIndex = 0;
  await act(async () => {
    for (const one of [box, list]) one.dispatchEvent(new Event("change", { bubbles: true }));
  });
  expect([box.value, list.value]).toEqual(["5", "glyphs"]);
  expect(all(".wb-refused").map((one) => one.textContent)).toEqual(Array(2).fill(refusal.message));
});

test("what Python leaves as it was is shown as it was", async () => {
  const fields = [field({ name: "steps", label: "test steps", value: 10 })];
  show(<Form title="adaptation" onChange={() => Promise.resolve()} fields={fields} />);
  const box = root.querySelector("input[inputmode=decimal]") as HTMLInputElement;
  box.value = "25";
  await act(async () => void box.dispatchEvent(new Event("change", { bubbles: true })));
  expect(box.value).toBe("10");
});

test("a list shows what is in force until another choice is", () => {
  const choose = vi.fn();
  show(<Select label="Learner" names={["a", "b"]} chosen={0} onChoose={choose} />);
  const list = root.querySelector("select")!;
  list.selectedIndex = 1;
  act(() => void list.dispatchEvent(new Event("change", { bubbles: true })));
  expect([list.selectedIndex, choose.mock.calls]).toEqual([0, [[1]]]);
});

test("tables count places from 1, on screen and copied", () => {
  expect([text("task", 0), text("step", 0), text("slot", null)]).toEqual(["1", "0", "–"]);
  const steps = frame({ task: [0, 1], step: [0, 0] });
  expect(steps.csv(undefined, PLACES)).toBe("task,step\n1,0\n2,0\n");
});

test("beside its choices a free field takes what is typed, once", () => {
  const change = vi.fn();
  const choices = ["a", "b", "c", "d", "e"];
  const data = field({ name: "data", label: "data", type: "choice", value: "a", choices });
  const fields = [{ ...data, free: "folder:PATH" }];
  show(<Form title="settings" onChange={change} fields={fields} />);
  const box = root.querySelector<HTMLInputElement>("input[type=text]")!;
  expect(box.getAttribute("aria-label")).toBe("Other data, such as folder:PATH");
  box.value = " folder:my pictures ";
  act(() => void box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })));
  act(() => void box.dispatchEvent(new Event("change", { bubbles: true })));
  expect(change.mock.calls).toEqual([["data", "folder:my pictures"]]);
  expect(box.value).toBe("");
});

test("a rate's slider is logarithmic", () => {
  const rate = field({ type: "rate", minimum: 1e-4, maximum: 1 });
  expect(ratePlace(rate, 0.01)).toBeCloseTo(0.5);
  expect(rateAt(rate, 0.5)).toBe(0.01);
  expect(rateAt(rate, ratePlace(rate, 0.25))).toBe(0.25);
});

test("a slider goes over the span that Python offers, not to the bounds", () => {
  const shots = field({ minimum: 1, maximum: 1_000_000, span: [1, 50] });
  expect(range(shots)).toEqual([1, 50]);
  expect(range({ ...shots, value: 80 })).toEqual([1, 80]);
  const rate = field({ type: "rate", value: 0.01, minimum: 0, span: [1e-4, 1] });
  expect([ratePlace(rate, 1e-4), ratePlace(rate, 1)]).toEqual([0, 1]);
  expect(rateAt(rate, 0.5)).toBe(0.01);
});

test("tabs go round by arrow keys", () => {
  const select = vi.fn();
  const tabs = [
    { id: "a", label: "A" },
    { id: "b", label: "B" },
    { id: "c", label: "C" },
  ];
  show(
    <Tabs label="views" tabs={tabs} selected="a" onSelect={select}>
      inside
    </Tabs>,
  );
  press(root.querySelector("[role=tablist]")!, "ArrowLeft");
  expect(select).toHaveBeenLastCalledWith("c");
  press(root.querySelector("[role=tablist]")!, "ArrowRight");
  expect(select).toHaveBeenLastCalledWith("b");
  expect(all("[role=tab]").map((tab) => tab.tabIndex)).toEqual([0, -1, -1]);
});

test("a heat map is walked through by keys and says what is there", () => {
  const pick = vi.fn();
  show(
    <HeatMap
      title="norms"
      rows={["a", "b"]}
      columns={["0", "1", "2"]}
      value={(r, c) => 10 * r + c}
      label="norm"
      unit="u"
      rowLabel="layer"
      columnLabel="step"
      marked={{ row: 0, column: 1 }}
      onPick={pick}
    />,
  );
  const map = root.querySelector("[role=application]")!;
  press(map, "ArrowDown");
  press(map, "ArrowRight");
  expect(root.querySelector(".wb-readout")!.textContent).toBe("layer b · step 2 · norm 12 u");
  expect(pick.mock.calls.map(([place]) => place)).toEqual([
    { row: 1, column: 1 },
    { row: 1, column: 2 },
  ]);
  press(map, "Enter");
  expect(pick).toHaveBeenCalledTimes(3);
});

test("a point is dragged by arrow keys as far as on screen", () => {
  const drag = vi.fn();
  show(
    <Chart
      title="points"
      x={{ label: "x", domain: [0, 10] }}
      y={{ label: "y", domain: [0, 10] }}
      onDrag={drag}
      series={[{ name: "support", kind: "points", x: [5], y: [5], draggable: true }]}
    />,
  );
  const grip = root.querySelector(".wb-grip")!;
  expect(grip.getAttribute("aria-label")).toContain("support 1: 5, 5");
  press(grip, "ArrowUp");
  const up = drag.mock.lastCall![0];
  expect(up).toMatchObject({ series: 0, index: 0, done: true });
  expect(up.y).toBeGreaterThan(5);
  expect(up.x).toBeCloseTo(5);
  press(grip, "ArrowUp", { shiftKey: true });
  expect(drag.mock.lastCall![0].y).toBeGreaterThan(up.y);
});

test("a chart says what a log axis cannot show", () => {
  show(
    <Chart
      title="losses"
      mark={1}
      x={{ label: "step" }}
      y={{ label: "loss", switchable: true }}
      series={[{ name: "a", x: [0, 1, 2], y: [1, 0, 10] }]}
    />,
  );
  expect(root.querySelector(".wb-readout")!.textContent).toBe("step 1 · a 0");
  act(() => all("button")[0]!.click());
  expect(root.textContent).toContain("1 value at or below 0 cannot stand on a log axis");
  expect(root.querySelector("path")!.getAttribute("d")).not.toContain("NaN");
});

test("ink is black of a strength, colour stays colour", () => {
  expect([...rgba(Float32Array.of(0, 1), [1, 2])]).toEqual([0, 0, 0, 0, 0, 0, 0, 255]);
  expect([...rgba(Float32Array.of(1, 0, 0.5), [1, 1, 3])]).toEqual([255, 0, 128, 255]);
});

test("pictures are options that arrow keys go through", () => {
  const pick = vi.fn();
  const pictures = ["a", "b", "c", "d"].map((label) => ({
    label,
    pixels: new Float32Array(4),
    shape: [2, 2],
  }));
  show(<Images title="support" pictures={pictures} columns={2} selected={1} onPick={pick} />);
  press(all("[role=option]")[1]!, "ArrowDown");
  expect(pick).toHaveBeenLastCalledWith(3);
  expect(all("[aria-selected=true]").map((one) => one.getAttribute("aria-label"))).toEqual(["b"]);
});

test("an axis that does not rise from zero says so, and one that is logarithmic", () => {
  const series = [{ name: "a", x: [0, 1], y: [2.57, 3.02] }];
  const shown = (y: object) => {
    show(<Chart title="c" series={series} x={{ label: "x" }} y={{ label: "loss", ...y }} />);
    return all(".wb-label").map((one) => one.textContent);
  };
  expect(shown({})).toContain("loss, axis from 2.4");
  expect(shown({ domain: [0, 0] })).toContain("loss");
  expect(all(".wb-axes text").map((one) => one.textContent)).toContain("0");
  expect(shown({ scale: "log" })).toContain("loss, log");
  expect(shown({ scale: "log", domain: [0, 0] })).toContain("loss, log"); // 0 has no place there
});
