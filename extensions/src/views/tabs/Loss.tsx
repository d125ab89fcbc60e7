/** Loss and metrics after every inner step: the cursor's task on all lanes, as exported. */

import { useMemo } from "preact/hooks";
import type { Measure } from "../../generated";
import { type Frame } from "../../frame";
import { chanceOf, factorOf, labelOf, ofPart, unitOf } from "../../measure";
import { type About, type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { BEFORE } from "../../ui/palette";
import { Inspected } from "../Inspected";
import { divergedIn, followed, laneColour } from "../stage/lanes";
import { courseOf, laneName } from "../../facts";
import { logOf } from "../dialogs";
import { upper } from "../../names";
import { trans } from "../../words";

export function Loss({ store }: { store: Store }) {
  return (
    <Inspected store={store} kind="steps" what={trans.__("loss by step")}>
      {(frame) => {
        // What is the loss under another name needs no picture of its own.
        const shown = frame.measures.filter(({ loss }) => !loss || !frame.has("loss"));
        return (
          <div class="wb-columns">
            {shown.map((one) => (
              <Course
                key={one.name}
                store={store}
                about={one}
                first={one.name === courseOf(frame)}
              />
            ))}
          </div>
        );
      }}
    </Inspected>
  );
}

interface Props {
  store: Store;
  about: Measure;
  /** Whether it is what the exported figure shows. */
  first: boolean;
}

function Course({ store, about, first }: Props) {
  const label = labelOf(about);
  const fraction = about.unit === "%";
  const { task, step, lane } = store.cursor.value;
  const frames = store.frames.value;
  const session = store.about.value;
  const lanes = session.lanes ?? [];
  const byMove = frames[`${lane}:steps`]?.has("move");
  // The step under the cursor changes none of it: scrubbing would make it all anew.
  const { series, laneOf, inSight } = useMemo(
    () => courses(frames, session, about, task),
    [frames, session, about, task],
  );
  const diverged = divergedIn(lanes);
  const finite = inSight.filter(Number.isFinite);
  return (
    <Chart
      title={trans.__("%1 by step", upper(label))}
      series={series}
      description={diverged}
      x={{ label: byMove ? trans.__("move") : trans.__("inner step"), integer: true }}
      y={{
        label,
        unit: unitOf(about),
        switchable: !fraction,
        domain: fraction ? [0, 100] : [0, 0], // from 0: little must not look much
        limits: diverged && !fraction ? [Math.min(...finite), 1.1 * Math.max(...finite)] : undefined,
      }}
      chance={chanceOf(about)}
      onLog={first && !fraction ? logOf(store, "steps") : undefined}
      mark={step}
      onPick={({ x, series: found }) =>
        store.move({
          step: Math.max(Math.round(x), 0),
          ...(found >= 0 && !series[found]?.silent ? { lane: laneOf[found] } : {}),
        })
      }
    />
  );
}

/** The lines of a measure on all lanes, the lane of each, and what the axis follows. */
function courses(frames: Record<string, Frame>, session: About, about: Measure, task: number) {
  const measure = about.name;
  const factor = factorOf(about);
  const lanes = session.lanes ?? [];
  const series: Series[] = [];
  const laneOf: number[] = [];
  const inSight: number[] = [0];
  lanes.forEach((_, place) => {
    const frame = frames[`${place}:steps`];
    if (!frame?.has(measure)) return;
    for (const [part, rows] of frame.groups<string>("part")) {
      const own = ofPart(measure, String(part));
      // Of a single lane the other tasks too: beside others they would hide those.
      if (lanes.length === 1 && part !== "support") {
        for (const [other, ghost] of rows.groups("task")) {
          if (other === task) continue;
          series.push({
            ...line(ghost, measure, factor),
            name: trans.__("task %1", Number(other) + 1),
            thin: true,
            silent: true,
            legend: trans.__("%1, other tasks", own),
            colour: BEFORE,
          });
          laneOf.push(place);
        }
      }
      const hollow = part === "query";
      series.push({
        ...line(rows.where({ task }), measure, factor),
        name: lanes.length > 1 ? `${own}, ${laneName(session, place)}` : own,
        colour: laneColour(place),
        marker: place,
        hollow,
        dashed: hollow,
        dots: true,
      });
      laneOf.push(place);
      inSight.push(...followed([...rows.where({ task }).numbers(measure)], lanes[place]));
    }
  });
  return { series, laneOf, inSight };
}

const line = (rows: Frame, measure: string, factor: number) => ({
  x: rows.numbers(rows.has("move") ? "move" : "step"),
  y: Array.from(rows.numbers(measure), (value) => factor * value),
});
