/** The receipt of whichever figure is in front, asked for while somebody looks at the panel. */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { FigureReceipt } from "../../generated";
import type { Ask } from "../server";

const FIGURES = /\.(png|svg|pdf)$/i;

export class Receipts {
  private readonly told = signal<FigureReceipt | string>("");
  private asked = "";

  /** `none` is said while no figure is in front. */
  constructor(
    private readonly ask: Ask,
    private readonly none: string,
  ) {
    this.told.value = none;
  }

  get shown(): ReadonlySignal<FigureReceipt | string> {
    return this.told;
  }

  /** Another document is in front; whether it is a figure with a receipt. */
  async follow(path: string | undefined, again = false): Promise<boolean> {
    const place = path && FIGURES.test(path) ? path : "";
    if (place === this.asked && !again) return false;
    this.asked = place;
    if (!place) {
      this.told.value = this.none;
      return false;
    }
    const found = await this.ask<FigureReceipt>(`receipt?${new URLSearchParams({ place })}`).catch(
      (error: Error) => error.message,
    );
    if (this.asked !== place) return false; // another came meanwhile
    this.told.value = found;
    return typeof found !== "string" && !found.missing;
  }
}
