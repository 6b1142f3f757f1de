// SPDX-License-Identifier: Apache-2.0
/** The server of this page: facts by GET, with the key that the page was opened with. */

import { store, stored } from "./dom.js";
import { current } from "./i18n.js";

const BUSY = 1500;
const QUIET = 4000;
/** Milliseconds between two looks while something runs, and while nothing does. */

/** Take the key out of the address, where `open` put it: it must not stay in the history. */
export function takeKey() {
  const key = /^#key=([0-9a-f]{20,80})$/.exec(location.hash)?.[1];
  if (!key) return;
  store("key", key);
  history.replaceState(null, "", "#/");
}

/** A refusal: `code` is `down`, `key` or `refused`. */
export class Refusal extends Error {
  constructor(status, code, detail) {
    super(detail);
    Object.assign(this, { status, code });
  }
}

/** What the server answers to a path below /api. Throws a Refusal. */
export async function ask(path, body) {
  const headers = { "Accept-Language": current(), Authorization: `Bearer ${stored("key")}`, ...(body && { "Content-Type": "application/json" }) };
  let answer, content;
  try {
    answer = await fetch(`api/${path}`, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
    content = await answer.json();
  } catch {
    throw new Refusal(0, "down", "");
  }
  if (!answer.ok) throw new Refusal(answer.status, content.code ?? "refused", content.detail ?? content.title);
  if (content.command) store("command", content.command);
  return content;
}

/** A text whose commands can be pasted: as they are typed where the cloud was started. */
export const asTyped = (text) => text.replace(/python -m local ([a-z-]+)/g, (_, word) => stored("command", ".venv/bin/python -m local command").replace("command", word));

/** A path of its parts, whatever characters these have. */
export const path = (...parts) => parts.map(encodeURIComponent).join("/");

/** The address of a shop's page, or of one below it. */
export const shopHref = (shop, ...rest) => `#/${path("s", shop, ...rest)}`;

let turn = 0;

/**
 * Ask for paths again and again, and hand the answers to `show`, until the next call; a hidden page asks nothing.
 * `failed` takes a Refusal, or null once there are answers again.
 */
export async function live(paths, show, failed) {
  turn += 1;
  const started = turn;
  while (started === turn) {
    let isBusy = false;
    try {
      const answers = await Promise.all(paths().map((part) => ask(part)));
      if (started !== turn) return;
      failed(null);
      isBusy = show(...answers);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      if (started !== turn) return;
      failed(refusal);
      if (refusal.code === "key") return;
    }
    await pause(isBusy ? BUSY : QUIET);
  }
}

let wake = () => {};

/** Look again now. */
export const look = () => wake();

/** Return after some milliseconds, or when somebody wants a look, but not while nobody sees the page. */
async function pause(milliseconds) {
  await new Promise((end) => {
    wake = end;
    setTimeout(end, milliseconds);
  });
  while (document.hidden) await new Promise((end) => document.addEventListener("visibilitychange", end, { once: true }));
}
