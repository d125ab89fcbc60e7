/** The side bar of runs: what is asked of the server and when, and what is in the page. */

import { render } from "preact";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { RunsPage, ServedRun } from "../../src/generated";
import { PAGE, RunsModel } from "../../src/lab/runs/model";
import { type Deeds, Sidebar } from "../../src/lab/runs/Sidebar";
import { Turns } from "../../src/lab/runs/turns";

const trans: any = {
  __: (text: string, ...parts: unknown[]) => text.replace(/%(\d)/g, (_, k) => String(parts[k - 1])),
  _n: (one: string, many: string, n: number) => (n === 1 ? one : many).replace("%1", String(n)),
};

const run = (place: number, more: Partial<ServedRun> = {}): ServedRun => ({
  place: `runs/${place}`, name: `run-${place}`, method: "MAML", tasks: "sinusoid", seed: 0,
  state: "paused", reason: "", note: "", stopping: false, iteration: 10, iterations: 100,
  rate: 0, left: null, begun: 0, last: null, best: null, recent: [3, 2, 1], resumes: true,
  opens: true, command: "workbench evaluate", group: "g", heading: "", seeds: 0, ...more,
}); // prettier-ignore

/** A server with so many runs, whose answers wait until they are given. */
class FakeServer {
  asked: { path: string; body?: any; answer: () => Promise<void>; refuse: (why: string) => Promise<void> }[] = [];
  alive = 0;
  constructor(public total: number) {}

  ask = (<Answer,>(path: string, body?: any) =>
    new Promise<Answer>((yes, no) => {
      const settled = async () => void (await new Promise((done) => setTimeout(done)));
      this.asked.push({
        path,
        body,
        answer: () => (yes(this.said(path) as Answer), settled()),
        refuse: (why) => (no(new Error(why)), settled()),
      });
    })) as any;

  private said(path: string): any {
    if (!path.startsWith("runs?")) return { place: "", undo: "runs/.trash/0", content: {} };
    const first = Number(new URLSearchParams(path.slice(5)).get("first"));
    const count = Math.max(Math.min(PAGE, this.total - first), 0);
    const runs = Array.from({ length: count }, (_, k) => run(first + k));
    return { runs, first, total: this.total, alive: this.alive, trash: [], limited: "" } satisfies RunsPage;
  }
}

afterEach(() => vi.useRealTimers());

describe("what is asked of the server", () => {
  it("is nothing while nobody looks", async () => {
    const server = new FakeServer(5);
    const model = new RunsModel(server.ask);
    model.show(0, 9);
    model.refresh();
    expect(server.asked.length).toBe(0);
    model.see(true);
    expect(server.asked.length).toBe(1);
    await server.asked[0]!.answer();
    vi.useFakeTimers();
    model.see(false);
    vi.advanceTimersByTime(60_000);
    expect(server.asked.length).toBe(1);
  });

  it("is one question at a time, and pages as they come into view", async () => {
    const server = new FakeServer(2000);
    const model = new RunsModel(server.ask);
    model.see(true);
    model.show(1495, 1505); // two pages
    model.refresh();
    model.show(1495, 1505);
    expect(server.asked.length).toBe(1);
    await server.asked[0]!.answer();
    expect(server.asked.length).toBe(2);
    expect(server.asked[1]!.path).toContain("first=1400");
    await server.asked[1]!.answer();
    expect(server.asked[2]!.path).toContain("first=1500");
    await server.asked[2]!.answer();
    expect(server.asked.length).toBe(3);
    expect(model.at(1500)!.name).toBe("run-1500");
    expect(model.at(700)).toBe(undefined);
    model.see(false);
  });

  it("comes again sooner while something trains", async () => {
    for (const [alive, wait] of [[1, 2000], [0, 15000]] as const) {
      const server = new FakeServer(3);
      server.alive = alive;
      const model = new RunsModel(server.ask);
      model.see(true);
      vi.useFakeTimers();
      const answered = server.asked[0]!.answer();
      await vi.advanceTimersByTimeAsync(1);
      await answered;
      await vi.advanceTimersByTimeAsync(wait - 10);
      expect(server.asked.length).toBe(1);
      await vi.advanceTimersByTimeAsync(20);
      expect(server.asked.length).toBe(2);
      model.see(false);
      vi.useRealTimers();
    }
  });

  it("an answer to what is no longer asked is none", async () => {
    const server = new FakeServer(3);
    const model = new RunsModel(server.ask);
    model.see(true);
    model.look({ text: "maml" });
    await server.asked[0]!.answer();
    expect(model.known.value).toBe(false);
    expect(server.asked[1]!.path).toContain("text=maml");
    await server.asked[1]!.answer();
    expect(model.total.value).toBe(3);
    model.see(false);
  });

  it("runs that went away take their pages along", async () => {
    const server = new FakeServer(250);
    const model = new RunsModel(server.ask);
    model.see(true);
    model.show(200, 210);
    await server.asked[0]!.answer();
    await server.asked[1]?.answer();
    server.total = 20;
    model.refresh();
    await server.asked.at(-1)!.answer();
    await server.asked.at(-1)!.answer();
    expect(model.total.value).toBe(20);
    expect(model.at(205)).toBe(undefined);
    model.see(false);
  });

  it("a refusal is said, and looking goes on", async () => {
    const server = new FakeServer(3);
    const model = new RunsModel(server.ask);
    model.see(true);
    await server.asked[0]!.refuse("the server has gone");
    expect(model.problem.value).toBe("the server has gone");
    model.refresh();
    await server.asked[1]!.answer();
    expect(model.known.value).toBe(true);
    model.see(false);
  });
});

