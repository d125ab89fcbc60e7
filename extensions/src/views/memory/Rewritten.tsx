/** What a change of the memory by hand did: the branch's predictions against those before. */

import { type Store } from "../../store";
import { laneName, stepName } from "../../facts";
import { three } from "../../ui/format";
import { Stamp } from "../../ui/Images";
import { Marker } from "../../ui/Marker";
import { look } from "../../ui/palette";
import { classNames, type Example, frameOf, readCourse, readExamples } from "../stage/data";
import { laneColour } from "../stage/lanes";
import { type Answer, compared, rewrittenLane } from "./data";
import { exampleName, className } from "../../names";
import { trans } from "../../words";

export function Rewritten({ store }: { store: Store }) {
  const lanes = store.about.value.lanes ?? [];
  const lane = rewrittenLane(lanes, store.cursor.value.lane) ?? -1;
  const one = lanes[lane];
  if (!one || one.parent === null) return null;
  const examples = readExamples(frameOf(store, "examples", lane));
  const names = classNames(examples);
  const queries = new Map(examples.filter((e) => e.part === "query").map((e) => [e.place, e]));
  const { task, lane: current, step } = store.cursor.value;
  const at = Math.max(Math.min(step, one.steps), one.at);
  const [mine, theirs] = [lane, one.parent].map((of) => frameOf(store, "predictions", of));
  const answers = mine && theirs ? compared(mine, theirs, at) : [];
  const loss = (of: number) => {
    const values = readCourse(frameOf(store, "steps", of), task)?.values ?? [];
    return values[Math.min(at, values.length - 1)];
  };
  const pick = (example: number) => store.move({ part: "query", example });
  return (
    <section class="wb-column" aria-label={trans.__("What it changed")}>
      <header class="wb-row">
        <h2>
          <i class="wb-lane-key" style={{ background: laneColour(lane) }} />
          {one.name}
        </h2>
        <span class="wb-quiet">
          {trans.__(
            "against %1, %2",
            laneName(store.about.value, one.parent),
            stepName(at, one.steps),
          )}
        </span>
        <span class="wb-end wb-row wb-tight">
          {current === lane && (
            <button type="button" onClick={() => store.move({ lane: one.parent! })}>
              {trans.__("To the lane before")}
            </button>
          )}
          {current !== lane && (
            <button type="button" onClick={() => store.move({ lane })}>
              {trans.__("To the branch")}
            </button>
          )}
          <button
            type="button"
            onClick={() => void store.send("remove", { lane }).catch(() => {})}
            title={trans.__("The memory as it was written")}
          >
            {trans.__("Remove branch")}
          </button>
        </span>
      </header>
      <p class="wb-answer" role="status" style={{ borderLeftColor: laneColour(lane) }}>
        {summary(answers)}
        <span class="wb-quiet">
          {" "}
          {trans.__("Query loss %1 → %2.", three(loss(one.parent)), three(loss(lane)))}
        </span>
      </p>
      {answers.length > 0 && (
        <div class="wb-table">
          <div
            class="wb-scroll"
            tabIndex={0}
            role="region"
            aria-label={trans.__("Predictions before and after")}
          >
            <table>
              <thead>
                <tr>
                  <th scope="col">{trans.__("query")}</th>
                  <th scope="col">{trans.__("before")}</th>
                  <th scope="col">{trans.__("after")}</th>
                  <th scope="col">{trans.__("its true class gets")}</th>
                </tr>
              </thead>
              <tbody>
                {answers.map((answer) => (
                  <Line
                    key={answer.example}
                    answer={answer}
                    example={queries.get(answer.example)}
                    names={names}
                    current={
                      store.cursor.value.part === "query" &&
                      store.cursor.value.example === answer.example
                    }
                    onPick={() => pick(answer.example)}
                  />
                ))}
              </tbody>
            </table>
          </div>
        </div>
      )}
    </section>
  );
}

/** How many queries changed their mind, and by how much the others were moved. */
export function summary(answers: Answer[]): string {
  if (answers.length === 0) return trans.__("There are no classes here that could change.");
  const turned = answers.filter((one) => one.turned).length;
  const mean = answers.reduce((sum, one) => sum + one.change, 0) / answers.length;
  const most = answers.reduce((a, b) => (Math.abs(b.change) > Math.abs(a.change) ? b : a));
  if (most.change === 0 && turned === 0) return trans.__("Nothing changed: no query read of it.");
  const many = trans._n(
    "%2 of %1 query changed class.",
    "%2 of %1 queries changed class.",
    answers.length,
    turned,
  );
  const moved = trans.__(
    "The probability of the true class changed by %1 on average, at most by %2 (query %3).",
    signed(mean),
    signed(most.change),
    most.example + 1,
  );
  return `${many} ${moved}`;
}

const signed = (value: number) => (value > 0 ? "+" : "") + three(value);

interface LineProps {
  answer: Answer;
  example: Example | undefined;
  names: string[];
  current: boolean;
  onPick: () => void;
}

function Line({ answer, example, names, current, onPick }: LineProps) {
  const { label, before, after, change, turned } = answer;
  return (
    <tr
      class="wb-pick"
      data-turned={turned}
      aria-current={current ? "true" : undefined}
      onClick={onPick}
    >
      <td>
        <span class="wb-holds">
          {example?.image && <Stamp {...example.image} size={22} />}
          {label !== null && <Class label={label} names={names} />}
          <span class="wb-quiet">{exampleName("query", answer.example + 1)}</span>
        </span>
      </td>
      <td>
        <Said {...before} names={names} />
      </td>
      <td>
        <Said {...after} names={names} turned={turned} />
      </td>
      <td>
        <span class="wb-shift">
          <span class="wb-figure">{signed(change)}</span>
          <span aria-hidden="true">
            <span
              style={{
                left: `${50 + 50 * Math.min(change, 0)}%`,
                width: `${50 * Math.abs(change)}%`,
                background: change < 0 ? "var(--wb-below)" : "var(--wb-above)",
              }}
            />
          </span>
        </span>
      </td>
    </tr>
  );
}

interface SaidProps {
  prediction: number;
  confidence: number;
  names: string[];
  turned?: boolean;
}

function Said({ prediction, confidence, names, turned }: SaidProps) {
  return (
    <span class="wb-holds">
      <Class label={prediction} names={names} />
      {turned ? <strong>{names[prediction]}</strong> : names[prediction]}
      <span class="wb-figure wb-quiet">{three(100 * confidence)}%</span>
    </span>
  );
}

function Class({ label, names }: { label: number; names: string[] }) {
  return (
    <svg width="12" height="12" role="img" aria-label={names[label] ?? className(label)}>
      <Marker x={6} y={6} {...look(label)} />
    </svg>
  );
}
