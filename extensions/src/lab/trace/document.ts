/** A `.metatrace` file as a document: the stage over what is in the file, without a kernel. */

import { PageConfig } from "@jupyterlab/coreutils";
import { ABCWidgetFactory, type DocumentRegistry, DocumentWidget, TextModelFactory } from "@jupyterlab/docregistry";
import type { Contents } from "@jupyterlab/services";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { h, render } from "preact";
import type { Done } from "../../generated";
import { saidBy } from "../../words";
import type { Ask } from "../server";
import { fetchTrace } from "./fetching";
import type { Named } from "./model";
import { MOST_BYTES, tooLarge } from "./parse";

export const FACTORY = "Adaptation";
export const FILE_TYPE = "metatrace";

/** What a document needs of JupyterLab. */
export interface Around {
  contents: Contents.IManager;
  ask: Ask;
  trans: TranslationBundle;
}

/** A model of which JupyterLab reads nothing: half a gigabyte in base64 would stop the page. */
export class NothingRead extends TextModelFactory {
  static readonly NAME = "metatrace-unread";

  override get name(): string {
    return NothingRead.NAME;
  }
  override get fileFormat(): Contents.FileFormat {
    return null;
  }
}

/** Lets documents be opened of which JupyterLab reads nothing. */
export function leaveUnread(registry: DocumentRegistry): void {
  if (!registry.getModelFactory(NothingRead.NAME)) registry.addModelFactory(new NothingRead(false));
}

/** A file that nobody writes here needs no copy beside it: JupyterLab would have one made of all of it when
 * it is opened and there is none. */
export function keepNoCopy(context: DocumentRegistry.Context): void {
  const written = () => context.contentsModel?.last_modified ?? new Date().toISOString();
  context.listCheckpoints = async () => [{ id: "none", last_modified: written() }];
}

export class TraceFactory extends ABCWidgetFactory<DocumentWidget<TraceView>> {
  constructor(
    options: DocumentRegistry.IWidgetFactoryOptions<DocumentWidget<TraceView>>,
    private readonly around: Around,
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): DocumentWidget<TraceView> {
    keepNoCopy(context);
    const content = new TraceView(context, this.around);
    const widget = new DocumentWidget({ content, context });
    widget.toolbar.addItem("beside", new Beside(content, this.around));
    return widget;
  }
}

export class TraceView extends Widget {
  private unmount: (() => void) | null = null;
  private readonly others: string[] = [];

  constructor(
    readonly context: DocumentRegistry.Context,
    private readonly around: Around,
  ) {
    super();
    this.addClass("wb-lab");
    this.addClass("wb-trace");
    void context.ready.then(() => this.load());
    context.fileChanged.connect(() => void this.load());
  }

  /** Shows another trace in a lane of its own, or this one alone again. */
  async beside(path: string): Promise<void> {
    this.others.splice(0, this.others.length, ...(path ? [path] : []));
    await this.load();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.put();
    super.dispose();
  }

  private async load(): Promise<void> {
    try {
      const paths = [this.context.path, ...this.others];
      if (!this.unmount) this.say(this.around.trans.__("Reading the file …"), "status");
      const [{ stageOver }, ...traces] = await Promise.all([
        import("./stage"),
        ...paths.map((path) => this.read(path)),
      ]);
      if (this.isDisposed) return;
      if (new Set(traces.map(({ trace }) => trace.kind)).size > 1)
        throw new Error(this.around.trans.__("These are adaptations to different kinds of tasks."));
      this.put();
      this.unmount = stageOver(this.node, traces, () => this.code());
    } catch (error) {
      if (this.isDisposed) return;
      this.put();
      this.say(saidBy(error as Error), "alert");
    }
  }

  private async read(path: string): Promise<Named> {
    const { size } = await this.around.contents.get(path, { content: false });
    if (size && size > MOST_BYTES) throw tooLarge(size); // before the server reads it
    const url = new URL(await this.around.contents.getDownloadUrl(path), location.href).href;
    const token = PageConfig.getToken();
    const headers: Record<string, string> = token ? { Authorization: `token ${token}` } : {};
    const trace = await fetchTrace({ url, headers });
    return { name: path.slice(path.lastIndexOf("/") + 1), trace };
  }

  /** The lines that open it in a notebook. */
  private async code(): Promise<string> {
    const places = [this.context.localPath];
    const { content } = await this.around.ask<Done>("notebook", { places });
    return content.cells[0].source.join("");
  }

  private put(): void {
    this.unmount?.();
    this.unmount = null;
    render(null, this.node);
  }

  private say(text: string, role: string): void {
    render(h("p", { role, class: "wb wb-empty" }, text), this.node);
  }
}

/** The choice of another trace of the same folder. */
class Beside extends Widget {
  constructor(
    private readonly view: TraceView,
    private readonly around: Around,
  ) {
    super();
    void view.context.ready.then(() => this.fill());
  }

  private async fill(): Promise<void> {
    const { path } = this.view.context;
    const folder = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
    const found = await this.around.contents.get(folder).catch(() => null);
    const traces = ((found?.content ?? []) as Contents.IModel[])
      .map((one) => one.path)
      .filter((other) => other.endsWith(".metatrace") && other !== path);
    if (this.isDisposed || !traces.length) return;
    const label = this.around.trans.__("Another adaptation beside it");
    this.addClass("wb-beside");
    const options = [["", this.around.trans.__("alone")], ...traces.map((p) => [p, p])] as const;
    render(
      h("label", {}, [
        label,
        h(
          "select",
          {
            onChange: (event: Event) =>
              void this.view.beside((event.currentTarget as HTMLSelectElement).value),
          },
          options.map(([value, text]) => h("option", { value }, text)),
        ),
      ]),
      this.node,
    );
  }
}
