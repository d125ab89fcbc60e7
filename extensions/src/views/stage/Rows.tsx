/** Examples that are rows of a table, as a table: names and units above, — where a value is missing. */

import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import { moveAmong, type Props, stateOf } from "./listing";
import { className } from "../../names";
import { trans } from "../../words";

export function Rows({ title, examples, cursor, onPick, names = [], judged, against }: Props) {
  const header = examples[0]?.header ?? [];
  const selected = examples.findIndex(
    (one) => one.part === cursor.part && one.place === cursor.example,
  );
  return (
    <div class="wb-rows">
      <table>
        <thead>
          <tr>
            <th scope="col">{trans.__("class")}</th>
            {judged && <th scope="col">{trans.__("predicted")}</th>}
            {header.map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody
          class="wb-listed"
          role="listbox"
          aria-label={title}
          onKeyDown={moveAmong(examples, onPick)}
        >
          {examples.map((example, index) => {
            const found = judged?.get(example.place);
            return (
              <tr
                key={example.place}
                role="option"
                aria-selected={index === selected}
                aria-label={example.text ?? undefined}
                tabIndex={index === Math.max(selected, 0) ? 0 : -1}
                data-state={stateOf(example, judged, against)}
                onClick={() => onPick(example)}
              >
                <td>
                  {example.label !== null && (
                    <i style={{ background: look(example.label).colour }} />
                  )}{" "}
                  {example.label !== null ? example.name : `y ${three(example.y ?? NaN)}`}
                  {example.edited && <span class="wb-badge">{example.edited}</span>}
                </td>
                {judged && (
                  <td class="wb-figure">
                    {found &&
                      `${names[found.prediction] ?? className(found.prediction)} · ${three(100 * found.confidence)}%`}
                  </td>
                )}
                {(example.cells ?? []).map((cell, place) => (
                  <td key={header[place]} data-missing={cell === "—" || undefined}>
                    {cell}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
