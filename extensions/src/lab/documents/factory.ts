/** A run directory as a document of JupyterLab, opened by one of the files that every run has. */

import { ABCWidgetFactory, type DocumentRegistry, DocumentWidget } from "@jupyterlab/docregistry";
import type { TranslationBundle } from "@jupyterlab/translation";
import { h } from "preact";
import type { Done } from "../../generated";
import { Holder } from "../holder";
import type { Ask } from "../server";
import { RunModel } from "./model";

export const FACTORY = "Run";

/** What a document needs of JupyterLab. */
export interface Around {
  ask: Ask;
  trans: TranslationBundle;
  /** Shows the run in a stage. */
  open(place: string): Promise<void>;
}

export class RunFactory extends ABCWidgetFactory<DocumentWidget<Holder>> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<DocumentWidget<Holder>>,
    private readonly around: Around,
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): DocumentWidget<Holder> {
    const { localPath } = context;
    const place = localPath.slice(0, Math.max(localPath.lastIndexOf("/"), 0));
    const content = holderOf(place, this.around);
    const widget = new DocumentWidget({ content, context });
    const named = () => (widget.title.label = place.slice(place.lastIndexOf("/") + 1) || localPath);
    void context.ready.then(named);
    context.pathChanged.connect(named);
    return widget;
  }
}

/** The lines that open a run in a notebook. */
export async function linesOf(ask: Ask, place: string): Promise<string> {
  const { content } = await ask<Done>("notebook", { places: [place] });
  return content.cells[0].source.join("");
}

function holderOf(place: string, { ask, trans, open }: Around): Holder {
  const lines = () => linesOf(ask, place);
  let charts: (kind: string) => Iterable<SVGSVGElement> = () => [];
  let model: RunModel | null = null;
  let visible = false;
  const holder: Holder = new Holder(
    async () => {
      const [{ Run }, { savingOf }] = await Promise.all([import("./Run"), import("../saving")]);
      const made: RunModel = new RunModel(place, ask, {
        pick: () => open(place).then(() => ""),
        ...savingOf({
          code: lines,
          frame: (kind) => made.frame(kind),
          charts: (kind) => charts(kind),
          receipt: (kind) => ({ run: place, kind, configuration: made.configuration }),
        }),
      });
      charts = (kind) => chartsOf(holder.node, kind);
      model = made;
      model.see(visible);
      return h(Run, { model: made, title: trans.__("Configuration of the run") });
    },
    (now) => {
      visible = now;
      model?.see(now);
    },
  );
  return holder;
}

/** Where the charts of a kind are. */
function* chartsOf(node: HTMLElement, kind: string): Iterable<SVGSVGElement> {
  for (const svg of node.querySelectorAll<SVGSVGElement>("figure svg"))
    if ((svg.closest<HTMLElement>("[data-area]")?.dataset.area ?? "training") === kind) yield svg;
}
