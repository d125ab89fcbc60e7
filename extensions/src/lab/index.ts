/** What JupyterLab loads: wiring only. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";

const plugin: JupyterFrontEndPlugin<void> = {
  id: "metalearning-workbench:experiments",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    console.log("wb", app.version, import.meta.url);
    void import("./later").then((l) => l.hi());
  },
};
export default [plugin];
