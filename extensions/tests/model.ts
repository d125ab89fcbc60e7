/** A model as anywidget hands one over, with Python played by the test. */

import type { Inspection } from "../src/generated";
import { type Model } from "../src/store";

const tab = (name: string, label: string, view: Inspection["view"]) => ({
  name,
  label,
  view,
  sentence: `About ${name}`,
});

/** The inspections that have tabs, as Python lists them. */
export const TABS: Inspection[] = [
  tab("steps", "Loss", "loss"),
  tab("norms", "Layers", "layers"),
  tab("flow", "Flow", "flow"),
  tab("anatomy", "Anatomy", "anatomy"),
  tab("agreement", "Agreement", "agreement"),
  tab("landscape", "Landscape", "landscape"),
  tab("memory", "Memory", "memory"),
];

export class FakeModel implements Model {
  traits: Record<string, any> = {
    view: "gradients",
    session: "s",
    about: {},
    frames: {},
    cursor: {},
    problem: {},
    progress: {},
  };
  sent: { id: number; command: string; args: any }[] = [];
  saved: any[] = [];
  private listeners = new Map<string, Set<(...args: any[]) => void>>();

  constructor(traits: Record<string, any> = {}) {
    Object.assign(this.traits, traits);
  }
  get(name: string) {
    return this.traits[name];
  }
  set(name: string, value: unknown) {
    this.traits[name] = value;
  }
  save_changes() {
    this.saved.push(structuredClone(this.traits.cursor));
  }
  send(content: any) {
    this.sent.push(content);
  }
  on(event: string, callback: (...args: any[]) => void) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event)!.add(callback);
  }
  off(event: string, callback: (...args: any[]) => void) {
    this.listeners.get(event)?.delete(callback);
  }
  /** Python sets a trait. */
  python(name: string, value: unknown) {
    this.traits[name] = value;
    for (const callback of this.listeners.get(`change:${name}`) ?? []) callback();
  }
  /** Python answers the command that was sent as the so-manieth. */
  answer(place: number, answer: { result?: unknown; error?: string }) {
    for (const callback of this.listeners.get("msg:custom") ?? [])
      callback({ id: this.sent[place]!.id, ...answer });
  }
  get listening() {
    return [...this.listeners.values()].reduce((count, all) => count + all.size, 0);
  }
}
