import { expect, test } from "vitest";
import { chanceOf, factorOf, labelOf, named, scaleOf, unitOf } from "../src/measure";
import { frame } from "./frames";

test("how a measure is shown follows from what is said of it", () => {
  const share = { ...named("in_order"), better: "higher", unit: "%", chance: 0.5 } as const;
  const error = { ...named("absolute_error"), better: "lower" } as const;
  expect([factorOf(share), unitOf(share), chanceOf(share), scaleOf(share)]).toEqual([
    100,
    "%",
    50,
    "linear",
  ]);
  expect([factorOf(error), unitOf(error), chanceOf(error), scaleOf(error)]).toEqual([
    1,
    undefined,
    undefined,
    "log",
  ]);
  expect(labelOf(error)).toBe("absolute error");
});

test("a frame says what its measures are; of others only the name is known", () => {
  const steps = frame({ step: [0], off: [1] }, [{ name: "off", better: "lower" }]);
  expect(steps.measures.map(({ name }) => name)).toEqual(["off"]);
  expect(steps.where({ step: 0 }).measure("off").better).toBe("lower");
  expect(steps.measure("other").better).toBeNull();
});
