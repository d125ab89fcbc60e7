/** Many cells of a picture as few marks: those of a like colour are one path. */

const COLOURS = 64; // of many cells, on the way from nothing to the largest number

export type Row = (number | null | undefined)[];

export const isNumber = (value: unknown): value is number =>
  typeof value === "number" && !Number.isNaN(value);

/** Many cells, a path for each of the colours that the eye tells apart. */
export function banded(
  table: Row[],
  share: (value: number) => number,
  colour: (share: number) => string,
  one: (row: number, column: number) => { x: number; y: number; width: number; height: number },
) {
  const paths = new Map<number | null, string>();
  table.forEach((line, row) =>
    line.forEach((number, column) => {
      const band = isNumber(number) ? Math.round(share(number) * COLOURS) : null;
      const { x, y, width, height } = one(row, column);
      const [wide, high] = [width.toFixed(2), height.toFixed(2)];
      const path = `M${x.toFixed(2)},${y.toFixed(2)}h${wide}v${high}h-${wide}z`;
      paths.set(band, (paths.get(band) ?? "") + path);
    }),
  );
  return [...paths].map(([band, path]) => (
    <path
      key={band}
      d={path}
      class={band === null ? "wb-missing" : undefined}
      style={{ fill: band === null ? undefined : colour(band / COLOURS) }}
    />
  ));
}
