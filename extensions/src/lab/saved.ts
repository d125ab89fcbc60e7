/** What a notebook keeps of a panel, where no kernel answers: the stage over the adaptation as it was
 * when the cell ran. */

import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Widget } from "@lumino/widgets";
import { h, render } from "preact";
import type { SavedTrace } from "../generated";
import { saidBy } from "../words";
import { fetchTrace } from "./trace/fetching";

/** Reads and shows it when it comes into view: where there is a panel, and a notebook has many, the page's
 * styles keep it out of view. */
export class Saved extends Widget implements IRenderMime.IRenderer {
  private unmount: (() => void) | null = null;
  private model: IRenderMime.IMimeModel | null = null;
  private shown: unknown = null;
  private readonly observer: IntersectionObserver;

  constructor(private readonly mimeType: string) {
    super();
    this.addClass("wb-lab");
    this.addClass("wb-saved");
    this.observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ intersectionRatio }) => intersectionRatio > 0)) void this.unfold();
      },
      { threshold: 0.1 }, // at 0 it is not told of what was there without height
    );
    this.observer.observe(this.node);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    if (this.shown) await this.unfold();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.observer.disconnect();
    this.put();
    super.dispose();
  }

  private async unfold(): Promise<void> {
    const kept = this.model?.data[this.mimeType] as unknown as SavedTrace | undefined;
    if (!kept || kept === this.shown) return;
    this.shown = kept;
    try {
      const [{ stageOver }, trace] = await Promise.all([
        import("./trace/stage"),
        fetchTrace({ content: kept.content }),
      ]);
      if (this.isDisposed || kept !== this.shown) return;
      this.put();
      const name = String(kept.name);
      this.unmount = stageOver(this.node, [{ name, trace }], async () => String(kept.code));
    } catch (error) {
      if (this.isDisposed) return;
      this.put();
      render(h("p", { role: "alert", class: "wb wb-empty" }, saidBy(error as Error)), this.node);
    }
  }

  private put(): void {
    this.unmount?.();
    this.unmount = null;
    render(null, this.node);
  }
}
