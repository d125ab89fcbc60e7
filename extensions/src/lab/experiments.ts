/** Notebooks: those that come along, and new ones made of what somebody chose. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Dialog } from "@jupyterlab/apputils";
import { h } from "preact";
import type { Asked, Done, PresetChoice } from "../generated";
import { Choice, type Chosen } from "./Choice";
import { Holder } from "./holder";
import type { Ask } from "./server";
import type { Usual } from "./settings";

/** Opens a shipped notebook, from the copy below `notebooks`. */
export async function openShipped(app: JupyterFrontEnd, ask: Ask, name: string): Promise<void> {
  const { place } = await ask<Done>("notebooks", { name });
  await app.commands.execute("docmanager:open", { path: place, factory: "Notebook" });
}

/** Writes a notebook into a new file of a folder, opens it, and runs it where that is wanted. */
export async function openMade(
  app: JupyterFrontEnd,
  content: Done["content"],
  folder: string,
  name: string,
  run: boolean,
): Promise<void> {
  const { contents } = app.serviceManager;
  const made = await contents.newUntitled({ path: folder, type: "notebook" });
  await contents.save(made.path, { type: "notebook", format: "json", content });
  const path = await renamed(app, made.path, folder, name);
  const kernelPreference = { name: "python3" };
  const widget = await app.commands.execute("docmanager:open", {
    path,
    factory: "Notebook",
    kernelPreference,
  });
  if (!run) return;
  await widget.context.sessionContext.ready;
  app.shell.activateById(widget.id);
  await app.commands.execute("notebook:run-all-cells");
}

/** Under a name that says what it is, as far as that is free; else it keeps its own. */
async function renamed(app: JupyterFrontEnd, path: string, folder: string, name: string) {
  const wanted = folder ? `${folder}/${name}.ipynb` : `${name}.ipynb`;
  const beside = await app.serviceManager.contents.get(folder);
  const taken = beside.content.some((one: { path: string }) => one.path === wanted);
  return taken ? path : (await app.serviceManager.contents.rename(path, wanted)).path;
}

/** Asks for family, method and the rest; null where somebody thought better of it. */
export async function choose(
  ask: Ask,
  usual: Usual,
  trans: TranslationBundle,
  what: { title: string; accept: string },
): Promise<Asked | null> {
  const chosen: Chosen = { asked: { ...usual, preset: "" } };
  const presets = ask<PresetChoice[]>("presets");
  const body = new Holder(async () => h(Choice, { presets, chosen, trans }));
  const dialog = new Dialog({
    title: what.title,
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: what.accept })],
  });
  const { button } = await dialog.launch();
  return button.accept && chosen.asked.preset ? chosen.asked : null;
}
