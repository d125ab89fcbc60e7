/** What JupyterLab activates: each plugin finds its parts and joins them. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ILayoutRestorer } from "@jupyterlab/application";
import { ICommandPalette, showErrorMessage, WidgetTracker } from "@jupyterlab/apputils";
import type { IDocumentWidget } from "@jupyterlab/docregistry";
import { ILauncher } from "@jupyterlab/launcher";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { ITranslator, nullTranslator, type TranslationBundle } from "@jupyterlab/translation";
import type { Asked, Done, ShippedNotebook } from "../generated";
import { speak } from "../words";
import documents, { COMMANDS as DOCUMENTS } from "./documents/plugins";
import { Holder } from "./holder";
import { workbenchIcon } from "./icons";
import { RunsModel } from "./runs/model";
import { serverOf } from "./server";
import { inWords, usualOf } from "./settings";
import { FACTORY, FILE_TYPE, leaveUnread, NothingRead, TraceFactory } from "./trace/document";

const NAME = "metalearning-workbench";
const DOMAIN = "metalearning_workbench"; // of translations

export const COMMANDS = {
  experiment: `${NAME}:new-experiment`,
  training: `${NAME}:new-training`,
  notebook: `${NAME}:open-notebook`,
  runs: `${NAME}:show-runs`,
};

/** The words of JupyterLab's language, in which panels and views speak from now on. */
function wordsOf(translator: ITranslator | null): TranslationBundle {
  const trans = (translator ?? nullTranslator).load(DOMAIN);
  speak(trans);
  return trans;
}

/** A mistake is said in JupyterLab's own dialog. */
const said = (title: string) => (error: Error) => void showErrorMessage(title, error.message);

const experiments: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:experiments`,
  description: "Notebooks of the workbench in launcher and palette, and new experiments.",
  autoStart: true,
  optional: [ILauncher, ICommandPalette, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    launcher: ILauncher | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
  ) => {
    const trans = wordsOf(translator);
    const ask = serverOf(app.serviceManager.serverSettings);
    registry?.transform(experiments.id, { fetch: inWords });
    void registry?.load(experiments.id); // which its shortcuts wait for
    const category = trans.__("Meta-learning");
    const chosen = async (title: string, accept: string): Promise<Asked | null> => {
      const { choose } = await import("./experiments");
      return choose(ask, await usualOf(registry, experiments.id), trans, { title, accept });
    };
    app.commands.addCommand(COMMANDS.experiment, {
      label: trans.__("New experiment"),
      caption: trans.__("A notebook for a family of tasks and a method, which runs as it stands"),
      icon: workbenchIcon,
      execute: async ({ cwd = "" }) => {
        const asked = await chosen(trans.__("New experiment"), trans.__("Make the notebook"));
        if (!asked) return;
        const { openMade } = await import("./experiments");
        const { content } = await ask<Done>("notebook", asked);
        await openMade(app, content, String(cwd), asked.preset, false);
      },
    });
    app.commands.addCommand(COMMANDS.training, {
      label: trans.__("New training"),
      caption: trans.__("Train a preset in a process of its own, which the side bar follows"),
      icon: workbenchIcon,
      execute: async () => {
        const asked = await chosen(trans.__("New training"), trans.__("Train"));
        if (asked) await ask<Done>("runs/start", asked).catch(said(trans.__("It was not started")));
      },
    });
    app.commands.addCommand(COMMANDS.notebook, {
      label: ({ title }) => String(title ?? trans.__("Open a notebook of the workbench")),
      caption: ({ name }) => String(name ?? ""),
      icon: workbenchIcon,
      execute: async ({ name }) => {
        const { openShipped } = await import("./experiments");
        await openShipped(app, ask, String(name)).catch(said(trans.__("It cannot be opened")));
      },
    });
    const offer = (command: string, rank: number, args = {}) => {
      launcher?.add({ command, category, rank, args });
      palette?.addItem({ command, category, args });
    };
    offer(COMMANDS.experiment, 0);
    palette?.addItem({ command: COMMANDS.training, category });
    // What is asked of the server waits until JupyterLab stands.
    void app.restored
      .then(() => ask<ShippedNotebook[]>("notebooks"))
      .then((found) =>
        found.forEach((one, place) => offer(COMMANDS.notebook, place + 1, { ...one })),
      )
      .catch((error: Error) => console.warn(`${NAME}: ${error.message}`));
  },
};

const runs: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:runs`,
  description: "The side bar of runs.",
  autoStart: true,
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
  ) => {
    const trans = wordsOf(translator);
    const ask = serverOf(app.serviceManager.serverSettings);
    const model = new RunsModel(ask);
    const start = () => app.commands.execute(COMMANDS.training);
    const curves = (place: string) => void app.commands.execute(DOCUMENTS.run, { place });
    const panel = new Holder(
      async () => (await import("./runs/panel")).sidebarOf(app, ask, model, trans, { start, curves }),
      (visible) => model.see(visible),
    );
    panel.id = `${NAME}-runs`;
    panel.title.icon = workbenchIcon;
    panel.title.caption = trans.__("Runs");
    app.shell.add(panel, "left", { rank: 600, type: "Runs" });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(COMMANDS.runs, {
      label: trans.__("Show the runs"),
      execute: () => app.shell.activateById(panel.id),
    });
    palette?.addItem({ command: COMMANDS.runs, category: trans.__("Meta-learning") });
  },
};

const traces: JupyterFrontEndPlugin<void> = {
  id: `${NAME}:traces`,
  description: "Saved adaptations as documents, without a kernel.",
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
  ) => {
    const trans = wordsOf(translator);
    const { contents, serverSettings } = app.serviceManager;
    app.docRegistry.addFileType({
      name: FILE_TYPE,
      displayName: trans.__("Saved adaptation"),
      extensions: [".metatrace"],
      mimeTypes: ["application/octet-stream"],
      contentType: "file",
      fileFormat: "base64",
      icon: workbenchIcon,
    });
    leaveUnread(app.docRegistry);
    const factory = new TraceFactory(
      {
        name: FACTORY,
        label: trans.__("Adaptation, step by step"),
        fileTypes: [FILE_TYPE],
        defaultFor: [FILE_TYPE],
        modelName: NothingRead.NAME,
        readOnly: true,
      },
      { contents, ask: serverOf(serverSettings), trans },
    );
    const tracker = new WidgetTracker<IDocumentWidget>({ namespace: FILE_TYPE });
    factory.widgetCreated.connect((_, widget) => {
      widget.title.icon = workbenchIcon;
      void tracker.add(widget);
    });
    app.docRegistry.addWidgetFactory(factory);
    void restorer?.restore(tracker, {
      command: "docmanager:open",
      args: ({ context }) => ({ path: context.path, factory: FACTORY }),
      name: ({ context }) => context.path,
    });
  },
};

export default [experiments, runs, traces, ...documents];
