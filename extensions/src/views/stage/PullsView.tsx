/** A trial: what was done, what it paid, and what the policy came to believe. */

import type { Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import type { Pulls } from "./data";

/** The moves as a list: the one that the cursor is at stands out, later ones are pale. */
export function PullList({ pulls, step, store }: { pulls: Pulls; step: number; store: Store }) {
  return (
    <ol class="wb-pulls" aria-label="Moves" data-many={pulls.pulls.length > 12}>
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
            title={`Move ${pull.move}: ${pulls.what} ${pull.arm + 1} paid ${three(pull.reward)}`}
          >
            <span class="wb-quiet">{pull.move}</span>
            <i style={{ background: look(pull.arm).colour }} aria-hidden="true" />
            <span>
              {pulls.what} {pull.arm + 1}
            </span>
            <b data-paid={pull.reward > 0}>{three(pull.reward)}</b>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** A probability for the eye; the exact one stands where the mouse rests. */
const percent = (value = 0) =>
  value > 0 && value < 0.001 ? "< 0.1%" : `${(100 * value).toFixed(1)}%`;

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
    <div class="wb-beliefs">
      <Likely {...props} />
      <Chart
        title="Reward"
        series={[
          { name: "reward so far", x: moves, y: rewards },
          ...(values
            ? [
                {
                  name: "value expected",
                  x: moves,
                  y: pulls.pulls.map((pull) => pull.value ?? NaN),
                  dashed: true,
                  colour: "var(--wb-quiet)",
                },
              ]
            : []),
        ]}
        x={{ label: "move", integer: true, domain: [0, moves.length] }}
        y={{ label: "reward", domain: [0, 1] }}
        mark={made}
        onPick={onPick}
        height={160}
        tight
      />
    </div>
  );
}

/** How likely each action is by move. */
export function Likely(props: Believed) {
  const { pulls, step } = props;
  const { moves, made, onPick } = movesOf(props);
  const now = pulls.pulls[Math.max(made, 1) - 1];
  const arms = Array.from({ length: pulls.arms }, (_, arm) => arm);
  return (
    <>
      <ul class="wb-arms" aria-label={`${arms.length} ${pulls.what}s at step ${step}`}>
        {arms.map((arm) => (
          <li
            key={arm}
            title={`${pulls.what} ${arm + 1}: chosen with probability ${three(now?.probabilities[arm])}${pulls.chances ? `, pays with ${three(pulls.chances[arm])}` : ""}`}
          >
            <span>
              {pulls.what} {arm + 1}
            </span>
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
        bar: probability to be chosen at move {now?.move ?? 1}
        {pulls.chances ? " · mark: the arm's own chance to pay" : ""}
      </p>
      <Chart
        title={`Probability of each ${pulls.what}`}
        series={arms.map((arm) => ({
          name: `${pulls.what} ${arm + 1}`,
          x: moves,
          y: pulls.pulls.map((pull) => pull.probabilities[arm] ?? NaN),
          dots: moves.length <= 12,
          ...look(arm),
        }))}
        x={{ label: "move", integer: true, domain: [0, moves.length] }}
        y={{ label: "probability", domain: [0, 1] }}
        mark={made}
        onPick={onPick}
        height={190}
        tight
      />
    </>
  );
}
