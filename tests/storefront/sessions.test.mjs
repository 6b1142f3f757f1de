// SPDX-License-Identifier: Apache-2.0
// Run by tests/storefront/test_client.py with `node --test`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Personalization } from "../../storefront/client/personalization.js";
import { Sessions } from "../../storefront/js/sessions.js";

const start = globalThis.setTimeout;
globalThis.setTimeout = (...timer) => start(...timer).unref();

const HOUR = 3_600_000;
let kept, asked, minutes, isRefused;

globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
globalThis.fetch = async (url, { body }) => {
  const { sessionToken } = JSON.parse(body);
  asked.push(sessionToken);
  if (sessionToken && isRefused) return new Response("{}", { status: 401 });
  const sessionId = sessionToken?.split(" ")[0] ?? `s-${asked.length}`;
  const expiresAt = new Date(Date.now() + minutes * 60_000).toISOString();
  return new Response(JSON.stringify({ token: `${sessionId} ${asked.length}`, sessionId, userId: sessionId, expiresAt }), { status: 201 });
};

async function open() {
  const sessions = new Sessions("http://api/shops/green/sessions");
  const client = new Personalization({ baseUrl: "http://api", shop: "green", delay: HOUR });
  await sessions.follow(client);
  return { sessions, client };
}

const authorization = async ({ sessions, client }) => (await sessions.headers(client)).authorization;

beforeEach(() => {
  [kept, asked, minutes, isRefused] = [new Map(), [], 60, false];
});

test("a visitor's first page begins a session, the next one goes on in it", async () => {
  const first = await open();
  assert.equal(first.client.sessionId, "s-1");
  const next = await open();
  assert.deepEqual([next.client.sessionId, await authorization(next), asked.length], ["s-1", "Bearer s-1 1", 1]);
});

test("shelves that ask at once wait for one session", async () => {
  const page = await open();
  minutes = 0.5;
  await page.sessions.restart();
  minutes = 60;
  asked = [];
  const told = await Promise.all([1, 2, 3].map(() => authorization(page)));
  assert.deepEqual([new Set(told).size, asked.length], [1, 1]);
});

test("a token is renewed before its end, for the same session", async () => {
  minutes = 0.5;
  const page = await open();
  minutes = 60;
  assert.equal(await authorization(page), "Bearer s-1 2");
  assert.deepEqual(asked, [undefined, "s-1 1"]);
});

test("where the session has ended, the next takes what waits along", async () => {
  minutes = 0.5;
  const page = await open();
  page.client.track("Purchase", { itemId: "a" });
  [minutes, isRefused] = [60, true];
  await page.sessions.ready();
  assert.deepEqual([page.client.sessionId, page.client.pending[0].sessionId], ["s-3", "s-3"]);
  assert.equal(await authorization(page), "Bearer s-3 3");
});

test("another stranger leaves the token of the one before for what waits", async () => {
  const page = await open();
  await page.sessions.restart();
  assert.equal(page.client.sessionId, "s-2");
  assert.deepEqual(await page.sessions.headers({ sessionId: "s-1" }), { authorization: "Bearer s-1 1" });
  assert.deepEqual(await page.sessions.headers({ sessionId: "elsewhere" }), {});
});

test("a token that is not taken any more is not shown again", async () => {
  const page = await open();
  page.sessions.refused();
  assert.equal(await authorization(page), "Bearer s-2 2");
  assert.equal(page.client.sessionId, "s-2");
});

test("a browser without storage has its session for the page", async () => {
  globalThis.localStorage = { getItem() { throw new Error("blocked"); }, setItem() { throw new Error("blocked"); } };
  const page = await open();
  assert.equal(await authorization(page), await authorization(page));
  assert.equal(asked.length, 1);
});
