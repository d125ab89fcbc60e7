/** A view of ours in a widget of JupyterLab's. */

import { Widget } from "@lumino/widgets";
import { render, type VNode } from "preact";

/** Shows what `draw` gives, once it is seen first; says when it is seen and when not. */
export class Holder extends Widget {
  private drawn = false;

  constructor(
    private readonly draw: () => Promise<VNode<any>>,
    private readonly seen: (visible: boolean) => void = () => {},
  ) {
    super();
    this.addClass("wb-lab");
    document.addEventListener("visibilitychange", this.look);
  }

  override dispose(): void {
    if (this.isDisposed) return;
    document.removeEventListener("visibilitychange", this.look);
    this.seen(false);
    render(null, this.node);
    super.dispose();
  }

  protected override onAfterAttach(): void {
    this.look();
  }
  protected override onAfterShow(): void {
    this.look();
  }
  protected override onAfterHide(): void {
    this.look();
  }
  protected override onAfterDetach(): void {
    this.look();
  }

  private look = () => {
    const visible = this.isVisible && document.visibilityState === "visible";
    if (visible && !this.drawn) {
      this.drawn = true;
      void this.draw().then((view) => {
        if (!this.isDisposed) render(view, this.node);
      });
    }
    this.seen(visible);
  };
}