describe("the side bar", () => {
  async function shown(total: number) {
    const server = new FakeServer(total);
    const model = new RunsModel(server.ask);
    const deeds = Object.fromEntries(
      ["start", "curves", "open", "compare", "copy", "folder"].map((name) => [name, vi.fn()]),
    ) as unknown as Deeds;
    const node = document.body.appendChild(document.createElement("div"));
    render(<Sidebar model={model} deeds={deeds} trans={trans} />, node);
    model.see(true);
    await server.asked[0]!.answer();
    await new Promise((done) => setTimeout(done, 5));
    const button = (name: string) => node.querySelector<HTMLButtonElement>(`[aria-label="${name}"]`)!;
    return { server, model, deeds, node, button };
  }

  it("has those in view in the page and no others, and says how many there are", async () => {
    const { node, model } = await shown(2000);
    const items = node.querySelectorAll('[role="listitem"]');
    expect(items.length).toBeLessThan(20);
    expect(node.querySelectorAll("*").length).toBeLessThan(500);
    expect(items[0]!.getAttribute("aria-setsize")).toBe("2000");
    expect(node.textContent).toContain("2000 runs");
    model.see(false);
    render(null, node);
  });

  it("opens, copies, and compares those that were chosen", async () => {
    const { node, model, deeds, button } = await shown(3);
    button("Open: run-1").click();
    expect(deeds.open).toHaveBeenCalledWith(expect.objectContaining({ place: "runs/1" }));
    button("Curves of run-2").click();
    expect(deeds.curves).toHaveBeenCalledWith(expect.objectContaining({ place: "runs/2" }));
    button("Command: run-1").click();
    expect(deeds.copy).toHaveBeenCalled();
    for (const name of ["run-2", "run-0"]) {
      button(`Choose ${name}`).click();
      await new Promise((done) => setTimeout(done, 5));
    }
    [...node.querySelectorAll("button")].find((b) => b.textContent === "Compare (2)")!.click();
    expect(deeds.compare).toHaveBeenCalledWith(["runs/2", "runs/0"]);
    model.see(false);
    render(null, node);
  });

  it("counts the seeds of a group", async () => {
    const { node, model } = await shown(3);
    const [first, second, third] = [1, 2, 0].map((seeds, k) => run(k, { heading: "MAML · sinusoid", seeds }));
    model.pages.value = new Map([[0, [first!, second!, third!]]]);
    await new Promise((done) => setTimeout(done, 5));
    const headings = [...node.querySelectorAll(".wb-run-heading")].map((one) => one.textContent);
    expect(headings).toEqual(["MAML · sinusoid · 1 seed", "MAML · sinusoid · 2 seeds", "MAML · sinusoid"]);
    model.see(false);
    render(null, node);
  });

  it("deletes, and takes it back", async () => {
    const { node, model, server, button } = await shown(3);
    button("Delete: run-0").click();
    expect(server.asked[1]).toMatchObject({ path: "runs/delete", body: { place: "runs/0" } });
    await server.asked[1]!.answer();
    expect(node.textContent).toContain("Deleted 0.");
    [...node.querySelectorAll("button")].find((b) => b.textContent === "Undo")!.click();
    expect(server.asked.at(-1)).toMatchObject({ path: "runs/restore", body: { place: "runs/.trash/0" } });
    model.see(false);
    render(null, node);
  });

  it("is gone through by keys", async () => {
    const { node, model, deeds } = await shown(3);
    const item = node.querySelector<HTMLElement>('[role="listitem"]')!;
    item.focus();
    const press = (key: string) => item.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    press("Enter");
    expect(deeds.open).toHaveBeenCalledTimes(1);
    press(" ");
    expect(model.chosen.value).toEqual(["runs/0"]);
    press("ArrowDown");
    await new Promise((done) => setTimeout(done, 30));
    expect(document.activeElement!.getAttribute("aria-posinset")).toBe("2");
    model.see(false);
    render(null, node);
  });
});

describe("turns", () => {
  it("are a few in a frame, of those that are still there", () => {
    vi.useFakeTimers();
    const turns = new Turns();
    const took = Array.from({ length: 12 }, () => turns.take());
    expect(took.filter(Boolean).length).toBe(5);
    const drawn: number[] = [];
    const away = Array.from({ length: 7 }, (_, k) => turns.wait(() => drawn.push(k)));
    away[1]!();
    vi.advanceTimersToNextFrame();
    expect(drawn).toEqual([0, 2, 3, 4, 5]);
    expect(turns.take()).toBe(false); // those that waited had this frame
    vi.advanceTimersToNextFrame();
    expect(drawn).toEqual([0, 2, 3, 4, 5, 6]);
    expect(turns.take()).toBe(true);
  });
});
