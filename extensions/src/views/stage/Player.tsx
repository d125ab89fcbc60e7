/** The buttons above the timeline: steps, play, branch, difference. */

import type { Store } from "../../store";
import { three } from "../../ui/format";
import { frameOf, readCourse } from "./data";
import { laneName, stepName } from "../../facts";
import type { Stepper } from "./stepper";
import { trans } from "../../words";

export function Player({ store, stepper, open }: { store: Store; stepper: Stepper; open: () => void }) {
  const { step, lane } = store.cursor.value;
  const steps = stepper.steps;
  const playing = stepper.playing.value;
  const { lanes = [], saved } = store.about.value;
  return (
    <div class="wb-row wb-player" role="toolbar" aria-label={trans.__("Steps")}>
      <span class="wb-row wb-tight">
        <button
          type="button"
          disabled={step === 0}
          onClick={() => stepper.first()}
          title={trans.__("Before the first step (Shift ←)")}
          aria-label={trans.__("First")}
        >
          <Icon name="first" />
        </button>
        <button
          type="button"
          disabled={step === 0}
          onClick={() => stepper.back()}
          title={trans.__("One inner step back (←)")}
          aria-label={trans.__("Back")}
        >
          <Icon name="back" />
        </button>
        <button
          type="button"
          onClick={() => stepper.play()}
          title={playing ? trans.__("Stop (Space)") : trans.__("Play the steps (Space)")}
          aria-label={playing ? trans.__("Stop") : trans.__("Play")}
        >
          <Icon name={playing ? "stop" : "play"} />
        </button>
        <button
          type="button"
          disabled={saved && step >= steps}
          onClick={() => stepper.next()}
          title={
            step < steps || saved
              ? trans.__("The next inner step (→)")
              : trans.__("One inner step more (→)")
          }
          aria-label={trans.__("Next")}
        >
          <Icon name={step < steps || saved ? "next" : "more"} />
        </button>
        <button
          type="button"
          disabled={step === steps}
          onClick={() => stepper.last()}
          title={trans.__("After the last step (Shift →)")}
          aria-label={trans.__("Last")}
        >
          <Icon name="last" />
        </button>
      </span>
      <span class="wb-figure wb-now-step">
        {stepName(step, steps)}
      </span>
      {lanes[lane]?.parent != null && lanes[lane]!.changed === "" && (
        <span class="wb-quiet">{trans.__("as its origin until its settings or examples change")}</span>
      )}
      <span class="wb-end wb-row wb-tight">
        {store.about.value.trains && (
          <button
            type="button"
            onClick={open}
            title={trans.__("What is trained, as it is at this step, adapts to the tasks of the next one")}
          >
            {trans.__("Open the level below")}
          </button>
        )}
        {lanes.length > 1 && (
          <button
            type="button"
            aria-pressed={stepper.different.value}
            onClick={() => stepper.compare()}
            title={trans.__("Two lanes side by side (D)")}
          >
            {trans.__("Difference")}
          </button>
        )}
        {lane > 0 && !saved && (
          <button
            type="button"
            onClick={() => void stepper.remove(lane)}
            title={trans.__("Take this lane away, and what branches from it")}
          >
            {lanes[lane]?.parent == null ? trans.__("Remove lane") : trans.__("Remove branch")}
          </button>
        )}
        {!saved && (
          <button
            type="button"
            onClick={() => void stepper.branch()}
            title={trans.__("A branch from this step, to be given other settings or examples (B)")}
          >
            {trans.__("Branch here")}
          </button>
        )}
      </span>
      <Spoken store={store} stepper={stepper} />
    </div>
  );
}

const ICONS = {
  first: "M3 3v10M13 3L6 8l7 5z",
  back: "M11 3L4 8l7 5z",
  play: "M4 2.5L13.5 8 4 13.5z",
  stop: "M5 3v10M11 3v10",
  next: "M5 3l7 5-7 5z",
  more: "M8 3v10M3 8h10",
  last: "M13 3v10M3 3l7 5-7 5z",
};

/** Drawn, as not every font has such signs; of play only the outline. */
function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg
      class="wb-icon"
      data-icon={name}
      width="14"
      height="14"
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      <path d={ICONS[name]} />
    </svg>
  );
}

/** What a screen reader says when the cursor has moved. */
function Spoken({ store, stepper }: { store: Store; stepper: Stepper }) {
  const { task, step, lane } = store.cursor.value;
  const course = readCourse(frameOf(store, "steps"), task);
  const value = course?.values[step];
  return (
    <span class="wb-hidden" role="status" aria-live="polite">
      {lane > 0 ? `${laneName(store.about.value, lane)}, ` : ""}
      {stepName(step, stepper.steps)}
      {course && value !== undefined ? `, ${course.name} ${three(value)}` : ""}
    </span>
  );
}
