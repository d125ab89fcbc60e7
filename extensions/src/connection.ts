/** Whether there is still a kernel behind a panel. */

import type { Model } from "./store";

/** JupyterLab's own word on the kernel, as far as it is needed here; other pages have none. */
interface Session {
  statusChanged?: Signal<string>;
  kernelChanged?: Signal<unknown>;
}
interface Signal<Args> {
  connect(slot: (sender: unknown, args: Args) => void): void;
  disconnect(slot: (sender: unknown, args: Args) => void): void;
}

const ENDED = ["restarting", "autorestarting", "terminating", "dead"];
const DISCONNECTED = ".jupyter-widgets-disconnected"; // what its widgets carry then

/** Calls `lost` once no kernel answers this panel any more; returns what ends the watch. */
export function watchKernel(model: Model, el: Element, lost: () => void): () => void {
  const session = (model.widget_manager as { context?: { sessionContext?: Session } } | undefined)
    ?.context?.sessionContext;
  const look = () => {
    if (el.closest(DISCONNECTED)) lost();
  };
  const status = (_: unknown, now: string) => {
    if (ENDED.includes(now)) lost();
  };
  model.on("comm_live_update", look);
  session?.statusChanged?.connect(status);
  session?.kernelChanged?.connect(lost);
  look();
  return () => {
    model.off("comm_live_update", look);
    session?.statusChanged?.disconnect(status);
    session?.kernelChanged?.disconnect(lost);
  };
}
