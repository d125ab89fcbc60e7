/** The loss in the plane of the path, for support and query; and how curved it is. */

import { type ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { Columns } from "../../generated";
import { type Frame } from "../../frame";
import { type Store } from "../../store";
import { Chart, type Series } from "../../ui/Chart";
import { three } from "../../ui/format";
import { ColourKey, shares } from "../../ui/HeatMap";
import { AFTER, INK, sequential, stepColour } from "../../ui/palette";
import { type Scale } from "../../ui/scales";
import { logOf } from "../dialogs";
import { Inspected } from "../Inspected";
import { finer, regular } from "../surface";
import { partName, lossOf } from "../../names";
import { trans } from "../../words";
import { stepName } from "../../facts";

const BANDS = 12; // of equal colour, whose borders are the contours

export function Landscape({ store }: { store: Store }) {
  return (
    <>
      <Inspected store={store} kind="landscape" what={trans.__("loss around the path")}>
        {(frame) => <Plane store={store} frame={frame} />}
      </Inspected>
      <h3>{trans.__("How curved is the loss along the path?")}</h3>
      <Inspected
        store={store}
        kind="curvature"
        what={trans.__("The largest eigenvalues of the Hessian")}
        byHand
        ownsTable={false}
      >
        {(frame) => <Curvature store={store} frame={frame} />}
      </Inspected>
    </>
  );
}

function Plane({ store, frame }: { store: Store; frame: Frame<Columns["landscape"]> }) {
  const [x, y] = [frame.at("explained_x", 0) as number, frame.at("explained_y", 0) as number];
  const inPlane = three(100 * (x + y));
  return (
    <>
      <p>
        {y > 0
          ? trans.__(
              "The plane holds %1% of the path's variance (%2% along x, %3% along y).",
              inPlane,
              three(100 * x),
              three(100 * y),
            )
          : trans.__(
              "The path is a line, along x; y is the direction in which the query loss falls fastest beside it.",
            )}
      </p>
      <div class="wb-columns">
        {(["support", "query"] as const).map((part) => (
          <Surface key={part} store={store} frame={frame.where({ part })} part={part} />
        ))}
      </div>
    </>
  );
}

function Surface({ store, frame, part }: { store: Store; frame: Frame<Columns["landscape"]>; part: string }) {
  const { step } = store.cursor.value;
  const grid = frame.where({ kind: "grid" });
  const path = frame.where({ kind: "path" });
  const surface = useMemo(() => finer(regular(grid), 4), [grid]);
  const drawn = useRef<{ key: string; surface: unknown; cells: ComponentChildren }>(null);
  const { share, low, high, log } = useMemo(() => {
    const log = Math.min(...surface.values) > 0;
    return { log, ...shares([...surface.values], { log }) };
  }, [surface]);
  const steps = Array.from(path.numbers("step"));
  const [px, py] = [path.numbers("x"), path.numbers("y")];
  const dots: Series[] = steps.map((of, k) => ({
    name: stepName(of),
    kind: "points",
    x: [px[k]!],
    y: [py[k]!],
    hollow: part === "query",
    colour: stepColour(of, steps.length - 1),
    describe: () =>
      trans.__("after step %1, %2 %3", of, lossOf(part), three(path.at("loss", k) as number)),
  }));
  const here = steps.indexOf(step);
  // Every cell reaches half-way to its neighbours; those at the border end with the axes.
  const under = (x: Scale, y: Scale) => {
    // Drawn once for each size: a step of the cursor changes none of them.
    const key = [...x.domain().map(x), ...y.domain().map(y)].join();
    if (drawn.current?.key !== key || drawn.current.surface !== surface) {
      drawn.current = { key, surface, cells: cellsOf(x, y) };
    }
    return drawn.current.cells;
  };
  const cellsOf = (x: Scale, y: Scale) => {
    const edges = (places: number[], spacing: number, scale: Scale) => {
      const [low, high] = scale.domain();
      const within = (place: number) => scale(Math.min(Math.max(place, low), high));
      return places.map((place) => [within(place - spacing / 2), within(place + spacing / 2)]);
    };
    const columns = edges(surface.xs, surface.dx, x);
    const rows = edges(surface.ys, surface.dy, y);
    // A path for each band and not a mark for each cell: thousands would be painted at every step.
    const bands: string[] = Array(BANDS + 1).fill("");
    surface.values.forEach((value, k) => {
      if (Number.isNaN(value)) return;
      const [left, right] = columns[k % columns.length] as [number, number];
      const [bottom, top] = rows[Math.floor(k / columns.length)] as [number, number];
      const [wide, tall] = [(right - left + 0.5).toFixed(2), (bottom - top + 0.5).toFixed(2)];
      bands[Math.round(share(value) * BANDS)] +=
        `M${left.toFixed(2)},${top.toFixed(2)}h${wide}v${tall}h-${wide}z`;
    });
    return (
      <g aria-hidden="true">
        {bands.map((cells, band) => (
          <path key={band} d={cells} style={{ fill: sequential(band / BANDS) }} />
        ))}
      </g>
    );
  };
  return (
    <div>
      <div class="wb-row">
        <ColourKey low={low} high={high} unit={trans.__("loss")} log={log} />
      </div>
      <Chart
        title={part === "support" ? trans.__("Support loss") : trans.__("Query loss")}
        description={trans.__("A click on a point of the path goes to its step")}
        height={300}
        quietLegend
        tight
        under={under}
        series={[
          { name: trans.__("path"), x: px, y: py, colour: INK, thin: true, silent: true },
          ...dots,
          ...(here < 0
            ? []
            : [
                {
                  name: trans.__("here"),
                  kind: "points" as const,
                  x: [px[here]!],
                  y: [py[here]!],
                  colour: "var(--wb-focus)",
                  marker: 3,
                  silent: true,
                },
              ]),
        ]}
        x={{
          label: trans.__("along the path's first direction (units of the weights)"),
          domain: ends(grid, "x"),
        }}
        y={{ label: trans.__("along its second direction"), domain: ends(grid, "y") }}
        onPick={({ series }) => {
          const found = steps[series - 1];
          if (found !== undefined) store.move({ step: found });
        }}
      />
    </div>
  );
}

function ends(grid: Frame<Columns["landscape"]>, name: Columns["landscape"]): [number, number] {
  const values = Array.from(grid.numbers(name));
  return [Math.min(...values), Math.max(...values)];
}

function Curvature({ store, frame }: { store: Store; frame: Frame<Columns["curvature"]> }) {
  const { task, step } = store.cursor.value;
  const own = frame.where({ task });
  const rate = store.about.value.forms?.settings?.find(
    (field) => field.name === "inner_rate",
  )?.value;
  const series: Series[] = own.groups<string>("part").flatMap(([part, rows]) =>
    rows.groups<number>("rank").map(([rank, ranked]) => ({
      name: rank === 0 ? trans.__("%1, largest", partName(part)) : `${partName(part)}, ${rank + 1}.`,
      x: ranked.numbers("step"),
      y: ranked.numbers("eigenvalue"),
      colour: AFTER,
      dashed: part === "query",
      hollow: part === "query",
      thin: rank > 0,
      dots: rank === 0,
      silent: rank > 0,
    })),
  );
  const steps = own.distinct<number>("step");
  if (typeof rate === "number" && rate > 0 && steps.length > 1) {
    const ends = [Math.min(...steps), Math.max(...steps)];
    series.push({
      name: trans.__("2 / inner rate: steeper is unstable"),
      x: ends,
      y: ends.map(() => 2 / rate),
      thin: true,
      dashed: true,
    });
  }
  return (
    <Chart
      title={trans.__("Largest eigenvalues of the Hessian")}
      description={trans.__("Descent on the support is stable while inner rate × eigenvalue is below 2")}
      series={series}
      x={{ label: trans.__("inner step"), integer: true }}
      y={{ label: trans.__("eigenvalue"), switchable: true }}
      onLog={logOf(store, "curvature")}
      mark={step}
      onPick={({ x }) => store.move({ step: Math.max(Math.round(x), 0) })}
    />
  );
}
