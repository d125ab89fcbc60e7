/** Saved adaptations as the panels' views see a session: what the kernel would say, the files say.
 * Several are lanes of one stage. Nothing here draws. */

import { type Inspection, KINDS, type SessionAbout, type WireFrame } from "../../generated";
import { type About, START, type Model } from "../../store";
import { trans } from "../../words";
import type { Trace } from "./parse";

export interface Named {
  name: string;
  trace: Trace;
}

/** What is asked of Python, and here of somebody else: the answer, or a refusal. */
export type Answers = Record<string, (args: any) => unknown>;

const refused = () =>
  trans.__("this is a saved adaptation, and nothing is computed here: open it in a notebook to go on");
const without = () =>
  trans.__("it was saved without this; what was looked at before it was saved is in it");

export class TraceModel implements Model {
  private readonly traits: Record<string, any>;
  private readonly heard = new Map<string, Set<(...args: any[]) => void>>();

  constructor(
    readonly traces: Named[],
    private readonly answers: Answers = {},
  ) {
    this.traits = {
      view: "stage",
      session: `trace-${Math.random().toString(36).slice(2)}`,
      cursor: { ...START },
      problem: {},
      progress: {},
    };
    this.follow();
  }

  get(name: string): any {
    return this.traits[name];
  }

  set(name: string, value: any): void {
    this.traits[name] = value;
  }

  /** The cursor is told here: another task or lane is other frames. */
  save_changes(): void {
    const { task, lane } = this.traits.cursor;
    if (task === this.traits.about.task && lane === this.traits.lane) return;
    this.follow();
    for (const name of ["frames", "about"]) this.tell(`change:${name}`);
  }

  send(content: any): void {
    const { id, command, args } = content;
    void (async () => {
      const answer = this.answers[command];
      if (!answer) throw new Error(command === "inspect" ? without() : refused());
      return await answer(args);
    })().then(
      (result) => this.tell("msg:custom", { id, result }),
      (error: Error) => this.tell("msg:custom", { id, error: error.message }),
    );
  }

  on(event: string, callback: (...args: any[]) => void): void {
    if (!this.heard.has(event)) this.heard.set(event, new Set());
    this.heard.get(event)!.add(callback);
  }
  off(event: string, callback: (...args: any[]) => void): void {
    this.heard.get(event)?.delete(callback);
  }

  private tell(event: string, ...args: any[]): void {
    for (const callback of [...(this.heard.get(event) ?? [])]) callback(...args);
  }

  private follow(): void {
    const { task, lane } = this.traits.cursor;
    const frames: Record<string, WireFrame> = {};
    this.traces.forEach(({ trace }, place) => {
      for (const { name } of inspectionsOf(trace)) {
        const frame = frameOf(trace, name, task);
        if (frame) frames[`${place}:${name}`] = frame;
      }
    });
    this.traits.lane = lane;
    this.traits.frames = frames;
    this.traits.about = aboutOf(this.traces, lane, task);
  }
}

const isWhole = (name: string) => KINDS.find((one) => one.name === name)?.whole ?? false;

/** The frame of a kind for a task; undefined where it was not saved. */
export function frameOf(trace: Trace, kind: string, task: number): WireFrame | undefined {
  return trace.frames[task > 0 && !isWhole(kind) ? `${kind}/${task}` : kind];
}

/** Everybody's ways to look at an adaptation, and the method's own, as the file names them. */
export function inspectionsOf({ about }: Trace): Inspection[] {
  const own = Array.isArray(about.inspections) ? about.inspections : [];
  return [
    ...KINDS.map(({ name, label, sentence, view }) => ({ name, label, sentence, view })),
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
    inspections,
    kinds,
    forms: {},
    definitions: {},
  };
}

const methodOf = ({ about }: Trace) => String(about.run ?? about.learner ?? trans.__("a saved adaptation"));
