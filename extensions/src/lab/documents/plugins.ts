/** What JupyterLab activates for runs and figures as documents: wiring only. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILabShell, ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, showErrorMessage, WidgetTracker } from "@jupyterlab/apputils";
import { DocumentWidget, type IDocumentWidget } from "@jupyterlab/docregistry";
import type { Contents } from "@jupyterlab/services";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { h } from "preact";
import type { Done } from "../../generated";
import { Holder } from "../holder";
import { workbenchIcon } from "../icons";
import { serverOf } from "../server";
import { leaveUnread, NothingRead } from "../trace/document";
import { FACTORY, RunFactory } from "./factory";
import { Receipts } from "./receipts";

const NAME = "metalearning-workbench";
const DOMAIN = "metalearning_workbench"; // of translations
const FILE_TYPE = "metalearning-run";

export const COMMANDS = { run: `${NAME}:open-run`, receipt: `${NAME}:show-receipt` };

/** The folder that is chosen in the file browser in view, whose package is none of those that we build
 * with. */
function chosenFolder({ shell }: JupyterFrontEnd): string | undefined {
  const sides = [...shell.widgets("left"), ...shell.widgets("right")];
  const browser = sides.find((one) => one.isVisible && "selectedItems" in one);
  const chosen = (browser as { selectedItems(): Iterable<Contents.IModel> } | undefined)?.selectedItems();
  return [...(chosen ?? [])].find(({ type }) => type === "directory")?.path;
}

const runDocuments: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:run-documents`,
  description: "Run directories as documents, with their curves.",
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer],
  activate: (app: JupyterFrontEnd, translator: ITranslator | null, restorer: ILayoutRestorer | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const ask = serverOf(app.serviceManager.serverSettings);
    app.docRegistry.addFileType({
      name: FILE_TYPE,
      pattern: "^metrics\\.jsonl$",
      displayName: trans.__("Measurements of a run"),
      extensions: [],
      mimeTypes: ["application/jsonl"],
      contentType: "file",
      fileFormat: "text",
      icon: workbenchIcon,
    });
    leaveUnread(app.docRegistry);
    const factory = new RunFactory(
      {
        name: FACTORY,
        label: trans.__("Run, with its curves"),
        fileTypes: [FILE_TYPE],
        defaultFor: [FILE_TYPE],
        modelName: NothingRead.NAME,
        readOnly: true,
      },
      {
        ask,
        trans,
        open: async (place) => {
          const { openMade } = await import("../experiments");
          const { content } = await ask<Done>("notebook", { places: [place] });
          await openMade(app, content, "", place.replaceAll("/", "-"), true);
        },
      },
    );
    const tracker = new WidgetTracker<IDocumentWidget>({ namespace: FILE_TYPE });
    factory.widgetCreated.connect((_, widget) => void tracker.add(widget));
    app.docRegistry.addWidgetFactory(factory);
    app.commands.addCommand(COMMANDS.run, {
      label: trans.__("Open as run"),
      icon: workbenchIcon,
      execute: async ({ place = chosenFolder(app) }) => {
        const folder = await app.serviceManager.contents.get(String(place)).catch(() => null);
        if (folder?.content.some(({ name }: Contents.IModel) => name === "config.json"))
          return app.commands.execute("docmanager:open", { path: `${place}/config.json`, factory: FACTORY });
        const why = trans.__("'%1' is no run: it has no config.json.", place);
        return showErrorMessage(trans.__("It cannot be opened"), why);
      },
    });
    void restorer?.restore(tracker, {
      command: "docmanager:open",
      args: ({ context }) => ({ path: context.path, factory: FACTORY }),
      name: ({ context }) => context.path,
    });
  },
};

const receipts: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:receipts`,
  description: "The receipt of the figure in front, beside it.",
  autoStart: true,
  optional: [ILabShell, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    lab: ILabShell | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const none = trans.__("Open a figure that the workbench made: PNG, SVG or PDF.");
    const model = new Receipts(serverOf(app.serviceManager.serverSettings), none);
    const openRun = (place: string) => void app.commands.execute(COMMANDS.run, { place });
    const panel = new Holder(async () => {
      const { Receipt } = await import("./Receipt");
      return h(Receipt, { shown: model.shown, openRun, trans });
    });
    panel.id = `${NAME}-receipt`;
    panel.title.icon = workbenchIcon;
    panel.title.caption = trans.__("Receipt of the figure");
    app.shell.add(panel, "right", { rank: 900, type: "Receipt" });
    const front = () => {
      const widget = app.shell.currentWidget;
      return widget instanceof DocumentWidget ? widget.context.path : undefined;
    };
    let greeted = false; // it comes forward by itself once, and then when it is asked for
    const follow = async () => {
      const has = await model.follow(front());
      if (!has || greeted || !lab) return;
      greeted = true;
      lab.activateById(panel.id);
    };
    void app.restored.then(() => {
      app.shell.currentChanged?.connect(() => void follow());
      void follow();
    });
    app.commands.addCommand(COMMANDS.receipt, {
      label: trans.__("Show the receipt of the figure"),
      execute: async () => {
        app.shell.activateById(panel.id);
        await model.follow(front(), true);
      },
    });
    palette?.addItem({ command: COMMANDS.receipt, category: trans.__("Meta-learning") });
  },
};

export default [runDocuments, receipts];
