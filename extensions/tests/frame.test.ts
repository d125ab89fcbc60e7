import { expect, test } from "vitest";
import { Frame, FrameCache } from "../src/frame";
import { frame, wire } from "./frames";

const some = () =>
  frame({
    step: [0, 1, 2, 2],
    part: ["support", "query", null, "query"],
    loss: [0.5, null, 2.5, 1],
  });

test("cells, missing ones and columns", () => {
  const one = some();
  expect(one.rows).toBe(4);
  expect([0, 1, 2, 3].map((row) => one.at("part", row))).toEqual([
    "support",
    "query",
    null,
    "query",
  ]);
  expect(one.at("loss", 1)).toBeNull();
  expect([...one.numbers("step")]).toEqual([0, 1, 2, 2]);
  expect(one.words("part")[3]).toBe("query");
  expect(() => one.numbers("part")).toThrow("holds words");
  expect(() => one.at("lost", 0)).toThrow("no column 'lost'");
});

test("where chooses rows, and again among these", () => {
  const chosen = some().where({ part: "query" });
  expect([...chosen.numbers("step")]).toEqual([1, 2]);
  expect([...chosen.where((row) => chosen.at("step", row) === 2).numbers("loss")]).toEqual([1]);
  expect(some().where({ part: null }).rows).toBe(1);
  expect(some().where({ step: 7 }).rows).toBe(0);
  expect(some().distinct("part")).toEqual(["support", "query"]);
  expect(
    some()
      .groups("step")
      .map(([step, rows]) => [step, rows.rows]),
  ).toEqual([
    [0, 1],
    [1, 1],
    [2, 2],
  ]);
});

test("all parts by a column are made in one pass, and are those that where gives", () => {
  const rows = 60_000;
  const steps = Array.from({ length: rows }, (_, row) => row % 2000);
  const one = frame({ step: steps, part: steps.map((step) => (step % 3 ? null : "query")) });
  const begun = performance.now();
  const parts = one.groups<number>("step");
  const took = performance.now() - begun;
  expect(parts.map(([step]) => step)).toEqual(Array.from({ length: 2000 }, (_, step) => step));
  expect([...parts[7]![1].numbers("step")]).toEqual(Array(30).fill(7));
  expect(one.where({ step: 7 })).toBe(parts[7]![1]);
  expect(one.groups("step")[7]![1]).toBe(parts[7]![1]);
  expect(one.where({ part: "query" }).groups("step").length).toBe(667);
  expect(one.groups("part").map(([part]) => part)).toEqual(["query"]);
  // A pass for each part would be 2,000 passes.
  const alone = performance.now();
  for (let step = 8; step < 28; step++) frame({ step: steps }).where({ step });
  expect(took).toBeLessThan((performance.now() - alone) * 20);
});

test("bytes that do not lie on a number's border are read all the same", () => {
  const bytes = new Uint8Array(8 * 2 + 3);
  bytes.set(new Uint8Array(Float64Array.of(1.5, -2).buffer), 3);
  const data = new DataView(bytes.buffer, 3, 16);
  const read = Frame.read({ rows: 2, columns: [{ name: "x", type: "number", data }], measures: {}, diverged: {} });
  expect([...read.numbers("x")]).toEqual([1.5, -2]);
});

test("arrays and truth values", () => {
  const images = new DataView(Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7).buffer);
  const wrong = new DataView(Uint8Array.of(0, 1).buffer);
  const read = Frame.read({
    rows: 2,
    columns: [
      { name: "image", type: "arrays", data: images, shape: [2, 2] },
      { name: "wrong", type: "boolean", data: wrong },
    ],
    measures: {},
    diverged: {},
  });
  expect([...read.array("image", 1)]).toEqual([4, 5, 6, 7]);
  const chosen = read.where({ wrong: true });
  expect([...chosen.array("image", 0)]).toEqual([4, 5, 6, 7]);
  expect(read.csv()).toBe("wrong\nfalse\ntrue\n");
});

test("csv quotes what has to be quoted", () => {
  const text = frame({ name: ['a "b", c', "d"], loss: [0.25, null] }).csv();
  expect(text).toBe('name,loss\n"a ""b"", c",0.25\nd,\n');
});

test("the same bytes keep their frame", () => {
  const cache = new FrameCache();
  const bytes = wire({ step: [0, 1] });
  const first = cache.read(bytes);
  const columns = bytes.columns.map((column) => ({ ...column }));
  expect(cache.read({ rows: 2, columns, measures: {}, diverged: {} })).toBe(first);
  expect(cache.read(wire({ step: [0, 1] }))).not.toBe(first);
});
