// Bundles src/ into the Python package: one module and one style sheet that anywidget loads.
//
//   node build.mjs           once, small
//   node build.mjs --watch   again at every change, readable
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const into = join(here, "../workbench/widgets/static");
const watch = process.argv.includes("--watch");

/** What the bundle is made of, as one number: the tests tell by it that a bundle is not stale. */
function fingerprint() {
  const sources = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .concat(["build.mjs", "package-lock.json", "tsconfig.json"].map((name) => join(here, name)))
    .sort();
  const hash = createHash("sha256");
  for (const path of sources) hash.update(readFileSync(path));
  return hash.digest("hex");
}

const context = await esbuild.context({
  absWorkingDir: here,
  entryPoints: { panel: "src/index.ts" },
  outdir: into,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: !watch,
  legalComments: "none",
  sourcemap: watch ? "inline" : false,
  logLevel: "warning",
});
if (watch) {
  rmSync(join(into, "made-from"), { force: true }); // `make setup` builds a small one again
  await context.watch();
  console.log(`watching src, writing ${into}`);
} else {
  const made = fingerprint();
  await context.rebuild();
  writeFileSync(join(into, "made-from"), made + "\n");
  await context.dispose();
}
