/** The table twin of a view: the frame itself, sorted as one likes, copied as CSV. */

import { useMemo, useState } from "preact/hooks";
import { type Cell, type Frame } from "../frame";
import { three } from "./format";
import { copyText, useFlash } from "./hooks";
import { trans } from "../words";

const PAGE = 50;

interface Props {
  frame: Frame;
  title: string;
  /** Rows that belong to the cursor. */
  marked?: (frame: Frame, row: number) => boolean;
  onPick?: (frame: Frame, row: number) => void;
}

/** The rows' order by a column; missing cells come last either way. */
export function sorted(frame: Frame, column: string | null, down: boolean): number[] {
  const rows = [...Array(frame.rows).keys()];
  if (column === null) return rows;
  const sign = down ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [frame.at(column, a), frame.at(column, b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || a - b;
    return (x < y ? -sign : x > y ? sign : 0) || a - b;
  });
}

/** Columns that say which one, from 0 as Python counts; people count from 1 (workbench/figures/tables.py). */
export const PLACES = new Set([
  "task", "example", "shot", "label", "prediction", "arm", "first", "second", "rank", "query",
  "entry", "class", "slot",
]);

/** A cell as people read it. */
export function text(column: string, cell: Cell): string {
  if (cell === null) return "–";
  if (typeof cell === "number" && PLACES.has(column)) return String(cell + 1);
  return typeof cell === "number" ? three(cell) : String(cell);
}

export function Table({ frame, title, marked, onPick }: Props) {
  const [order, setOrder] = useState<{ column: string | null; down: boolean }>({
    column: null,
    down: false,
  });
  const [page, setPage] = useState(0);
  const [word, flash] = useFlash();
  const column = order.column !== null && frame.has(order.column) ? order.column : null;
  const rows = useMemo(() => sorted(frame, column, order.down), [frame, column, order.down]);
  const pages = Math.max(Math.ceil(rows.length / PAGE), 1);
  const shown = Math.min(page, pages - 1);
  const names = frame.names;
  const numeric = (name: string) => /number|integer/.test(frame.type(name));
  const sort = (name: string) =>
    setOrder(
      order.column !== name
        ? { column: name, down: false }
        : order.down
          ? { column: null, down: false }
          : { column: name, down: true },
    );
  const copy = () => void copyText(frame.csv(rows, PLACES)).then(() => flash(trans.__("copied")));
  return (
    <section class="wb-table" aria-label={trans.__("Table: %1", title)}>
      <div class="wb-row">
        <span class="wb-quiet">
          {title}: {trans._n("%1 row", "%1 rows", frame.rows)}
        </span>
        <button type="button" onClick={copy}>
          {trans.__("Copy CSV")}
        </button>
        <span role="status">{word}</span>
        {pages > 1 && (
          <span class="wb-row wb-end">
            <button
              type="button"
              disabled={shown === 0}
              onClick={() => setPage(shown - 1)}
              aria-label={trans.__("Earlier rows")}
            >
              ◀
            </button>
            {shown * PAGE + 1}–{Math.min((shown + 1) * PAGE, rows.length)}
            <button
              type="button"
              disabled={shown === pages - 1}
              onClick={() => setPage(shown + 1)}
              aria-label={trans.__("Later rows")}
            >
              ▶
            </button>
          </span>
        )}
      </div>
      <div class="wb-scroll" tabIndex={0} role="region" aria-label={trans.__("Rows: %1", title)}>
        <table>
          <thead>
            <tr>
              {names.map((name) => (
                <th
                  key={name}
                  scope="col"
                  class={numeric(name) ? "wb-number" : undefined}
                  aria-sort={column !== name ? "none" : order.down ? "descending" : "ascending"}
                >
                  <button type="button" onClick={() => sort(name)}>
                    {name}
                    <span aria-hidden="true">
                      {column !== name ? "" : order.down ? " ▼" : " ▲"}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(shown * PAGE, (shown + 1) * PAGE).map((row) => (
              <tr
                key={row}
                aria-current={marked?.(frame, row) ? "true" : undefined}
                class={onPick ? "wb-pick" : undefined}
                onClick={onPick && (() => onPick(frame, row))}
              >
                {names.map((name) => (
                  <td key={name} class={numeric(name) ? "wb-number" : undefined}>
                    {frame.type(name) === "arrays"
                      ? frame.shape(name).join(" × ")
                      : text(name, frame.at(name, row))}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
