/** What a panel shows, as signals, and its way to Python: the only part that knows the model. */

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { type Frame, FrameCache } from "./frame";
import type { Answer, Cursor, Problem, Progress, SessionAbout, WireFrame } from "./generated";
import { trans } from "./words";

/** The model that anywidget hands over. */
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, callback: (...args: any[]) => void): void;
  off(event: string, callback: (...args: any[]) => void): void;
  /** Finds the models of other widgets; a page without a kernel has none. */
  widget_manager?: { get_model(id: string): Promise<unknown> };
}

/** What Python says of a session, once it has. */
export type About = Partial<SessionAbout> & {
  /** It is a file alone, with nobody to compute anything: what would change it is not offered. */
  saved?: boolean;
};

/** What Python says to a panel that shows no session. */
export const aboutAs = <Said>(store: Store) => store.about.value as unknown as Partial<Said>;

export interface Store {
  readonly view: string;
  readonly session: string;
  readonly about: ReadonlySignal<About>;
  readonly frames: ReadonlySignal<Record<string, Frame>>;
  readonly cursor: ReadonlySignal<Cursor>;
  readonly problem: ReadonlySignal<Problem | null>;
  readonly progress: ReadonlySignal<Progress | null>;
  /** Whether Python still owes an answer. */
  readonly busy: ReadonlySignal<boolean>;
  /** Whether the kernel is gone: what is there can be looked at, and nothing computed. */
  readonly lost: ReadonlySignal<boolean>;
  /** Moves the cursor, in all panels of the session at once and in Python a little later. */
  move(change: Partial<Cursor>): void;
  /** Asks Python for something. With `latest`, one is under way and only the newest waits; where a
   * command changes now this and now that, `latest` says which, so that none is lost. */
  send(command: string, args?: object, options?: { latest?: boolean | string }): Promise<any>;
  /** The store of another panel, by its model's id; who asks disposes of it. */
  panel(id: string): Promise<Store>;
  /** Puts a problem's text away. */
  dismiss(): void;
  /** The kernel is gone: what was asked of it will not be answered. */
  lose(): void;
  dispose(): void;
}

export const START: Cursor = {
  task: 0,
  step: 0,
  lane: 0,
  part: "query",
  example: 0,
  layer: "all",
  moved: 0,
};

const BUS = "workbench:cursor";
const gone = () => new Error(trans.__("the kernel is gone: run the cell again"));
const TO_PYTHON = 100; // milliseconds between two cursors that Python is told

interface Waiting {
  args: object;
  promise: Promise<any>;
  resolve: (value: any) => void;
  reject: (reason: Error) => void;
}

const filled = <T extends object>(value: T | null | undefined): T | null =>
  value && Object.keys(value).length > 0 ? value : null;

function waiting(args: object): Waiting {
  let resolve!: Waiting["resolve"], reject!: Waiting["reject"];
  const promise = new Promise<any>((yes, no) => ([resolve, reject] = [yes, no]));
  promise.catch(() => {}); // the panel shows the problem; who asked may look as well
  return { args, promise, resolve, reject };
}

