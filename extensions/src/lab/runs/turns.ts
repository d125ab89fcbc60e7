/** Whose turn it is to be drawn in full: a few in every frame, so that no frame takes long. */

import { useEffect, useState } from "preact/hooks";

const A_FRAME = 5;

export class Turns {
  private left = A_FRAME;
  private waiting: (() => void)[] = [];
  private counting = false;

  /** Whether one can be drawn at once; if not, `wait` says when. */
  take(): boolean {
    this.count();
    return this.left-- > 0;
  }

  /** Calls when it is this one's turn; returns what gives the turn up. */
  wait(turn: () => void): () => void {
    this.waiting.push(turn);
    this.count();
    return () => {
      this.waiting = this.waiting.filter((other) => other !== turn);
    };
  }

  private count(): void {
    if (this.counting) return;
    this.counting = true;
    requestAnimationFrame(() => {
      this.counting = false;
      const due = this.waiting.splice(0, A_FRAME);
      this.left = A_FRAME - due.length;
      due.forEach((turn) => turn());
      if (this.waiting.length) this.count();
    });
  }
}

/** Whether it is the turn of what uses it; once it was, it stays so. */
export function useTurn(turns: Turns): boolean {
  const [mine, setMine] = useState(() => turns.take());
  useEffect(() => (mine ? undefined : turns.wait(() => setMine(true))), [mine]);
  return mine;
}
