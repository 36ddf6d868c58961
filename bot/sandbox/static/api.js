// Calls to the sandbox, and news from it.

import { say, toast } from "./dom.js";

const ROOT = "/sandbox/api";

async function call(path, options) {
  const response = await fetch(ROOT + path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export const get = (path) => call(path);

export function post(path, body = {}) {
  return call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

export async function act(person, verb, body) {
  try {
    return await post(`/people/${person}/${verb}`, body);
  } catch (error) {
    toast(say("failed", { why: error.message }));
    return null;
  }
}

export function onNews(refresh) {
  let busy = false;
  let again = false;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await refresh().catch(() => {});
    } while (again);
    busy = false;
  };
  const source = new EventSource(`${ROOT}/events`);
  let told = false;
  source.onmessage = () => {
    told = false;
    run();
  };
  source.onerror = () => {
    if (!told) toast(say("offline"));
    told = true;
  };
  return run;
}
