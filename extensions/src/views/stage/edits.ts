/** What can be done to an example, and what is in the way of it. Nothing here draws. */

import { signal } from "@preact/signals";
import type { Cursor } from "../../generated";
import type { Store } from "../../store";
import type { Example } from "./data";
import type { Stroke } from "./pen";

/** Where a dragged point is while Python has not answered yet. */
export interface Held {
  task: number;
  part: "support" | "query";
  example: number;
  x: number;
  y: number;
}

/** Where a dragged goal is while Python has not answered yet. */
export type Aimed = Pick<Held, "task" | "x" | "y">;

/** Changes of one example overtake each other, but never those of another. */
const place = ({ task, part, example }: Pick<Cursor, "task" | "part" | "example">) =>
  `${task} ${part} ${example}`;

const digits = (value: number) => Number(value.toPrecision(4));

export class Editor {
  /** The point that is ahead of its adaptation. */
  readonly held = signal<Held | null>(null);
  /** The goal that is. */
  readonly aimed = signal<Aimed | null>(null);
  readonly drawing = signal(false);
  private moves = 0;

  constructor(private readonly store: Store) {}

  private edit(
    what: string,
    more: object = {},
    options: { latest?: string } = {},
  ): Promise<unknown> {
    const { task, part, example } = this.store.cursor.peek();
    return this.store.send("edit", { what, task, part, example, ...more }, options).catch(() => {});
  }

  /** Moves a point; where it is shows at once, what follows from it when it is computed. */
  move(part: "support" | "query", example: number, x: number, y: number): void {
    const { task } = this.store.cursor.peek();
    const to = { task, part, example, x: digits(x), y: digits(y) };
    this.held.value = to;
    const number = ++this.moves;
    this.store.move({ part, example });
    void this.edit("move", to, { latest: place(to) }).then(() => {
      if (number === this.moves) this.held.value = null;
    });
  }

  /** Moves the goal of a control task. */
  aim(x: number, y: number): void {
    const to = { task: this.store.cursor.peek().task, x: digits(x), y: digits(y) };
    this.aimed.value = to;
    const number = ++this.moves;
    const told = { latest: `goal ${to.task}` };
    const done = this.store.send("edit", { what: "aim", ...to }, told).catch(() => {});
    void done.then(() => {
      if (number === this.moves) this.aimed.value = null;
    });
  }

  swap(): void {
    // Every swap has a seed of its own, so that a second one brings yet another example.
    void this.edit("swap", { seed: this.store.about.peek().edits ?? 0 });
  }

  relabel(label: number): void {
    void this.edit("relabel", { label });
  }

  drop(): void {
    void this.edit("drop");
  }

  duplicate(): void {
    void this.edit("duplicate");
  }

  noise(amount: number): void {
    void this.edit("noise", { amount }, { latest: `noise ${place(this.store.cursor.peek())}` });
  }

  draw(strokes: Stroke[]): void {
    void this.edit("draw", { strokes }, { latest: `draw ${place(this.store.cursor.peek())}` });
  }
}

/** The example that the cursor is at; undefined where there is none. */
export function selectedOf(examples: Example[], cursor: Cursor): Example | undefined {
  return examples.find((one) => one.part === cursor.part && one.place === cursor.example);
}

/** Which edits fit an example: what is drawn can be drawn anew, classes changed, numbers blurred. */
export function fitting(example: Example | undefined): Set<string> {
  if (!example) return new Set();
  const found = new Set(["drop", "duplicate"]);
  // a class's noise is on its inputs, and a text's characters have none
  if (example.label === null || example.text === null) found.add("noise");
  if (example.label !== null) found.add("relabel").add("swap");
  if (example.image && example.image.shape.length === 2) found.add("draw");
  return found;
}
