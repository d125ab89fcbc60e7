import { expect, test } from "vitest";
import { evened } from "../../src/ui/scales";
import { joined, meanSoFar, readPaths, returnOf } from "../../src/views/stage/paths";
import { groupsOf } from "../../src/views/stage/PathsView";
import { frame } from "../frames";

type Row = [step: number, part: string, trajectory: number | null, move: number | null, x: number, y: number, reward: number | null];

const rows = (given: Row[]) => {
  const column = (place: number) => given.map((row) => row[place] as number | string | null);
  return frame({
    step: column(0),
    part: column(1),
    trajectory: column(2),
    move: column(3),
    point: given.map(() => 0),
    x: column(4),
    y: column(5),
    reward: column(6),
    value: given.map(() => null),
  });
};

/** Two trajectories before and after a step, of which one ends early. */
const SAMPLED: Row[] = [
  [0, "goal", null, null, 2, 1, null],
  [0, "path", 0, 0, 0, 0, null],
  [0, "path", 0, 1, -1, 0, -3],
  [0, "path", 1, 0, 0, 0, null],
  [0, "path", 1, 1, -1, -1, -4],
  [1, "path", 0, 0, 0, 0, null],
  [1, "path", 0, 1, 1, 0, -2],
  [1, "path", 0, 2, 2, 1, -1],
  [1, "path", 1, 0, 0, 0, null],
  [1, "path", 1, 1, 2, 1, 0],
];

/** A trial of two episodes, a move a step. */
const TRIAL: Row[] = [
  [0, "path", 0, 0, 0, 0, null],
  [1, "path", 0, 1, 1, 0, 1],
  [2, "path", 0, 2, 2, 0, 2],
  [2, "path", 1, 0, 0, 0, null],
  [3, "path", 1, 1, 1, 1, 4],
];

test("other trajectories at every step", () => {
  const paths = readPaths(rows(SAMPLED))!;
  expect(paths.trial).toBe(false);
  expect(paths.placed).toBe(true);
  expect([...paths.goal.x, ...paths.goal.y]).toEqual([2, 1]);
  expect(paths.at(0).map((run) => run.x)).toEqual([[0, -1], [0, -1]]);
  expect(paths.at(1).map((run) => run.x)).toEqual([[0, 1, 2], [0, 2]]);
  expect(paths.at(1).map(returnOf)).toEqual([-3, 0]);
  expect(meanSoFar(paths.at(1))).toEqual([0, -1, -1.5]);
  expect(paths.domain).toEqual({ x: [-1, 2], y: [-1, 1] });
});

test("a trial goes on", () => {
  const paths = readPaths(rows(TRIAL))!;
  expect(paths.trial).toBe(true);
  expect(paths.at(0).map((run) => run.x)).toEqual([[0]]);
  expect(paths.at(1).map((run) => run.x)).toEqual([[0, 1]]);
  expect(paths.at(2).map((run) => run.x)).toEqual([[0, 1, 2], [0]]);
  expect(paths.at(3).map(returnOf)).toEqual([3, 4]);
});

test("arms stand with the move that they are of", () => {
  const arm: Row[] = [0, 1].flatMap((move) =>
    [0, 1].map((point): Row => [0, "arm", 0, move, move, point, null]),
  );
  const paths = readPaths(rows([...arm, ...SAMPLED.slice(1, 3)]))!;
  expect(paths.at(0)[0]!.arms).toEqual([{ x: [0, 0], y: [0, 1] }, { x: [1, 1], y: [0, 1] }]);
});

test("rewards alone, where there are no places", () => {
  const paths = readPaths(rows(SAMPLED.slice(1).map((row) => [...row.slice(0, 4), NaN, NaN, row[6]] as Row)))!;
  expect(paths.placed).toBe(false);
  expect(paths.at(1).map(returnOf)).toEqual([-3, 0]);
});

test("one line has gaps between trajectories, and knows whose a point is", () => {
  const line = joined(readPaths(rows(SAMPLED))!.at(1));
  expect([...line.x]).toEqual([0, 1, 2, NaN, 0, 2, NaN]);
  const [run, move] = line.of(5);
  expect([run.number, move]).toEqual([1, 1]);
});

test("before is grey, what lies between is pale, and what is stands out", () => {
  const sampled = readPaths(rows(SAMPLED))!;
  expect(groupsOf(sampled, 0, "red").map((g) => [g.name, g.colour])).toEqual([["before", "var(--wb-before)"]]);
  expect(groupsOf(sampled, 1, "red").map((g) => [g.name, g.colour])).toEqual([
    ["before", "var(--wb-before)"],
    ["step 1", "red"],
  ]);
  const trial = readPaths(rows(TRIAL))!;
  expect(groupsOf(trial, 1, "red").map((g) => [g.name, g.colour])).toEqual([["episode 1", "red"]]);
  const both = groupsOf(trial, 3, "red");
  expect(both.map((g) => g.name)).toEqual(["episode 1", "episode 2"]);
  expect(both.map((g) => g.legend)).toEqual(["episode 1", undefined]);
});

test("a unit is as long on both axes of a plane", () => {
  const { x, y } = evened([0, 1], [0, 1], 400, 200);
  expect((x[1] - x[0]) / 400).toBeCloseTo((y[1] - y[0]) / 200);
  expect(y[0]).toBeLessThan(0);
  expect(x[0] + x[1]).toBeCloseTo(1);
});
