/** The stage over saved adaptations, in an element of the page. */

import { h, render } from "preact";
import { Frame } from "../../frame";
import { Panel } from "../../panel";
import { makeStore } from "../../store";
import { trans } from "../../words";
import { savingOf } from "../saving";
import { type Named, TraceModel } from "./model";

/** Shows them; returns what takes them away. `code` gives the lines that open them in a notebook. */
export function stageOver(
  node: HTMLElement,
  traces: Named[],
  code: () => Promise<string>,
): () => void {
  const model: TraceModel = new TraceModel(
    traces,
    savingOf({
      code,
      frame: (kind) => Frame.read(model.get("frames")[`${model.get("cursor").lane}:${kind}`]),
      charts: (kind) => chartsOf(node, model, kind),
      receipt: (kind) => receiptOf(model, kind),
    }),
  );
  const store = makeStore(model);
  render(h(Panel, { store }), node);
  return () => {
    render(null, node);
    store.dispose();
  };
}

function receiptOf(model: TraceModel, kind: string) {
  const { lane, task, step } = model.get("cursor");
  const { name, trace } = model.traces[lane] ?? model.traces[0]!;
  return { trace: name, kind, task, step, workbench: trace.version, ...trace.about };
}

/** The charts of the place that shows a kind now. */
function chartsOf(node: HTMLElement, model: TraceModel, kind: string) {
  const found = model.get("about").inspections.find((one: any) => one.name === kind);
  const tab = node.querySelector('[role="tab"][aria-selected="true"]')?.textContent?.trim();
  const area = found?.label ? (tab?.startsWith(trans.__(found.label)) ? "why" : "") : "does";
  return node.querySelectorAll<SVGSVGElement>(`[data-area="${area}"] svg`);
}
