/** Runs and figures as documents, and what notebooks keep of panels. */

import { h, render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
// @ts-expect-error: types of Node are not loaded, and jsdom has no streams that unpack
import { deflateSync } from "node:zlib";
// @ts-expect-error: as above
import { DecompressionStream } from "node:stream/web";
// @ts-expect-error: as above
import { Blob } from "node:buffer";
import type { FigureReceipt, RunDocument } from "../../src/generated";
import { RunModel } from "../../src/lab/documents/model";
import { Receipt } from "../../src/lab/documents/Receipt";
import { Receipts } from "../../src/lab/documents/receipts";
import { Run } from "../../src/lab/documents/Run";
import { unpacked } from "../../src/lab/trace/packed";
import { makeStore } from "../../src/store";

const trans: any = { __: (text: string, ...more: unknown[]) => more.reduce<string>((said, one, k) => said.replace(`%${k + 1}`, String(one)), text) };

const bytes = (values: Float64Array | Int32Array) =>
  btoa(String.fromCharCode(...new Uint8Array(values.buffer)));

const RUN = {
  place: "runs/mine", name: "mine", method: "MAML", tasks: "sinusoid:maml", seed: 3, state: "running",
  reason: "", note: "", stopping: false, iteration: 200, iterations: 1000, rate: 2, left: 400, begun: 0,
  last: null, best: null, recent: [], resumes: false, opens: true, command: "", group: "", heading: "", seeds: 0,
}; // prettier-ignore

const document_ = (change: Partial<RunDocument> = {}): RunDocument => ({
  run: RUN,
  configuration: { seed: 3 },
  mark: "m1",
  limited: "",
  frames: {
    run: {
      rows: 2,
      columns: [
        { name: "iteration", type: "integer", data: bytes(Int32Array.of(100, 200)) },
        { name: "split", type: "words", data: bytes(Int32Array.of(0, 0)), words: ["validation"] },
        { name: "metric", type: "words", data: bytes(Int32Array.of(0, 0)), words: ["mse"] },
        { name: "value", type: "number", data: bytes(Float64Array.of(1, 0.5)) },
        { name: "low", type: "number", data: bytes(Float64Array.of(0.9, 0.4)) },
        { name: "high", type: "number", data: bytes(Float64Array.of(1.1, 0.6)) },
        { name: "seconds", type: "number", data: bytes(Float64Array.of(50, 100)) },
      ],
      measures: {},
      diverged: {},
    },
  },
  ...change,
});

describe("a run as a document", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is seen as the training panel sees one, and only what is new is asked for", async () => {
    const asked: string[] = [];
    const answers = [document_(), document_({ frames: null, mark: "m1" })];
    const ask = vi.fn(async (path: string) => (asked.push(path), answers[asked.length - 1]));
    const model = new RunModel("runs/mine", ask as any);
    const store = makeStore(model);
    await model.look();
    expect(store.about.value).toMatchObject({ saved: true, title: "MAML · sinusoid:maml", folder: "runs" });
    expect([...store.frames.value["run:mine"]!.numbers("value")]).toEqual([1, 0.5]);
    const before = store.frames.value["run:mine"];
    await model.look();
    expect(asked).toEqual(["run?place=runs%2Fmine&mark=", "run?place=runs%2Fmine&mark=m1"]);
    expect(store.frames.value["run:mine"]).toBe(before);
    store.dispose();
  });

  it("is looked at again only while somebody looks, one question at a time", async () => {
    let answer: (found: RunDocument) => void = () => {};
    const ask = vi.fn(() => new Promise((yes) => (answer = yes as any)));
    const model = new RunModel("runs/mine", ask as any);
    model.see(true);
    void model.look();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ask).toHaveBeenCalledTimes(1);
    answer(document_());
    await vi.advanceTimersByTimeAsync(2_100); // it trains
    expect(ask).toHaveBeenCalledTimes(2);
    answer(document_({ run: { ...RUN, state: "finished" } }));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ask).toHaveBeenCalledTimes(2);
    model.see(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("says what is wrong with it, and that it is right again", async () => {
    const ask = vi.fn();
    ask.mockRejectedValueOnce(new Error("'runs/mine' is no run directory")).mockResolvedValueOnce(document_());
    const store = makeStore(new RunModel("runs/mine", ask));
    await expect(store.send("look")).resolves.toBeUndefined();
    expect(store.problem.value?.text).toBe("'runs/mine' is no run directory");
    await store.send("look");
    expect(store.problem.value).toBe(null);
    store.dispose();
  });

  it("is drawn with what can be done to it, and without what a kernel is needed for", async () => {
    const ask = vi.fn(async (path: string, _?: object) => (path.startsWith("run?") ? document_() : {}));
    const opened = vi.fn(async () => "");
    const model = new RunModel("runs/mine", ask as any, { pick: opened });
    await model.look();
    const node = document.body.appendChild(document.createElement("div"));
    await act(() => render(h(Run, { model, title: "Configuration" }), node));
    expect(node.textContent).toContain("Runs in runs/");
    expect(node.querySelector('[aria-label="The next run"]')).toBe(null);
    expect(node.querySelector('[aria-label="Edit mine"]')).toBe(null);
    expect(node.querySelectorAll("figure svg").length).toBeGreaterThan(0);
    expect(node.textContent).toContain('"seed": 3');
    const button = (text: string) => [...node.querySelectorAll("button")].find((one) => one.textContent === text)!;
    await act(async () => button("Stop").click());
    await vi.advanceTimersByTimeAsync(10);
    expect(ask.mock.calls.find(([path]) => path === "runs/stop")?.[1]).toEqual({ place: "runs/mine" });
    await act(async () => button("Open").click());
    expect(opened).toHaveBeenCalled();
    render(null, node);
  });
});

