/** Steps in a row, the loss over them, branches below: clicked, dragged, or gone along by keys. */

import { line } from "d3-shape";
import { scaleLinear, scaleLog } from "d3-scale";
import type { TargetedPointerEvent } from "preact";
import { useRef } from "preact/hooks";
import { courseName, laneName, stepName } from "../../facts";
import type { Lane } from "../../generated";
import type { Store } from "../../store";
import { three } from "../../ui/format";
import { sameList, steady, useUnique, useWidth } from "../../ui/hooks";
import { type Course, frameOf, readCourse } from "./data";
import {
  below,
  every,
  followed,
  type Geometry,
  geometry,
  heightOf,
  laneAt,
  laneColour,
  linesOf,
  placeOf,
  stepAt,
} from "./lanes";
import type { Stepper } from "./stepper";
import { trans } from "../../words";

interface Props {
  store: Store;
  stepper: Stepper;
}

export function Timeline({ store, stepper }: Props) {
  const [ref, width] = useWidth<HTMLDivElement>(900);
  const scrubbing = useRef(false);
  const about = store.about.value;
  const lanes = about.lanes ?? [];
  const cursor = store.cursor.value;
  if (lanes.length === 0) return <div class="wb-timeline" ref={ref} />;
  const g = geometry(
    lanes.map(({ steps, diverged }, lane) => ({ steps, diverged, name: laneName(about, lane) })),
    width,
  );
  const height = heightOf(lanes.length - 1, g) + 26 + below(g);
  const courses = lanes.map((_, lane) => readCourse(frameOf(store, "steps", lane), cursor.task));
  const here = courses[cursor.lane]?.values[cursor.step];
  const measure = courseName(courses[cursor.lane]?.name ?? "loss");

  const at = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const frame = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  const pointerDown = (event: TargetedPointerEvent<SVGSVGElement>) => {
    if (event.button !== 0) return;
    const { x, y } = at(event);
    const lane = laneAt(y, g) ?? cursor.lane;
    const steps = lanes[lane]?.steps ?? 0;
    if (!about.saved && steps === g.steps && x > placeOf(steps + 0.6, g)) {
      stepper.to(steps, lane);
      return stepper.next();
    }
    event.currentTarget.setPointerCapture?.(event.pointerId);
    scrubbing.current = true;
    stepper.to(stepAt(x, steps, g), lane);
  };
  const pointerMove = (event: TargetedPointerEvent<SVGSVGElement>) => {
    if (scrubbing.current) stepper.to(stepAt(at(event).x, stepper.steps, g));
  };
  const keyDown = (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const lane = cursor.lane + (by ?? 0);
    if (!by || !lanes[lane]) return;
    stepper.to(cursor.step, lane);
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="wb-timeline" ref={ref}>
      <svg
        width={width}
        height={height}
        role="slider"
        tabindex={0}
        aria-label={trans.__("Timeline: inner step")}
        aria-valuemin={0}
        aria-valuemax={stepper.steps}
        aria-valuenow={cursor.step}
        aria-valuetext={`${laneName(about, cursor.lane)}, ${stepName(cursor.step, stepper.steps)}, ${measure} ${three(here)}`}
        onPointerDown={pointerDown}
        onPointerMove={pointerMove}
        onPointerUp={() => (scrubbing.current = false)}
        onPointerCancel={() => (scrubbing.current = false)}
        onKeyDown={keyDown}
      >
        <Courses courses={courses} lanes={lanes} g={g} current={cursor.lane} />
        {lanes.map((lane, number) => (
          <LaneOf
            key={number}
            number={number}
            name={laneName(about, number)}
            lane={{
              parent: lane.parent ?? null,
              at: lane.at ?? 0,
              steps: lane.steps,
              diverged: lane.diverged ?? null,
            }}
            current={number === cursor.lane}
            saved={about.saved}
            g={g}
          />
        ))}
        <Numbers g={g} y={height - 4} />
        {cursor.step >= startOf(lanes, cursor.lane) && (
          <Now lane={cursor.lane} step={cursor.step} g={g} />
        )}
        <line
          class="wb-now"
          x1={placeOf(cursor.step, g)}
          x2={placeOf(cursor.step, g)}
          y1={6}
          y2={height - 18}
        />
        {here !== undefined && Number.isFinite(here) && (
          <Reading courses={courses} lanes={lanes} g={g} lane={cursor.lane} step={cursor.step} />
        )}
      </svg>
    </div>
  );
}

