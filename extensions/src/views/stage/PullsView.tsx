/** A trial: what was done, what it paid, and what the policy came to believe. */

import type { Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import type { Pulls } from "./data";
import { trans } from "../../words";

/** The moves as a list: the one that the cursor is at stands out, later ones are pale. */
export function PullList({ pulls, step, store }: { pulls: Pulls; step: number; store: Store }) {
  return (
    <ol class="wb-pulls" tabIndex={0} aria-label={trans.__("Moves")} data-many={pulls.pulls.length > 12}>
      {pulls.pulls.map((pull) => (
        <li
          key={pull.move}
          aria-current={pull.step === step ? "step" : undefined}
          data-later={pull.step > step}
        >
          <button
            type="button"
            tabIndex={-1}
            onClick={() => store.move({ step: pull.step })}
            title={trans.__("Move %1: %2 paid %3", pull.move, doneIn(pulls, pull), three(pull.reward))}
          >
            <span class="wb-quiet">{pull.move}</span>
            {pull.arm >= 0 && (
              <i style={{ background: look(pull.arm).colour }} aria-hidden="true" />
            )}
            <span>{doneIn(pulls, pull)}</span>
            <b data-paid={pull.reward > 0}>{three(pull.reward)}</b>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** What was done in a move: which action, or its numbers. */
const doneIn = (pulls: Pulls, pull: Pulls["pulls"][number]) =>
  pulls.what === "number"
    ? pull.drawn.map((one) => three(one.action)).join(", ")
    : actionName(pulls, pull.arm);

/** An arm or an action by its number. */
const actionName = ({ what }: Pulls, arm: number) =>
  what === "arm" ? trans.__("arm %1", arm + 1) : trans.__("action %1", arm + 1);

/** A probability for the eye; the exact one stands where the mouse rests. */
const percent = (value = 0) =>
  value > 0 && value < 0.001 ? "< 0.1%" : `${(100 * value).toFixed(1)}%`;

type Drawn = Pulls["pulls"][number]["drawn"][number];

interface Believed {
  pulls: Pulls;
  step: number;
  store: Store;
}

/** How many moves there are at a step, and what a click at a move does. */
function movesOf({ pulls: { pulls }, step, store }: Believed) {
  const moves = pulls.map((pull) => pull.move);
  const made = pulls.filter((pull) => pull.step <= step).length;
  const onPick = ({ x }: { x: number }) =>
    store.move({ step: pulls[Math.min(Math.round(x), moves.length) - 1]?.step ?? 0 });
  return { moves, made, onPick };
}

/** How likely each action is by move, and the value that the policy expects. */
export function Beliefs(props: Believed) {
  const { pulls } = props;
  const { moves, made, onPick } = movesOf(props);
  let sum = 0;
  const rewards = pulls.pulls.map((pull) => (sum += pull.reward));
  const values = pulls.pulls.some((pull) => pull.value !== null);
  return (
    <div class="wb-beliefs" tabIndex={0} role="group" aria-label={trans.__("Beliefs by move")}>
      <Likely {...props} />
      <Chart
        title={trans.__("Reward")}
        series={[
          { name: trans.__("reward so far"), x: moves, y: rewards },
          ...(values
            ? [
                {
                  name: trans.__("value expected"),
                  x: moves,
                  y: pulls.pulls.map((pull) => pull.value ?? NaN),
                  dashed: true,
                  colour: "var(--wb-quiet)",
                },
              ]
            : []),
        ]}
        x={{ label: trans.__("move"), integer: true, domain: [0, moves.length] }}
        y={{ label: trans.__("reward"), domain: [0, 1] }}
        mark={made}
        onPick={onPick}
        height={160}
        tight
      />
    </div>
  );
}

/** How likely each action is by move; of one that is numbers, around what each of them is drawn. */
export function Likely(props: Believed) {
  return props.pulls.what === "number" ? <Around {...props} /> : <Chances {...props} />;
}

function Around(props: Believed) {
  const { pulls, step } = props;
  const { moves, made, onPick } = movesOf(props);
  const now = pulls.pulls[Math.max(made, 1) - 1];
  const numbers = Array.from({ length: pulls.arms }, (_, place) => place);
  const by = (place: number, of: (one: Drawn) => number) =>
    pulls.pulls.map((pull) => of(pull.drawn[place]!));
  return (
    <>
      <ul class="wb-arms" aria-label={trans.__("%1 numbers of an action at step %2", numbers.length, step)}>
        {numbers.map((place) => (
          <li key={place}>
            <span>{trans.__("number %1", place + 1)}</span>
            <span class="wb-figure">
              {three(now?.drawn[place]?.mean)} ± {three(now?.drawn[place]?.deviation)}
            </span>
          </li>
        ))}
      </ul>
      <Chart
        title={trans.__("What each number is drawn around")}
        description={trans.__("line: mean · band: a deviation on both sides · points: drawn")}
        series={numbers.flatMap((place) => {
          const y = by(place, (one) => one.mean);
          const { colour } = look(place);
          const name = trans.__("number %1", place + 1);
          return [
            {
              name: trans.__("deviation of %1", name),
              kind: "band" as const,
              x: moves,
              y,
              low: by(place, (one) => one.mean - one.deviation),
              high: by(place, (one) => one.mean + one.deviation),
              colour,
              silent: true,
            },
            { name, x: moves, y, colour },
            {
              name: trans.__("%1, drawn", name),
              kind: "points" as const,
              x: moves,
              y: by(place, (one) => one.action),
              ...look(place),
              silent: true,
            },
          ];
        })}
        x={{ label: trans.__("move"), integer: true, domain: [0, moves.length] }}
        y={{ label: trans.__("number of the action") }}
        mark={made}
        onPick={onPick}
        height={180}
        tight
      />
    </>
  );
}

function Chances(props: Believed) {
  const { pulls, step } = props;
  const { moves, made, onPick } = movesOf(props);
  const now = pulls.pulls[Math.max(made, 1) - 1];
  const arms = Array.from({ length: pulls.arms }, (_, arm) => arm);
  return (
    <>
      <ul class="wb-arms" aria-label={
          pulls.what === "arm"
            ? trans.__("%1 arms at step %2", arms.length, step)
            : trans.__("%1 actions at step %2", arms.length, step)
        }>
        {arms.map((arm) => (
          <li
            key={arm}
            title={[
              trans.__(
                "%1: chosen with probability %2",
                actionName(pulls, arm),
                three(now?.probabilities[arm]),
              ),
              ...(pulls.chances ? [trans.__("pays with %1", three(pulls.chances[arm]))] : []),
            ].join(", ")}
          >
            <span>{actionName(pulls, arm)}</span>
            <span class="wb-likely">
              <span
                style={{
                  width: `${100 * (now?.probabilities[arm] ?? 0)}%`,
                  background: look(arm).colour,
                }}
              />
              {pulls.chances && <i style={{ left: `${100 * pulls.chances[arm]!}%` }} />}
            </span>
            <span class="wb-figure">{percent(now?.probabilities[arm])}</span>
          </li>
        ))}
      </ul>
      <p class="wb-quiet">
        {trans.__("bar: probability to be chosen at move %1", now?.move ?? 1)}
        {pulls.chances ? ` · ${trans.__("mark: the arm's own chance to pay")}` : ""}
      </p>
      <Chart
        title={
          pulls.what === "arm"
            ? trans.__("Probability of each arm")
            : trans.__("Probability of each action")
        }
        series={arms.map((arm) => ({
          name: actionName(pulls, arm),
          x: moves,
          y: pulls.pulls.map((pull) => pull.probabilities[arm] ?? NaN),
          dots: moves.length <= 12,
          ...look(arm),
        }))}
        x={{ label: trans.__("move"), integer: true, domain: [0, moves.length] }}
        y={{ label: trans.__("probability"), domain: [0, 1] }}
        mark={made}
        onPick={onPick}
        height={190}
        tight
      />
    </>
  );
}
