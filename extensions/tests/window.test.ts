import { describe, expect, it } from "vitest";
import { smoothed } from "../src/ui/smooth";
import { turned, within } from "../src/ui/window";

describe("smoothing", () => {
  it("is the exponential mean that figures draw", () => {
    expect(smoothed([1, 3], 0.5)[1]).toBeCloseTo(7 / 3);
    expect(smoothed([1, 3], 0)).toEqual([1, 3]);
    const [gap, ...rest] = smoothed([NaN, 2, 4], 0.5);
    expect(gap).toBeNaN();
    expect(rest[1]).toBeCloseTo(10 / 3);
  });
});

describe("a window", () => {
  const one = { name: "a", x: [0, 1, 2, 3], y: [5, 6, 7, 8], low: [4, 5, 6, 7], describe: (k: number) => `point ${k}` };

  it("keeps what lies in it, and each point's words", () => {
    const [kept] = within([one], [1, 2]);
    expect([kept!.x, kept!.y, kept!.low]).toEqual([[1, 2], [6, 7], [5, 6]]);
    expect(kept!.describe!(0)).toBe("point 1");
    expect(within([one], null)).toEqual([one]);
  });

  it("is turned by keys", () => {
    expect(turned("+", [0, 4])).toEqual([1, 3]);
    expect(turned("-", [1, 3])).toEqual([0, 4]);
    expect(turned("ArrowRight", [0, 4])).toEqual([1, 5]);
    expect(turned("0", [0, 4])).toBeNull();
    expect(turned("x", [0, 4])).toBeUndefined();
  });
});
