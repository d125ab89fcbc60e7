/** The side bar with what it can ask of JupyterLab. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Clipboard, showErrorMessage } from "@jupyterlab/apputils";
import type { TranslationBundle } from "@jupyterlab/translation";
import { h, type VNode } from "preact";
import type { Done } from "../../generated";
import { openMade } from "../experiments";
import type { Ask } from "../server";
import type { RunsModel } from "./model";
import { Sidebar } from "./Sidebar";

export function sidebarOf(
  app: JupyterFrontEnd,
  ask: Ask,
  model: RunsModel,
  trans: TranslationBundle,
  ways: { start: () => Promise<void>; curves: (place: string) => void },
): VNode<any> {
  const show = async (places: readonly string[]) => {
    const { content } = await ask<Done>("notebook", { places });
    const name = places.length > 1 ? "comparison" : places[0]!.replaceAll("/", "-");
    await openMade(app, content, "", name, true);
  };
  const failed = (error: Error) =>
    void showErrorMessage(trans.__("It cannot be shown"), error.message);
  return h(Sidebar, {
    model,
    trans,
    deeds: {
      start: () => void ways.start().then(() => model.refresh()),
      curves: ({ place }) => ways.curves(place),
      open: ({ place }) => void show([place]).catch(failed),
      compare: (places) => void show(places).catch(failed),
      copy: ({ command }) => Clipboard.copyToSystem(command),
      folder: ({ place }) => void app.commands.execute("filebrowser:open-path", { path: place }),
    },
  });
}
