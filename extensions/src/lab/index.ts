/** What JupyterLab loads. */

export { default } from "./plugins";
