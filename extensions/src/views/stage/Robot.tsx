/** A robot on its way, as its simulator renders it: a picture every so many moves. */

import type { Columns } from "../../generated";
import type { Frame } from "../../frame";
import type { Store } from "../../store";
import { Stamp } from "../../ui/Images";
import { Inspected } from "../Inspected";
import { trans } from "../../words";

const WIDE = 100; // pixels of a picture

export function Robot({ store, step, trial }: { store: Store; step: number; trial: boolean }) {
  return (
    <Inspected
      store={store}
      kind="rendered"
      what={trans.__("Pictures of the first trajectory, as MuJoCo renders it")}
      byHand
      ownsTable={false}
      tableOnly
    >
      {(frame) => <Pictures frame={frame} step={step} trial={trial} />}
    </Inspected>
  );
}

function Pictures({ frame, step, trial }: { frame: Frame<Columns["rendered"]>; step: number; trial: boolean }) {
  const rows = frame.where((row) => {
    const made = frame.at("step", row) as number;
    return trial ? made <= step : made === step;
  });
  return (
    <div class="wb-robot" role="group" aria-label={trans.__("Pictures of the robot")}>
      {Array.from({ length: rows.rows }, (_, row) => (
        <figure key={row}>
          <Stamp pixels={rows.array("image", row)} shape={rows.shape("image")} size={WIDE} />
          <figcaption>{trans.__("move %1", rows.at("move", row))}</figcaption>
        </figure>
      ))}
    </div>
  );
}
