// Builds what runs in the browser, from one library in src/:
//
//   src/index.ts      the panels: one module and one style sheet that anywidget loads
//   src/lab/index.ts  the extension of JupyterLab, as a folder that it finds by itself
//
//   node build.mjs           both, small
//   node build.mjs --watch   the panels again at every change, readable
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const into = join(here, "../workbench/widgets/static");
const watch = process.argv.includes("--watch");
const OTHERS = ["build.mjs", "package-lock.json", "package.json", "tsconfig.json"];

/** What both are made of, as one number: the tests tell by it that they are not stale. */
function fingerprint() {
  const sources = ["src", "schema"]
    .flatMap((folder) => readdirSync(join(here, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .concat(OTHERS.map((name) => join(here, name)))
    .sort();
  const hash = createHash("sha256");
  for (const path of sources) hash.update(readFileSync(path));
  return hash.digest("hex");
}

const usual = {
  absWorkingDir: here,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: !watch,
  legalComments: "none",
  sourcemap: watch ? "inline" : false,
  logLevel: "warning",
};
const panels = { ...usual, entryPoints: { panel: "src/index.ts" }, outdir: into };
/** What JupyterLab brings stays out; what is only shown later is in pieces of its own. */
const extension = {
  ...usual,
  entryPoints: { lab: "src/lab/index.ts", mime: "src/lab/mime.ts", reading: "src/lab/trace/reading.ts", style: "src/lab/style.css" },
  outdir: join(here, "lib"),
  splitting: true,
  external: ["@jupyterlab/*", "@lumino/*"],
};

if (watch) {
  rmSync(join(into, "made-from"), { force: true }); // `make setup` builds small ones again
  const context = await esbuild.context(panels);
  await context.watch();
  console.log(`watching src, writing ${into}`);
} else {
  const made = fingerprint();
  rmSync(join(here, "lib"), { recursive: true, force: true });
  await Promise.all([esbuild.build(panels), esbuild.build(extension)]);
  const builder = join(here, "node_modules/@jupyter/builder/lib/build-labextension.js");
  const core = join(here, "node_modules/@jupyterlab/core-meta/core.package.json");
  execFileSync(process.execPath, [builder, "--core-package-file", core, here], { stdio: "pipe" });
  writeFileSync(join(into, "made-from"), made + "\n");
}
