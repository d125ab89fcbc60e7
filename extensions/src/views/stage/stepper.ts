/** Stepping through an adaptation: forth, back, first, last, play, branch. Nothing here draws. */

import { signal } from "@preact/signals";
import type { Lane } from "../../generated";
import type { Store } from "../../store";

const BEAT = 450; // milliseconds that a step is shown when all are played

export class Stepper {
  readonly playing = signal(false);
  /** Whether two lanes are shown side by side. */
  readonly different = signal(false);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private extending = false;

  constructor(private readonly store: Store) {}

  get lane(): Lane | undefined {
    return this.store.about.value.lanes?.[this.store.cursor.value.lane];
  }

  get steps(): number {
    return this.lane?.steps ?? 0;
  }

  /** Goes to a step, of another lane if one is named. */
  to(step: number, lane = this.store.cursor.peek().lane): void {
    this.pause();
    this.show(step, lane);
  }

  /** The next step; beyond the last one the adaptation goes on. */
  next(): void {
    const { step } = this.store.cursor.peek();
    this.pause();
    if (step < this.steps) return this.show(step + 1);
    if (this.extending || this.store.about.peek().saved) return;
    this.extending = true;
    void this.store
      .send("extend", { steps: 1 })
      .catch(() => {})
      .finally(() => (this.extending = false));
  }

  back(): void {
    this.to(this.store.cursor.peek().step - 1);
  }

  first(): void {
    this.to(0);
  }

  last(): void {
    this.to(this.steps);
  }

  /** Plays on from here, or from the start where here is the end; or stops. */
  play(): void {
    if (this.playing.peek()) return this.pause();
    if (this.store.cursor.peek().step >= this.steps) this.show(0);
    this.playing.value = this.steps > 0;
    this.beat();
  }

  pause(): void {
    clearTimeout(this.timer);
    this.playing.value = false;
  }

  /** A new lane from here. */
  async branch(): Promise<void> {
    this.pause();
    await this.store.send("branch", { step: this.store.cursor.peek().step });
  }

  /** Takes a branch away. */
  async remove(lane: number): Promise<void> {
    this.pause();
    await this.store.send("remove", { lane });
  }

  /** The lane that the current one is held against: where it came from, or the newest. */
  get other(): number | null {
    const last = (this.store.about.value.lanes?.length ?? 0) - 1;
    if (last < 1) return null;
    return this.lane?.parent ?? (this.store.cursor.value.lane === last ? 0 : last);
  }

  /** Shows two lanes side by side, or one again. */
  compare(so = !this.different.peek()): void {
    this.different.value = so && (this.store.about.peek().lanes?.length ?? 0) > 1;
  }

  private show(step: number, lane = this.store.cursor.peek().lane): void {
    const steps = this.store.about.peek().lanes?.[lane]?.steps ?? 0;
    this.store.move({ lane, step: Math.min(Math.max(step, 0), steps) });
  }

  private beat(): void {
    this.timer = setTimeout(() => {
      if (!this.playing.peek()) return;
      this.show(this.store.cursor.peek().step + 1);
      if (this.store.cursor.peek().step >= this.steps) this.pause();
      else this.beat();
    }, BEAT);
  }
}
