/** The columns of a stage: the episode, and what the adaptation does with it. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Columns } from "../../generated";
import { courseName } from "../../facts";
import type { Store } from "../../store";
import { factorOf, labelOf } from "../../measure";
import { three, withUnit } from "../../ui/format";
import { useKeys } from "../../ui/keys";
import { Table } from "../../ui/Table";
import { CurveView, panelOf } from "./CurveView";
import {
  classNames,
  type Course,
  type Curve,
  type Curves,
  type Example,
  frameOf,
  readCourse,
  readCurves,
  readExamples,
  readPredictions,
  type Pulls,
  readPulls,
  together,
} from "./data";
import type { Editor } from "./edits";
import { laneColour, shareEpisode } from "./lanes";
import { Pictures } from "./Pictures";
import { PathList, PathsView } from "./PathsView";
import { type Paths, readPaths } from "./paths";
import { Beliefs, Likely, PullList } from "./PullsView";
import { Listed } from "./Listed";
import { partName } from "../../names";
import { trans } from "../../words";

/** A part of the stage with its name, something said of it, and the table behind it. */
export function Column({
  title,
  area,
  aside,
  tools,
  store,
  kind,
  ownsTable,
  children,
}: ColumnProps) {
  const table = useSignal(false);
  const frame = kind ? frameOf(store, kind) : undefined;
  const turn = () => (table.value = !table.value);
  useKeys(
    ownsTable && frame ? [{ key: "t", help: trans.__("the table behind the picture"), run: turn }] : [],
  );
  return (
    <section class="wb-column" data-area={area} aria-label={title}>
      <header class="wb-row">
        <h2 title={title}>{title}</h2>
        <span class="wb-quiet wb-figure">{aside}</span>
        <span class="wb-end wb-tools">
          {tools}
          {frame && (
            <button type="button" class="wb-plain" aria-expanded={table.value} onClick={turn}>
              {ownsTable ? trans.__("Table (T)") : trans.__("Table")}
            </button>
          )}
        </span>
      </header>
      {table.value && frame ? <Table frame={frame} title={kind!} /> : children}
    </section>
  );
}

interface ColumnProps {
  title: string;
  /** Which part of the stage it is. */
  area?: "episode" | "does" | "other" | "why";
  /** Said of it, in few words. */
  aside?: ComponentChildren;
  tools?: ComponentChildren;
  store: Store;
  /** The kind of frame that is behind it. */
  kind?: keyof Columns;
  /** Whether T shows the table; only one on screen can have the key. */
  ownsTable?: boolean;
  children: ComponentChildren;
}

/** A tile that is clicked leaves the focus with the panel, so that arrows still step. */
export function keepFocus(event: MouseEvent): void {
  const target = event.target as Element;
  if (!target.closest("[role=option]")) return;
  event.preventDefault();
  panelOf(target)?.focus({ preventScroll: true });
}

/** The examples of one part as points, by their place. */
function pointsOf(examples: Example[]): { points: Curve; places: number[] } {
  const real = examples.filter((one) => one.x !== null && one.y !== null);
  return {
    points: {
      x: Float64Array.from(real, (one) => one.x!),
      y: Float64Array.from(real, (one) => one.y!),
    },
    places: real.map((one) => one.place),
  };
}

/** The curves with the points as the examples have them, who know their places after one is dropped. */
export function curvesOf(
  curves: Curves,
  examples: Example[],
): { curves: Curves; place: (part: "support" | "query", index: number) => number } {
  const support = pointsOf(examples.filter((one) => one.part === "support"));
  const query = pointsOf(examples.filter((one) => one.part === "query"));
  return {
    curves: {
      ...curves,
      support: support.points.x.length ? support.points : curves.support,
      query: query.points.x.length ? query.points : curves.query,
    },
    place: (part, index) => (part === "support" ? support : query).places[index] ?? index,
  };
}

interface Shown {
  store: Store;
  editor: Editor;
}

/** The support set (and the query set), as it is. */
export function EpisodeOf({
  store,
  editor,
  part,
  large,
}: Shown & { part: "support" | "query"; large?: boolean }) {
  const examples = readExamples(frameOf(store, "examples"));
  const shown = examples.filter((one) => one.part === part);
  const pulls = readPulls(frameOf(store, "pulls"));
  const pick = (example: Example) => store.move({ part: example.part, example: example.place });
  const paths = readPaths(frameOf(store, "trajectories"));
  const { step, lane } = store.cursor.value;
  const last = store.about.value.lanes?.[lane]?.steps ?? 0;
  if (paths) return <PathList paths={paths} step={step} last={last} store={store} />;
  if (pulls) return <PullList pulls={pulls} step={step} store={store} />;
  if (shown.length === 0)
    return (
      <p class="wb-empty">
        {part === "support" ? trans.__("no support examples") : trans.__("no query examples")}
      </p>
    );
  if (shown[0]!.image) {
    return (
      <Pictures
        title={partName(part)}
        examples={shown}
        names={classNames(examples)}
        cursor={store.cursor.value}
        onPick={pick}
        size={large ? 52 : part === "support" ? 48 : 34}
      />
    );
  }
  return (
    <Listed
      title={partName(part)}
      examples={shown}
      cursor={store.cursor.value}
      onPick={pick}
      editor={editor}
    />
  );
}

