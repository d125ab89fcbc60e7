/** Examples with a share each: those that a query's reading came from, those that read a slot. */

import type { Store } from "../../store";
import { three } from "../../ui/format";
import { Images } from "../../ui/Images";
import { look } from "../../ui/palette";
import { content } from "../stage/listing";
import type { Example } from "../stage/data";
import { exampleName } from "../../names";

interface Props {
  store: Store;
  title: string;
  examples: Example[];
  /** As a bar, the longest for the largest; and what it is, in words. */
  share: (example: Example) => number;
  what: string;
  /** The example that stands out. */
  chosen: number | null;
}

export function Shares({ store, title, examples, share, what, chosen }: Props) {
  if (examples.length === 0) return null;
  const most = Math.max(...examples.map(share), 1e-9);
  const pick = (example: Example) => store.move({ part: example.part, example: example.place });
  const said = (example: Example) =>
    `${exampleName(example.part, example.place + 1)}${example.name && ` (${example.name})`}: ` +
    `${what} ${three(share(example))}`;
  return (
    <section aria-label={title} class="wb-shares">
      <h3>{title}</h3>
      {examples[0]!.image ? (
        <Images
          title={title}
          size={34}
          pictures={examples.map((example) => ({
            ...example.image!,
            label: said(example),
            confidence: share(example) / most,
            ...(example.label === null ? {} : look(example.label)),
          }))}
          selected={examples.findIndex((one) => one.place === chosen)}
          onPick={(index) => pick(examples[index]!)}
        />
      ) : (
        <ul class="wb-listed">
          {examples.map((example) => (
            <li
              key={example.place}
              aria-current={example.place === chosen ? "true" : undefined}
              title={said(example)}
              onClick={() => pick(example)}
            >
              {content(example)}
              <span class="wb-end wb-figure">{three(share(example))}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