/** The store of one panel. `dispose` it with the view. */
export function makeStore(model: Model): Store {
  const cache = new FrameCache();
  const ended = new AbortController();
  const session = String(model.get("session") ?? "");
  const readFrames = () =>
    Object.fromEntries(
      Object.entries((model.get("frames") ?? {}) as Record<string, WireFrame>).map(
        ([name, wire]) => [name, cache.read(wire)],
      ),
    );
  const about: Signal<About> = signal(model.get("about") ?? {});
  const frames = signal(readFrames());
  const cursor = signal<Cursor>({ ...START, ...model.get("cursor") });
  const problem = signal(filled<Problem>(model.get("problem")));
  const progress = signal(filled<Progress>(model.get("progress")));
  const busy = signal(false);
  const lost = signal(false);

  const listen = (event: string, callback: (...args: any[]) => void) => {
    model.on(event, callback);
    ended.signal.addEventListener("abort", () => model.off(event, callback));
  };
  listen("change:about", () =>
    batch(() => {
      about.value = model.get("about") ?? {};
      // Branches may be gone, the cursor's among them, before Python's cursor comes.
      const last = (about.value.lanes?.length ?? Infinity) - 1;
      if (cursor.peek().lane > last) cursor.value = { ...cursor.peek(), lane: Math.max(last, 0) };
    }),
  );
  listen("change:frames", () => (frames.value = readFrames()));
  listen("change:problem", () => (problem.value = filled(model.get("problem"))));
  listen("change:progress", () => (progress.value = filled(model.get("progress"))));

  // The cursor. Python tells every panel of what one of them told it; while somebody scrubs, such
  // an echo is older than what is shown, and must not pull the cursor back. Moves in the page are
  // counted, so that an echo is known by its count, and never taken for a move by Python, which has
  // none.
  let newest = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let told = 0;
  const key = (value: Cursor) => JSON.stringify(Object.entries({ ...value, moved: 0 }).sort());
  const show = (value: Cursor) => {
    if (key(value) !== key(cursor.peek())) cursor.value = value;
  };
  const tellPython = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lost.peek()) return; // JupyterLab would complain on its console of every step
    told = performance.now();
    model.set("cursor", cursor.peek());
    model.save_changes();
  };
  const visit = (event: Event) => {
    const { session: whose, cursor: where } = (event as CustomEvent).detail;
    if (whose !== session) return;
    newest = where.moved;
    show(where);
  };
  document.addEventListener(BUS, visit, { signal: ended.signal });
  listen("change:cursor", () => {
    const value = { ...START, ...model.get("cursor") };
    if (value.moved === 0 || value.moved >= newest) show(value);
  });
  const move = (change: Partial<Cursor>) => {
    const value = { ...cursor.peek(), ...change, moved: Math.max(Date.now(), newest + 1) };
    if (key(value) === key(cursor.peek())) return;
    document.dispatchEvent(new CustomEvent(BUS, { detail: { session, cursor: value } }));
    const rest = told + TO_PYTHON - performance.now();
    if (timer === undefined) timer = setTimeout(tellPython, Math.max(rest, 0));
  };

  // Commands and their answers.
  const asked = new Map<number, { command: string; who: Waiting; queue: string }>();
  const next = new Map<string, Waiting>();
  const underWay = new Set<string>();
  let number = 0;
  const ask = (command: string, who: Waiting, queue: string) => {
    if (lost.peek()) return who.reject(gone());
    if (timer !== undefined) tellPython(); // a command is meant where the cursor is
    const id = ++number;
    asked.set(id, { command, who, queue });
    if (queue) underWay.add(queue);
    busy.value = true;
    try {
      model.send({ id, command, args: who.args });
    } catch {
      lose(); // JupyterLab refuses what nobody would hear
    }
  };
  const lose = () =>
    batch(() => {
      lost.value = true;
      [busy.value, progress.value] = [false, null];
      for (const { who } of asked.values()) who.reject(gone());
      for (const who of next.values()) who.reject(gone());
      for (const all of [asked, next, underWay]) all.clear();
    });
  listen("msg:custom", (message: Answer) => {
    const found = asked.get(message.id ?? -1);
    if (!found) return;
    asked.delete(message.id!);
    if (message.error !== undefined) {
      problem.value ??= { text: message.error };
      found.who.reject(new Error(message.error));
    } else {
      problem.value = filled(model.get("problem"));
      found.who.resolve(message.result);
    }
    if (found.queue) {
      underWay.delete(found.queue);
      const newest = next.get(found.queue);
      next.delete(found.queue);
      if (newest) ask(found.command, newest, found.queue);
    }
    busy.value = asked.size > 0;
  });
  const send: Store["send"] = (command, args = {}, options = {}) => {
    const queue = options.latest ? `${command} ${options.latest}` : "";
    if (underWay.has(queue)) {
      const before = next.get(queue);
      const newest = waiting(args);
      before?.resolve(newest.promise); // who was overtaken gets the newer answer
      next.set(queue, newest);
      return newest.promise;
    }
    const who = waiting(args);
    ask(command, who, queue);
    return who.promise;
  };

  return {
    view: String(model.get("view") ?? ""),
    session,
    about,
    frames,
    cursor,
    problem,
    progress,
    busy,
    lost,
    move,
    send,
    panel: async (id) => {
      if (!model.widget_manager) throw new Error(trans.__("there is no kernel here that has other panels"));
      return makeStore((await model.widget_manager.get_model(id)) as Model);
    },
    dismiss: () => (problem.value = null),
    lose,
    dispose: () => {
      if (timer !== undefined) tellPython();
      ended.abort();
    },
  };
}
