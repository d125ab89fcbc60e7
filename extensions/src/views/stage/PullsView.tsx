/** A bandit: which arms were pulled, what they paid, and what the policy came to believe. */

import type { Store } from "../../store";
import { Chart } from "../../ui/Chart";
import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import type { Pulls } from "./data";

/** The pulls as a list: the one that the cursor is at stands out, later ones are pale. */
export function PullList({ pulls, step, store }: { pulls: Pulls; step: number; store: Store }) {
  return (
    <ol class="wb-pulls" aria-label="Pulls" data-many={pulls.pulls.length > 12}>
      {pulls.pulls.map((pull) => (
        <li
          key={pull.step}
          aria-current={pull.step === step ? "step" : undefined}
          data-later={pull.step > step}
        >
          <button
            type="button"
            tabIndex={-1}
            onClick={() => store.move({ step: pull.step })}
            title={`Pull ${pull.step}: arm ${pull.arm + 1} paid ${three(pull.reward)}`}
          >
            <span class="wb-quiet">{pull.step}</span>
            <i style={{ background: look(pull.arm).colour }} aria-hidden="true" />
            <span>arm {pull.arm + 1}</span>
            <b data-paid={pull.reward > 0}>{three(pull.reward)}</b>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** A probability for the eye; the exact one stands where the mouse rests. */
const percent = (value = 0) =>
  value > 0 && value < 0.001 ? "< 0.1 %" : `${(100 * value).toFixed(1)} %`;

/** How likely each arm is by step, and the value that the policy expects. */
export function Beliefs({ pulls, step, store }: { pulls: Pulls; step: number; store: Store }) {
  const steps = pulls.pulls.map((pull) => pull.step);
  const now = pulls.pulls[Math.max(step, 1) - 1];
  const arms = Array.from({ length: pulls.arms }, (_, arm) => arm);
  let sum = 0;
  const rewards = pulls.pulls.map((pull) => (sum += pull.reward));
  const values = pulls.pulls.some((pull) => pull.value !== null);
  const onPick = ({ x }: { x: number }) =>
    store.move({ step: Math.min(Math.max(Math.round(x), 0), steps.length) });
  return (
    <>
      <ul class="wb-arms" aria-label={`Arms at step ${step}`}>
        {arms.map((arm) => (
          <li
            key={arm}
            title={`arm ${arm + 1}: pulled with probability ${three(now?.probabilities[arm])}${pulls.chances ? `, pays with ${three(pulls.chances[arm])}` : ""}`}
          >
            <span>arm {arm + 1}</span>
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
        bar: probability to be pulled at pull {now?.step ?? 1}
        {pulls.chances ? " · mark: the arm's own chance to pay" : ""}
      </p>
      <Chart
        title="Probability of each arm"
        series={arms.map((arm) => ({
          name: `arm ${arm + 1}`,
          x: steps,
          y: pulls.pulls.map((pull) => pull.probabilities[arm] ?? NaN),
          dots: steps.length <= 12,
          ...look(arm),
        }))}
        x={{ label: "pull", integer: true, domain: [0, steps.length] }}
        y={{ label: "probability", domain: [0, 1] }}
        mark={step}
        onPick={onPick}
        height={190}
        tight
      />
      <Chart
        title="Reward"
        series={[
          { name: "reward so far", x: steps, y: rewards },
          ...(values
            ? [
                {
                  name: "value expected",
                  x: steps,
                  y: pulls.pulls.map((pull) => pull.value ?? NaN),
                  dashed: true,
                  colour: "var(--wb-quiet)",
                },
              ]
            : []),
        ]}
        x={{ label: "pull", integer: true, domain: [0, steps.length] }}
        y={{ label: "reward", domain: [0, 1] }}
        mark={step}
        onPick={onPick}
        height={160}
        tight
      />
    </>
  );
}
