/** A panel's model that no kernel stands behind: the page answers what a view asks. */

import { START, type Model } from "../store";

/** What is asked of Python, and here of somebody else: the answer, or a refusal. */
export type Answers = Record<string, (args: any) => unknown>;

/** The traits that every panel has, as far as nothing else is said of them. */
const USUAL = { cursor: START, problem: {}, progress: {}, frames: {}, about: {} };

export class Answering implements Model {
  protected readonly traits: Record<string, any>;
  private readonly heard = new Map<string, Set<(...args: any[]) => void>>();

  /** Of `view`; `refusal` is said where there is no answer to a command. */
  constructor(
    view: string,
    protected readonly answers: Answers,
    private readonly refusal: (command: string) => string,
  ) {
    const session = `${view}-${Math.random().toString(36).slice(2)}`;
    this.traits = { ...USUAL, cursor: { ...START }, view, session };
  }

  get(name: string): any {
    return this.traits[name];
  }

  set(name: string, value: any): void {
    this.traits[name] = value;
  }

  save_changes(): void {}

  send(content: any): void {
    const { id, command, args } = content;
    void (async () => {
      const answer = this.answers[command];
      if (!answer) throw new Error(this.refusal(command));
      return await answer(args);
    })().then(
      (result) => this.tell("msg:custom", { id, result }),
      (error: Error) => this.tell("msg:custom", { id, error: error.message }),
    );
  }

  on(event: string, callback: (...args: any[]) => void): void {
    if (!this.heard.has(event)) this.heard.set(event, new Set());
    this.heard.get(event)!.add(callback);
  }
  off(event: string, callback: (...args: any[]) => void): void {
    this.heard.get(event)?.delete(callback);
  }

  /** Says something else of these traits, as Python would. */
  protected change(traits: Record<string, any>): void {
    Object.assign(this.traits, traits);
    for (const name of Object.keys(traits)) this.tell(`change:${name}`);
  }

  private tell(event: string, ...args: any[]): void {
    for (const callback of [...(this.heard.get(event) ?? [])]) callback(...args);
  }
}
