import { afterEach, expect, test } from "vitest";
import { stepName } from "../src/facts";
import { inWords } from "../src/lab/settings";
import { lettersOf } from "../src/ui/format";
import { filled, saidBy, speak, Told, trans } from "../src/words";

afterEach(() => speak(undefined));

test("without anybody who translates it is English", () => {
  expect(trans.__("step %1 of %2", 3, 5)).toBe("step 3 of 5");
  expect([1, 2].map((n) => trans._n("%1 run: %2", "%1 runs: %2", n, "a"))).toEqual([
    "1 run: a",
    "2 runs: a",
  ]);
  expect(trans._p("setting", "norm")).toBe("norm");
});

test("what the extension was given speaks in every bundle of the page, also in a later one", () => {
  const other: Record<string, string> = { "step %1": "第 %1 步", norm: "范数", "setting\u0004norm": "归一化" };
  const say = (key: string, text: string, values: unknown[]) => filled(other[key] ?? text, ...values);
  speak({
    __: (text, ...values) => say(text, text, values),
    _n: (_, many, count, ...values) => say(many, many, [count, ...values]),
    _p: (context, text, ...values) => say(`${context}\u0004${text}`, text, values),
  });
  expect(stepName(2)).toBe("第 2 步");
  expect([trans.__("norm"), trans._p("setting", "norm")]).toEqual(["范数", "归一化"]);
  const told = new Told("step %1", 4); // as from a worker, whose page speaks
  expect([told.message, saidBy(told), saidBy(new Error("plain"))]).toEqual(["step 4", "第 4 步", "plain"]);
});

test("settings are said in it too, and nothing else of them changes", () => {
  speak({ __: (text) => text.toUpperCase(), _n: (one) => one, _p: (_, text) => text });
  const schema = {
    type: "object",
    title: "Workbench",
    description: "Where.",
    properties: { seed: { title: "Seed", description: "Of.", type: "integer", default: 3 } },
  };
  const data = { composite: {}, user: {} };
  expect(inWords({ id: "one", raw: "{}", version: "1", data, schema: schema as never })).toEqual({
    ...{ id: "one", raw: "{}", version: "1", data },
    schema: {
      ...{ type: "object", title: "WORKBENCH", description: "WHERE." },
      properties: { seed: { title: "SEED", description: "OF.", type: "integer", default: 3 } },
    },
  });
});

test("a Chinese sign takes the room of two letters", () => {
  expect(["layer", "内循环步", "第 2 步"].map(lettersOf)).toEqual([5, 8, 7]);
});
