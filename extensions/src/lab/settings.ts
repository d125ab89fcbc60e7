/** The workbench's settings in JupyterLab, which new experiments and trainings start from. */

import type { ISettingRegistry } from "@jupyterlab/settingregistry";
import type { Asked } from "../generated";
import { trans } from "../words";

/** What a new experiment is made with, beside its preset. */
export type Usual = Omit<Asked, "preset">;

export const FALLBACK: Usual = { seed: 0, threads: 1, device: "cpu", style: "one column", budget: 256 };

/** What the settings say now. */
export async function usualOf(registry: ISettingRegistry | null, plugin: string): Promise<Usual> {
  if (!registry) return FALLBACK;
  const { composite } = await registry.load(plugin);
  return Object.fromEntries(
    Object.entries(FALLBACK).map(([name, value]) => [name, composite[name] ?? value]),
  ) as unknown as Usual;
}

type Titled = ISettingRegistry.IProperty;

/** The settings with what is said of them in JupyterLab's language: its server translates only what
 * its own language packs have. */
export function inWords(plugin: ISettingRegistry.IPlugin): ISettingRegistry.IPlugin {
  const said = <One extends Titled>(one: One): One => ({
    ...one,
    title: trans.__(one.title ?? ""),
    description: trans.__(one.description ?? ""),
  });
  const properties = Object.fromEntries(
    Object.entries(plugin.schema.properties ?? {}).map(([name, one]) => [name, said(one)]),
  );
  return { ...plugin, schema: { ...said(plugin.schema), properties } };
}
