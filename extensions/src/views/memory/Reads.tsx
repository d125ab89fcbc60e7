/** What queries read of a memory, as a heat map: query by slot, the same for all methods. */

import { HeatMap } from "../../ui/HeatMap";
import { look } from "../../ui/palette";
import type { Reads } from "./data";
import { trans } from "../../words";

interface Props {
  reads: Reads;
  head: string;
  onHead: (head: string) => void;
  /** The slots' columns that are marked. */
  slot: number | null;
  query: number;
  onPick: (query: number, slot: number) => void;
}

const looked = (label: number | null) => (label === null ? null : look(label));

export function ReadsMap({ reads, head, onHead, slot, query, onPick }: Props) {
  const { queries } = reads;
  const entries = reads.entries(head);
  const near = reads.kind === "distance";
  const classed = queries.some((one) => reads.label(one) !== null);
  return (
    <>
      <Heads reads={reads} head={head} onHead={onHead} />
      <HeatMap
        title={near ? trans.__("Squared distance of each query to each slot") : trans.__("What each query reads")}
        rows={queries.map((one) => String(one + 1))}
        columns={entries.map((one) => String(one + 1))}
        value={(row, column) => reads.value(head, queries[row]!, entries[column]!)}
        label={near ? trans.__("squared distance") : trans.__("share that is read")}
        reversed={near}
        rowLabel={trans.__("query")}
        columnLabel={trans.__("slot")}
        rowLooks={classed ? queries.map((one) => looked(reads.label(one))) : undefined}
        columnLooks={classed ? entries.map((one) => looked(reads.classOf(one))) : undefined}
        size={20}
        marked={{
          row: queries.indexOf(query),
          column: slot === null ? -1 : entries.indexOf(slot),
        }}
        onPick={({ row, column }) => onPick(queries[row]!, entries[column]!)}
      />
    </>
  );
}

function Heads({ reads, head, onHead }: Pick<Props, "reads" | "head" | "onHead">) {
  if (reads.heads.length < 2) return null;
  return (
    <div class="wb-row wb-tight wb-heads" role="group" aria-label={trans.__("Head that reads")}>
      {reads.heads.map((name) => (
        <button key={name} type="button" aria-pressed={name === head} onClick={() => onHead(name)}>
          {name}
        </button>
      ))}
    </div>
  );
}