const RECEIPT: FigureReceipt = {
  place: "figures/a.png", missing: "", code: "frame = f()", seed: 3, version: "0.1.0",
  data_sha256: "ab", configuration: { seed: 3 }, runs: ["runs/mine"],
}; // prettier-ignore

describe("the receipt of a figure", () => {
  it("is asked for of figures alone, and an answer that comes late is none", async () => {
    const waiting: ((found: FigureReceipt) => void)[] = [];
    const ask = vi.fn((_: string) => new Promise((yes) => waiting.push(yes as any)));
    const receipts = new Receipts(ask as any, "none");
    expect(await receipts.follow("a.ipynb")).toBe(false);
    expect(await receipts.follow(undefined)).toBe(false);
    expect(ask).not.toHaveBeenCalled();
    const first = receipts.follow("figures/a.png");
    const second = receipts.follow("figures/b.svg");
    waiting[0]!(RECEIPT);
    expect(await first).toBe(false);
    expect(receipts.shown.value).toBe("none");
    waiting[1]!({ ...RECEIPT, place: "figures/b.svg" });
    expect(await second).toBe(true);
    expect(receipts.shown.value).toMatchObject({ place: "figures/b.svg" });
    expect(await receipts.follow("figures/b.svg")).toBe(false);
    expect(ask).toHaveBeenCalledTimes(2);
    expect(await receipts.follow("a.ipynb")).toBe(false);
    expect(receipts.shown.value).toBe("none");
  });

  it("is a sentence where the server cannot say", async () => {
    const receipts = new Receipts(async () => Promise.reject(new Error("gone")), "none");
    expect(await receipts.follow("a.pdf")).toBe(false);
    expect(receipts.shown.value).toBe("gone");
  });

  it("is drawn with its code and the way to its run", async () => {
    const node = document.body.appendChild(document.createElement("div"));
    const openRun = vi.fn();
    const shown = (found: FigureReceipt | string) =>
      act(() => render(h(Receipt, { shown: { value: found } as any, openRun, trans }), node));
    await shown(RECEIPT);
    for (const said of ["figures/a.png", "0.1.0", "ab", "frame = f()", '"seed": 3'])
      expect(node.textContent).toContain(said);
    const button = [...node.querySelectorAll("button")].find((one) => one.textContent === "Open the run runs/mine");
    button!.click();
    expect(openRun).toHaveBeenCalledWith("runs/mine");
    const names = [...node.querySelectorAll("button")].map((one) => one.textContent);
    expect(names).toContain("Copy code");
    await shown({ ...RECEIPT, runs: [] });
    expect(node.textContent).toContain("No run below this folder");
    await shown({ ...RECEIPT, missing: "This file holds no receipt." });
    expect(node.textContent).toContain("figures/a.png: This file holds no receipt.");
    expect(node.textContent).not.toContain("frame = f()");
    render(null, node);
  });
});

describe("what a notebook keeps", () => {
  beforeEach(() => {
    vi.stubGlobal("DecompressionStream", DecompressionStream);
    vi.stubGlobal("Blob", Blob);
  });
  afterEach(() => vi.unstubAllGlobals());
  const packed = (content: Uint8Array) => deflateSync(content).toString("base64") as string;

  it("is unpacked", async () => {
    const found = await unpacked(packed(Uint8Array.of(1, 2, 3)));
    expect([...new Uint8Array(found)]).toEqual([1, 2, 3]);
  });

  it.each([
    ["no file", 3],
    ["no base64", "§§§"],
    ["cannot be unpacked", btoa("no zlib at all")],
    ["cannot be unpacked", packed(new Uint8Array(1000)).slice(0, 12)],
    ["too long", "A".repeat(5 * 2 ** 20)],
  ])("is said to be damaged where it is: %s", async (why, content) => {
    await expect(unpacked(content)).rejects.toThrow(why);
  });

  it("never becomes larger than it may", async () => {
    const bomb = packed(new Uint8Array(5_000_000));
    expect(bomb.length).toBeLessThan(10_000);
    await expect(unpacked(bomb, 1_000_000)).rejects.toThrow("too large");
  });
});