/** Losses from bottom to top; by factors where they differ by more than the eye can follow. */
function lossScale(courses: (Course | null)[], lanes: Lane[], g: Geometry) {
  let [low, high] = [Infinity, -Infinity];
  courses.forEach((course, lane) => {
    for (const value of followed(course?.values ?? [], lanes[lane])) {
      if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  });
  if (!(low <= high)) [low, high] = [0, 1];
  const range = [g.curve, 14];
  if (low > 0 && high / low > 1000) return scaleLog().domain([low, high]).range(range);
  // A scale that began at the least would make little look much; rewards may be below 0.
  [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  return scaleLinear()
    .domain([low, high === low ? low + 1 : high])
    .range(range);
}

// What does not move with the cursor is drawn once: a lane may have a hundred steps.
const sameShape = (a: Geometry, b: Geometry) => JSON.stringify(a) === JSON.stringify(b);

const Numbers = steady(
  ({ g, y }: { g: Geometry; y: number }) => (
    <g>
      {Array.from({ length: g.steps + 1 }, (_, step) => step)
        .filter((step) => step % every(g) === 0)
        .map((step) => (
          <text key={step} class="wb-tick-label" x={placeOf(step, g)} y={y} text-anchor="middle">
            {step === 0 ? trans.__("before") : step}
          </text>
        ))}
    </g>
  ),
  (a, b) => a.y === b.y && sameShape(a.g, b.g),
);

/** A branch shares the steps before it with the lane that it came from. */
const startOf = (lanes: Lane[], lane: number) =>
  lanes[lane]?.parent === null ? 0 : (lanes[lane]?.at ?? 0);

/** The step under the cursor, where steps are dots. */
function Now({ lane, step, g }: { lane: number; step: number; g: Geometry }) {
  return (
    <circle
      class="wb-step"
      data-now="true"
      style={{ "--lane": laneColour(lane) }}
      cx={placeOf(step, g)}
      cy={heightOf(lane, g)}
      r={6}
    />
  );
}

interface CoursesProps {
  courses: (Course | null)[];
  lanes: Lane[];
  g: Geometry;
  current: number;
}

const Courses = steady(
  CoursesNow,
  (a, b) =>
    a.current === b.current &&
    sameList(a.courses, b.courses) &&
    a.lanes === b.lanes &&
    sameShape(a.g, b.g),
);

function CoursesNow({ courses, lanes, g, current }: CoursesProps) {
  const y = lossScale(courses, lanes, g);
  const name = courses[current]?.name ?? "loss";
  const [low, high] = y.domain() as [number, number];
  const path = (values: number[]) =>
    line<number>(
      (_, step) => placeOf(step, g),
      (value) => y(value),
    ).defined((value) => Number.isFinite(value))(values) ?? "";
  const inside = useUnique(); // what leaves the axis is cut off at its edge
  return (
    <g>
      <text class="wb-lane-name" x={0} y={g.curve / 2 + 12}>
        {courseName(name)}
        {"base" in y ? ` ${trans.__("(log)")}` : ""}
      </text>
      {[high, low].map((value) => (
        <text key={value} class="wb-tick-label" x={g.left - 10} y={y(value) + 4} text-anchor="end">
          {three(value)}
        </text>
      ))}
      <line class="wb-axis" x1={g.left} x2={placeOf(g.steps, g)} y1={g.curve} y2={g.curve} />
      <clipPath id={inside}>
        <rect x={g.left - 4} y={8} width={g.right - g.left + 8} height={g.curve - 6} />
      </clipPath>
      {courses.map((course, lane) =>
        course ? (
          <path
            key={lane}
            class="wb-course"
            clip-path={`url(#${inside})`}
            data-current={lane === current}
            d={path(course.values)}
            style={{ stroke: laneColour(lane) }}
          />
        ) : null,
      )}
    </g>
  );
}

function Reading({
  courses,
  lanes,
  g,
  lane,
  step,
}: {
  courses: (Course | null)[];
  lanes: Lane[];
  g: Geometry;
  lane: number;
  step: number;
}) {
  const value = courses[lane]!.values[step]!;
  const y = Math.max(lossScale(courses, lanes, g)(value), 8);
  return (
    <g>
      <circle
        cx={placeOf(step, g)}
        cy={y}
        r={4}
        style={{ fill: laneColour(lane), stroke: "var(--wb-ground)" }}
      />
      <text class="wb-reading" x={placeOf(step, g) + 8} y={Math.max(y - 6, 11)}>
        {three(value)}
      </text>
    </g>
  );
}

interface LaneProps {
  number: number;
  name: string;
  lane: Pick<Lane, "parent" | "at" | "steps" | "diverged">;
  current: boolean;
  saved: boolean | undefined;
  g: Geometry;
}

const LaneOf = steady(
  LaneNow,
  (a, b) =>
    a.number === b.number &&
    a.name === b.name &&
    a.current === b.current &&
    a.saved === b.saved &&
    a.lane.parent === b.lane.parent &&
    a.lane.at === b.lane.at &&
    a.lane.steps === b.lane.steps &&
    a.lane.diverged?.sentence === b.lane.diverged?.sentence &&
    sameShape(a.g, b.g),
);

function LaneNow({ number, name, lane, current, saved, g }: LaneProps) {
  const y = heightOf(number, g);
  const from = lane.parent === null ? 0 : lane.at;
  const [start, end] = [placeOf(from, g), placeOf(lane.steps, g)];
  const dense = (g.right - g.left) / (g.steps + 1) < 9;
  const above = lane.parent === null ? y : heightOf(lane.parent, g);
  return (
    <g class="wb-lane" data-current={current} style={{ "--lane": laneColour(number) }}>
      <text class="wb-lane-name" aria-label={name}>
        <title>{lane.diverged ? `${name}: ${lane.diverged.sentence}` : name}</title>
        {linesOf({ name, diverged: lane.diverged }, g.left).map((words, place, all) => (
          <tspan
            key={place}
            class={lane.diverged && place === all.length - 1 ? "wb-diverged" : undefined}
            x={0}
            y={y + 4 + 14 * (place - (all.length - 1) / 2)}
          >
            {words}
          </tspan>
        ))}
      </text>
      {lane.parent !== null && (
        <path
          class="wb-leaves"
          d={`M${start},${above} C${start},${y} ${start},${y} ${Math.min(start + 14, Math.max(end, start))},${y}`}
        />
      )}
      <line
        class="wb-rail"
        x1={lane.parent === null ? start : Math.min(start + 14, Math.max(end, start))}
        x2={end}
        y1={y}
        y2={y}
      />
      {Array.from({ length: lane.steps - from + 1 }, (_, k) => from + k)
        .filter((k) => lane.parent === null || k > from || lane.steps === from)
        .map((k) =>
          dense ? (
            <line
              key={k}
              class="wb-step"
              x1={placeOf(k, g)}
              x2={placeOf(k, g)}
              y1={y - 4}
              y2={y + 4}
            />
          ) : (
            <circle
              key={k}
              class="wb-step"
              cx={placeOf(k, g)}
              cy={y}
              r={4}
            />
          ),
        )}
      {lane.steps === g.steps && !saved && (
        <g class="wb-more">
          <title>{trans.__("One inner step more")}</title>
          <circle cx={placeOf(lane.steps + 1, g)} cy={y} r={6} />
          <path d={`M${placeOf(lane.steps + 1, g) - 3},${y}h6m-3,-3v6`} />
        </g>
      )}
    </g>
  );
}
