/** A run directory as the training panel's view sees it: what a kernel would say, the server reads. It is
 * looked at again while somebody looks at it. Nothing here draws. */

import { Frame } from "../../frame";
import type { Field, ListedRun, RunDocument, SentFrame, TrainAbout, WireFrame } from "../../generated";
import type { About } from "../../store";
import { trans } from "../../words";
import { Answering, type Answers } from "../answering";
import type { Ask } from "../server";

const WHILE_ALIVE = 2000; // milliseconds between two looks while it trains
const ELSE = 15000;
const refused = () =>
  trans.__("this is a run that is looked at from outside: open the training panel in a notebook for that");

/** What the kinds of export are called among the frames of a run. */
export const FRAMES: Record<string, string> = {
  training: "run",
  diagnostics: "inside",
  adaptation: "adaptation",
};

const USUAL: Field = {
  name: "", label: "", help: "", type: "number", value: 0, default: 0,
  minimum: null, maximum: null, span: null, choices: null, optional: false,
}; // prettier-ignore

/** How curves are drawn, as far as one run asks for it. */
const looksOf = ({ along, smoothing }: { along: string; smoothing: number }): Field[] => [
  {
    ...USUAL, name: "smoothing", label: "smoothing", value: smoothing,
    help: "Of what is noisy; the values themselves stay, faint.", minimum: 0, maximum: 0.999, span: [0, 0.999],
  },
  {
    ...USUAL, name: "along", label: "along", type: "choice", value: along, default: "outer step",
    help: "What goes along the axis.", choices: ["outer step", "time"],
  },
]; // prettier-ignore

export class RunModel extends Answering {
  configuration: RunDocument["configuration"] = {};

  private mark = "";
  private drawn = true;
  private looks = { along: "outer step", smoothing: 0 };
  private last: RunDocument | null = null;
  private sent: Record<string, WireFrame> = {};
  private visible = false;
  private going: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `deeds` are what views ask beside looking. */
  constructor(
    readonly place: string,
    private readonly ask: Ask,
    deeds: Answers = {},
  ) {
    const act = (what: string) => async () => {
      await ask(`runs/${what}`, { place });
      await this.look();
    };
    super(
      "train",
      {
        look: () => this.look(),
        stop: act("stop"),
        resume: act("resume"),
        draw: ({ drawn }) => ((this.drawn = drawn), this.show()),
        show: (changed) => ((this.looks = { ...this.looks, ...changed }), this.show()),
        ...deeds,
      },
      refused,
    );
  }

  get name(): string {
    return this.place.slice(this.place.lastIndexOf("/") + 1);
  }

  /** The frame of a kind of export. */
  frame(kind: string): Frame {
    const found = this.sent[FRAMES[kind] ?? kind];
    if (!found) throw new Error(`nothing of '${kind}' was measured yet`);
    return Frame.read(found);
  }

  /** Says whether anybody looks. */
  see(visible: boolean): void {
    if (visible === this.visible) return;
    this.visible = visible;
    clearTimeout(this.timer);
    if (visible) void this.look();
  }

  /** Looks at the files again; who asks meanwhile waits for the same answer. */
  look(): Promise<void> {
    this.going ??= this.read().finally(() => {
      this.going = null;
      clearTimeout(this.timer);
      const alive = this.last?.run.state === "running";
      if (this.visible) this.timer = setTimeout(() => void this.look(), alive ? WHILE_ALIVE : ELSE);
    });
    return this.going;
  }

  private async read(): Promise<void> {
    const asked = new URLSearchParams({ place: this.place, mark: this.mark });
    try {
      const found = await this.ask<RunDocument>(`run?${asked}`);
      this.last = found;
      this.configuration = found.configuration;
      this.mark = found.mark;
      if (found.frames)
        this.sent = Object.fromEntries(
          Object.entries(found.frames).map(([name, frame]) => [name, onWire(frame)]),
        );
      this.show();
      if (this.traits.problem.text) this.change({ problem: {} });
    } catch (error) {
      this.change({ problem: { text: (error as Error).message } });
    }
  }

  private show(): void {
    if (!this.last) return;
    const { run, limited } = this.last;
    const listed: ListedRun = {
      ...run,
      name: this.name,
      seed: run.seed ?? 0,
      diverged: "",
      drawn: this.drawn,
      group: this.name,
    };
    const above = this.place.slice(0, Math.max(this.place.lastIndexOf("/"), 0)) || ".";
    const about: Partial<TrainAbout> & About = {
      title: `${run.method} · ${run.tasks}`,
      folder: above,
      runs: [listed],
      trash: [],
      looks: looksOf(this.looks),
      saved: true,
      limited,
    };
    const frames = Object.entries(this.drawn ? this.sent : {}).map(([part, frame]) => [`${part}:${this.name}`, frame]);
    this.change({ frames: Object.fromEntries(frames), about });
  }
}

/** A frame of an answer as it would come from a kernel. */
export function onWire(frame: SentFrame): WireFrame {
  const columns = frame.columns.map((column) => {
    const bytes = Uint8Array.from(atob(column.data), (letter) => letter.charCodeAt(0));
    return { ...column, data: new DataView(bytes.buffer) };
  });
  return { ...frame, columns };
}
