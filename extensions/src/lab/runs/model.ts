/** The runs below the folder that JupyterLab serves, as signals: what is in view is asked for, one
 * question at a time, and nothing while nobody looks. Nothing here draws. */

import { batch, signal } from "@preact/signals";
import type { Done, RunsPage, RunsQuery, ServedRun } from "../../generated";
import type { Ask } from "../server";

export type Query = Pick<RunsQuery, "text" | "state" | "sort" | "group">;
export type Act = "stop" | "resume" | "delete" | "restore";

export const PAGE = 100; // runs of an answer
const WHILE_ALIVE = 2000; // milliseconds between two looks while something trains
const ELSE = 15000;

export class RunsModel {
  readonly query = signal<Query>({ text: "", state: "", sort: "newest", group: "none" });
  readonly total = signal(0);
  readonly alive = signal(0);
  readonly limited = signal("");
  readonly problem = signal("");
  readonly known = signal(false);
  /** What is known of the runs, by page. */
  readonly pages = signal<ReadonlyMap<number, ServedRun[]>>(new Map());
  /** The places of runs that were chosen, in their order. */
  readonly chosen = signal<readonly string[]>([]);
  /** The run that was deleted last, until it is restored or another is done something to. */
  readonly deleted = signal<{ name: string; undo: string } | null>(null);
  /** What is being done, by place. */
  readonly doing = signal<ReadonlyMap<string, Act>>(new Map());

  private first = 0;
  private last = 0;
  private visible = false;
  private going = false;
  private stale = new Set<number>();
  private asked = 0; // counts the questions: an answer to an older one is none
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ask: Ask) {}

  /** The run at a place of the list, once it is known. */
  at(place: number): ServedRun | undefined {
    return this.pages.value.get(Math.floor(place / PAGE))?.[place % PAGE];
  }

  /** Asks something else of all runs. */
  look(change: Partial<Query>): void {
    batch(() => {
      this.query.value = { ...this.query.peek(), ...change };
      this.pages.value = new Map();
      [this.first, this.last] = [0, 0];
    });
    this.asked++;
    void this.pump();
  }

  /** Says which runs are in view. */
  show(first: number, last: number): void {
    [this.first, this.last] = [first, Math.max(first, last)];
    void this.pump();
  }

  /** Says whether anybody looks. */
  see(visible: boolean): void {
    if (visible === this.visible) return;
    this.visible = visible;
    if (visible) this.refresh();
    else clearTimeout(this.timer);
  }

  /** Looks again at what is in view; what is out of view is looked at when it comes. */
  refresh(): void {
    for (const page of this.pages.peek().keys()) this.stale.add(page);
    void this.pump();
  }

  /** Does something to a run; whether it was done. */
  async act(what: Act, place: string): Promise<boolean> {
    this.doing.value = new Map([...this.doing.peek(), [place, what]]);
    try {
      const { undo } = await this.ask<Done>(`runs/${what}`, { place });
      batch(() => {
        this.problem.value = "";
        const name = place.slice(place.lastIndexOf("/") + 1);
        this.deleted.value = what === "delete" ? { name, undo } : null;
        if (what === "delete") this.choose(place, false);
      });
      return true;
    } catch (error) {
      this.problem.value = (error as Error).message;
      return false;
    } finally {
      const rest = new Map(this.doing.peek());
      rest.delete(place);
      this.doing.value = rest;
      this.refresh();
    }
  }

  choose(place: string, so = !this.chosen.peek().includes(place)): void {
    const others = this.chosen.peek().filter((one) => one !== place);
    this.chosen.value = so ? [...others, place] : others;
  }

  /** The page in view that is wanted most: one that is not known, then one that may have changed. */
  private wanted(): number | undefined {
    const known = this.pages.peek();
    const [from, to] = [Math.floor(this.first / PAGE), Math.floor(this.last / PAGE)];
    const inView = Array.from({ length: to - from + 1 }, (_, k) => from + k);
    return inView.find((page) => !known.has(page)) ?? inView.find((page) => this.stale.has(page));
  }

  private async pump(): Promise<void> {
    if (this.going) return;
    this.going = true;
    clearTimeout(this.timer);
    try {
      let page: number | undefined;
      while (this.visible && (page = this.wanted()) !== undefined) {
        const number = this.asked;
        const found = await this.ask<RunsPage>(`runs?${this.words(page)}`);
        if (number === this.asked) this.take(page, found);
      }
    } catch (error) {
      this.problem.value = (error as Error).message;
    } finally {
      this.going = false;
    }
    clearTimeout(this.timer);
    if (this.visible)
      this.timer = setTimeout(() => this.refresh(), this.alive.peek() > 0 ? WHILE_ALIVE : ELSE);
  }

  private words(page: number): string {
    return String(
      new URLSearchParams({ ...this.query.peek(), first: String(page * PAGE), count: String(PAGE) }),
    );
  }

  private take(page: number, found: RunsPage): void {
    batch(() => {
      const pages = new Map(this.pages.peek());
      // Runs may have gone meanwhile, and with them the page itself.
      pages.set(page, found.first === page * PAGE ? found.runs : []);
      for (const one of pages.keys())
        if (one > 0 && one * PAGE >= found.total) pages.delete(one);
      this.stale.delete(page);
      this.pages.value = pages;
      this.total.value = found.total;
      this.alive.value = found.alive;
      this.limited.value = found.limited;
      this.known.value = true;
      if (this.first >= found.total) [this.first, this.last] = [0, 0];
    });
  }
}
