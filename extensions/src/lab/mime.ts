/** What JupyterLab and Notebook load to show what notebooks keep of panels: wiring only. */

import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { Saved } from "./saved";

const TRACE = "application/vnd.metalearning-workbench.trace+json";

const extension: IRenderMime.IExtension = {
  id: "metalearning-workbench:saved-panels",
  description: "Adaptations in saved notebooks, without a kernel.",
  rendererFactory: {
    safe: true, // it draws numbers and words, and runs nothing of what it is given
    mimeTypes: [TRACE],
    createRenderer: ({ mimeType }) => new Saved(mimeType),
  },
  rank: 0, // before pictures and words
  dataType: "json",
};

export default extension;
