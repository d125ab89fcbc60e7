/** The workbench's icon. */

import { LabIcon } from "@jupyterlab/ui-components";

/** A start, and the adapted curves that leave it. */
export const workbenchIcon = new LabIcon({
  name: "metalearning-workbench:icon",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="2" stroke-linecap="round">
    <path d="M5 19 C 9 19 10 6 20 5"/><path d="M5 19 C 11 19 13 13 20 13"/><path d="M5 19 C 12 19 15 20 20 20"/>
  </g><circle class="jp-icon3" fill="#616161" cx="5" cy="19" r="3"/></svg>`,
});
