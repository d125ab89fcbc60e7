/** Examples without a picture, as a list: texts, table rows, numbers. */

import { three } from "../../ui/format";
import { look } from "../../ui/palette";
import { content, moveAmong, type Props, stateOf } from "./listing";
import { Rows } from "./Rows";
import { className } from "../../names";

export function Listed(props: Props) {
  const { title, examples, cursor, onPick, names = [], judged, against } = props;
  if (examples[0]?.cells) return <Rows {...props} />;
  const selected = examples.findIndex(
    (one) => one.part === cursor.part && one.place === cursor.example,
  );
  const keyDown = moveAmong(examples, onPick);
  return (
    <ul class="wb-listed" role="listbox" aria-label={title} onKeyDown={keyDown}>
      {examples.map((example, index) => {
        const found = judged?.get(example.place);
        return (
          <li
            key={example.place}
            role="option"
            aria-selected={index === selected}
            tabIndex={index === Math.max(selected, 0) ? 0 : -1}
            data-state={stateOf(example, judged, against)}
            onClick={() => onPick(example)}
          >
            {example.label !== null && (
              <i style={{ background: look(example.label).colour }} title={example.name} />
            )}
            <span>{content(example)}</span>
            {example.edited && <span class="wb-badge">{example.edited}</span>}
            {example.label === null && example.text && example.y !== null && (
              <span class="wb-end wb-figure">{three(example.y)}</span>
            )}
            {found && (
              <span class="wb-end wb-figure">
                {names[found.prediction] ?? className(found.prediction)} · {three(100 * found.confidence)}%
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}
