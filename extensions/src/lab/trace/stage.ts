/** The stage over saved adaptations, in an element of the page. */

import { h, render } from "preact";
import { Panel } from "../../panel";
import { makeStore } from "../../store";
import { type Named, TraceModel } from "./model";
import { savingOf } from "./saving";

/** Shows them; returns what takes them away. `code` gives the lines that open them in a notebook. */
export function stageOver(
  node: HTMLElement,
  traces: Named[],
  code: () => Promise<string>,
): () => void {
  const model: TraceModel = new TraceModel(
    traces,
    savingOf(() => model, node, code),
  );
  const store = makeStore(model);
  render(h(Panel, { store }), node);
  return () => {
    render(null, node);
    store.dispose();
  };
}
