/** A run directory as a document of JupyterLab, opened by one of the files that every run has. */

import { MainAreaWidget } from "@jupyterlab/apputils";
import { ABCWidgetFactory, type DocumentRegistry, type IDocumentWidget } from "@jupyterlab/docregistry";
import type { TranslationBundle } from "@jupyterlab/translation";
import { h } from "preact";
import type { Done } from "../../generated";
import { Holder } from "../holder";
import { workbenchIcon } from "../icons";
import type { Ask } from "../server";
import { keepNoCopy } from "../trace/document";
import { RunModel } from "./model";

export const FACTORY = "Run";

/** What a document needs of JupyterLab. */
export interface Around {
  ask: Ask;
  trans: TranslationBundle;
  /** Shows the run in a stage. */
  open(place: string): Promise<void>;
}

/** JupyterLab's own document renames its file to what its tab is called: this one bears the run's name,
 * and its file keeps its own. */
export class RunWidget extends MainAreaWidget<Holder> implements IDocumentWidget<Holder> {
  constructor(
    readonly context: DocumentRegistry.Context,
    around: Around,
  ) {
    const place = folderOf(context.localPath);
    super({ content: holderOf(place, around) });
    this.toolbar.hide();
    this.title.label = place.slice(place.lastIndexOf("/") + 1) || context.localPath;
    this.title.caption = place;
    this.title.icon = workbenchIcon;
  }

  setFragment(): void {}
}

export class RunFactory extends ABCWidgetFactory<RunWidget> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<RunWidget>,
    private readonly around: Around,
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): RunWidget {
    keepNoCopy(context);
    return new RunWidget(context, this.around);
  }
}

const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf("/"), 0));

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
