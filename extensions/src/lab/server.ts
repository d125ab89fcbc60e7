/** Our part of JupyterLab's server, as it answers. */

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import { trans } from "../words";

/** Gets what an address below /workbench says; with a body, posts it. A refusal is its sentence. */
export type Ask = <Answer>(path: string, body?: object) => Promise<Answer>;

export function serverOf(settings: ServerConnection.ISettings): Ask {
  return async (path, body) => {
    const url = URLExt.join(settings.baseUrl, "workbench", path);
    const request = body ? { method: "POST", body: JSON.stringify(body) } : { method: "GET" };
    const answer = await ServerConnection.makeRequest(url, request, settings);
    const said = await answer.text();
    if (answer.ok) return JSON.parse(said);
    if (answer.status === 404)
      throw new Error(trans.__("This server runs without the workbench's part: start it anew."));
    throw new Error(messageIn(said) ?? trans.__("The server answered %1.", answer.status));
  };
}

function messageIn(said: string): string | undefined {
  try {
    return JSON.parse(said).message;
  } catch {
    return undefined;
  }
}
