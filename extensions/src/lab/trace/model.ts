/** Saved adaptations as the panels' views see a session: what the kernel would say, the files say.
 * Several are lanes of one stage. Nothing here draws. */

import { type Inspection, KINDS, type SessionAbout, type WireFrame } from "../../generated";
import type { About } from "../../store";
import { trans } from "../../words";
import { Answering, type Answers } from "../answering";
import type { Trace } from "./parse";

export interface Named {
  name: string;
  trace: Trace;
}

const refused = () =>
  trans.__("this is a saved adaptation, and nothing is computed here: open it in a notebook to go on");
const without = () =>
  trans.__("it was saved without this; what was looked at before it was saved is in it");

export class TraceModel extends Answering {
  constructor(
    readonly traces: Named[],
    answers: Answers = {},
  ) {
    super("stage", answers, (command) => (command === "inspect" ? without() : refused()));
    Object.assign(this.traits, this.followed());
  }

  /** The cursor is told here: another task or lane is other frames. */
  override save_changes(): void {
    const { task, lane } = this.traits.cursor;
    if (task === this.traits.about.task && lane === this.traits.lane) return;
    this.change(this.followed());
  }

  private followed() {
    const { task, lane } = this.traits.cursor;
    const frames: Record<string, WireFrame> = {};
    this.traces.forEach(({ trace }, place) => {
      for (const { name } of inspectionsOf(trace)) {
        const frame = frameOf(trace, name, task);
        if (frame) frames[`${place}:${name}`] = frame;
      }
    });
    return { lane, frames, about: aboutOf(this.traces, lane, task) };
  }
}

/** Whether an adaptation like this can be looked at so: by its tasks' kind, and as the file says. */
const fits = (name: string, { kind, about }: Trace) => {
  const tasks = KINDS.find((one) => one.name === name)?.tasks ?? [];
  const lacks = Array.isArray(about.lacks) ? about.lacks : [];
  return (!tasks.length || tasks.includes(kind)) && !lacks.includes(name);
};

const isWhole = (name: string) => KINDS.find((one) => one.name === name)?.whole ?? false;

/** The frame of a kind for a task; undefined where it was not saved. */
export function frameOf(trace: Trace, kind: string, task: number): WireFrame | undefined {
  return trace.frames[task > 0 && !isWhole(kind) ? `${kind}/${task}` : kind];
}

/** Everybody's ways to look at an adaptation, and the method's own, as the file names them. */
export function inspectionsOf({ about, kind }: Trace): Inspection[] {
  const own = Array.isArray(about.inspections) ? about.inspections : [];
  return [
    ...KINDS.map(({ name, label, called, sentence, view }) => ({
      name,
      label: called[kind] ?? label,
      sentence,
      view,
    })),
    ...own.map((one: any) => ({
      name: String(one.name),
      label: String(one.label ?? one.name),
      sentence: String(one.sentence ?? ""),
      view: null,
    })),
  ];
}

/** What a session would say of these adaptations. */
export function aboutOf(traces: Named[], lane: number, task: number): About & SessionAbout {
  const { trace } = traces[lane] ?? traces[0]!;
  const inspections = inspectionsOf(trace);
  const kinds: Record<string, string> = {};
  for (const { name } of inspections)
    kinds[name] = frameOf(trace, name, task) ? "ready" : (trace.refused[name] ?? without());
  const limits = [
    trace.letGo &&
      trans.__(
        "over its budget of %1 MB the tape let go the gradients seen at middle steps",
        (trace.budget / 2 ** 20).toFixed(1),
      ),
    trace.checked === false &&
      trans.__(
        "whether the file is as it was written was not checked: browsers do so by https or on this machine",
      ),
  ];
  return {
    title: methodOf(trace),
    note: trans.__("a saved adaptation"),
    learner: traces[lane]?.name ?? traces[0]!.name,
    learners: traces.map(({ name }) => ({ name, note: trans.__("a saved adaptation") })),
    kind: trace.kind,
    task,
    whole: inspections.filter(({ name }) => isWhole(name)).map(({ name }) => name),
    tasks: Math.min(...traces.map((one) => one.trace.tasks)),
    ways: trace.ways,
    milliseconds: 0,
    megabytes: trace.bytes / 2 ** 20,
    limited: limits.filter(Boolean).join("; "),
    saved: true,
    edits: 0,
    aims: false,
    trains: false,
    renders: false,
    undo: false,
    restored: false,
    lanes: traces.map((one) => ({
      name: one.name,
      changed: "",
      learner: one.name,
      steps: one.trace.steps,
      parent: null,
      at: 0,
      settings: {},
      edits: 0,
      diverged: null,
      memory: [],
    })),
    inspections: inspections.filter(({ name }) => fits(name, trace)),
    kinds,
    forms: {},
    definitions: {},
  };
}

const methodOf = ({ about }: Trace) => String(about.run ?? about.learner ?? trans.__("a saved adaptation"));