/** What the adaptation does: predictions, curve, or beliefs; of a lane, perhaps held against another. */
export function DoesOf({
  store,
  editor,
  lane,
  other,
  height,
}: Shown & { lane: number; other?: number | null; height?: number }) {
  const step = Math.min(store.cursor.value.step, store.about.value.lanes?.[lane]?.steps ?? 0);
  const examples = readExamples(frameOf(store, "examples", lane));
  const curves = readCurves(frameOf(store, "curves", lane));
  const pulls = readPulls(frameOf(store, "pulls", lane));
  const against = other ?? null;
  const paths = readPaths(frameOf(store, "trajectories", lane));
  if (paths) return <Goes {...{ store, editor, lane, step, paths, pulls, height }} />;
  if (pulls) return <Beliefs pulls={pulls} step={step} store={store} />;
  if (curves) {
    const { curves: all, place } = curvesOf(curves, examples);
    const theirs = against === null ? null : readCurves(frameOf(store, "curves", against));
    const curve = theirs?.steps[Math.min(step, theirs.steps.length - 1)];
    const held = editor.held.value;
    const { lanes = [], saved } = store.about.value;
    const here = store.cursor.value.lane;
    return (
      <CurveView
        title={trans.__("Curve")}
        curves={{ ...all, domain: commonDomain(store, (one) => readCurves(frameOf(store, "curves", one))?.domain) }}
        step={step}
        colour={laneColour(lane)}
        editor={!saved && (lane === here || shareEpisode(lanes, lane, here)) ? editor : undefined}
        place={place}
        held={held && held.task === store.cursor.value.task ? held : null}
        against={curve ? { curve, name: trans.__("the other") } : null}
        onPick={(part, example) => store.move({ part, example })}
        height={height}
      />
    );
  }
  const predictions = frameOf(store, "predictions", lane);
  const query = examples.filter((one) => one.part === "query");
  if (!predictions || query.length === 0)
    return (
      <p class="wb-empty">
        {store.about.value.trains
          ? trans.__("An example here is a whole task: what becomes of it is shown one level below.")
          : (about(store, "predictions") ?? trans.__("no query examples to be judged by"))}
      </p>
    );
  const judged = readPredictions(predictions, step);
  const theirs =
    against === null ? undefined : readPredictions(frameOf(store, "predictions", against), step);
  const pick = (example: Example) => store.move({ part: "query", example: example.place });
  const View = query[0]!.image ? Pictures : Listed;
  return (
    <View
      title={trans.__("predictions on the query")}
      examples={query}
      names={classNames(examples)}
      cursor={store.cursor.value}
      onPick={pick}
      size={34}
      judged={judged}
      against={theirs}
    />
  );
}

interface Going extends Shown {
  lane: number;
  step: number;
  paths: Paths;
  pulls: Pulls | null;
  height?: number;
}

/** Where a policy goes, and, where it chooses among actions move by move, how likely each was. */
function Goes({ store, editor, lane, step, paths, pulls, height }: Going) {
  const { lanes = [], aims } = store.about.value;
  const here = store.cursor.value.lane;
  const domain = commonDomain(store, (one) => readPaths(frameOf(store, "trajectories", one))?.domain);
  return (
    <div class="wb-goes" tabIndex={0} role="group" aria-label={trans.__("Paths and rewards")}>
      <PathsView
        {...{ store, paths, step, height, domain }}
        colour={laneColour(lane)}
        editor={aims && (lane === here || shareEpisode(lanes, lane, here)) ? editor : undefined}
      />
      {pulls && <Likely pulls={pulls} step={step} store={store} />}
    </div>
  );
}

/** What the axes of every lane hold, so that lanes can be compared by eye. */
function commonDomain(
  store: Store,
  domainOf: (lane: number) => Curves["domain"] | undefined,
): Curves["domain"] {
  const known = (store.about.value.lanes ?? []).map((_, lane) => domainOf(lane));
  return together(known.filter((one) => one !== undefined));
}

/** Why a kind cannot be had, if that is known. */
function about(store: Store, kind: string): string | undefined {
  const state = store.about.value.kinds?.[kind];
  return state && !["open", "ready", "stale"].includes(state) ? state : undefined;
}

/** A course's metric at a step. */
function inWords({ metric }: Course, step: number): string {
  const value = metric?.values[step];
  if (!metric || value === undefined) return "";
  const { measure } = metric;
  return `${labelOf(measure)} ${withUnit(factorOf(measure) * value, measure.unit)}`;
}

/** How many are right, or how large the loss is, at the cursor. */
export function Score({
  store,
  lane,
  against,
}: {
  store: Store;
  lane: number;
  against?: number | null;
}) {
  const { task, step } = store.cursor.value;
  const at = (number: number) => {
    const course = readCourse(frameOf(store, "steps", number), task);
    const place = Math.min(step, (course?.values.length ?? 1) - 1);
    return course
      ? { name: course.name, value: course.values[place]!, metric: inWords(course, place) }
      : null;
  };
  const mine = at(lane);
  const theirs = against === null || against === undefined ? null : at(against);
  if (!mine) return null;
  const change = theirs ? mine.value - theirs.value : 0;
  return (
    <>
      {mine.metric && <>{mine.metric} · </>}
      {courseName(mine.name)} {three(mine.value)}
      {theirs && (
        <b class="wb-change">
          {" "}
          ({change > 0 ? "+" : ""}
          {three(change)})
        </b>
      )}
    </>
  );
}
