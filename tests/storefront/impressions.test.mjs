// SPDX-License-Identifier: Apache-2.0
// Run by tests/storefront/test_client.py with `node --test`.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Impressions } from "../../storefront/client/impressions.js";

let requests, status, stored, page, look, client;

mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
globalThis.IntersectionObserver = class {
  constructor(told) { look = (target, intersectionRatio = 1) => told([{ target, intersectionRatio }]); }
  observe() {}
  unobserve() {}
};
globalThis.addEventListener = (name, heard) => (page[name] = heard);

const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
const element = () => ({ isConnected: true });
const settle = () => new Promise((done) => setImmediate(done));
const waiting = () => JSON.parse(stored.get("personalization:my shop:seen") ?? "[]");

async function fetch(address, options) {
  requests.push({ ...options, address, body: JSON.parse(options.body) });
  return new Response("{}", { status });
}

function open(options = {}) {
  globalThis.document = { hidden: false, addEventListener: (name, heard) => (page[name] = heard) };
  return new Impressions(client, { baseUrl: "http://api/v1", shop: "my shop", fetch, storage, ...options });
}

/** Somebody sees items, each for a second. */
function see(seen, listId, ...items) {
  for (const item of items) {
    const card = element();
    seen.watch(card, listId, item);
    look(card);
    mock.timers.tick(1000);
  }
}

beforeEach(() => {
  [requests, status, stored, page] = [[], 202, new Map(), {}];
  client = { sessionId: "s-1", userId: undefined };
});

test("an item counts that half was on screen for a second, and once in its list", () => {
  const seen = open(), [short, small, whole] = [element(), element(), element()];
  [short, small, whole].forEach((card, number) => seen.watch(card, "L-1", `i${number}`));
  look(short);
  mock.timers.tick(900);
  look(short, 0.2);
  look(small, 0.49);
  look(whole, 0.5);
  mock.timers.tick(1000);
  look(whole);
  mock.timers.tick(1000);
  see(seen, "L-1", "i2");
  see(seen, null, "i9");
  assert.deepEqual(seen.pending.map(({ listId, itemIds, seenAt }) => [listId, itemIds, seenAt]), [["L-1", ["i2"], 1_800_000_001]]);
});

test("three lists go at the end of a page, in one request that outlives it; fewer wait for the next page", async () => {
  const seen = open();
  see(seen, "L-1", "a", "b");
  see(seen, "L-2", "a");
  page.pagehide();
  await settle();
  assert.equal(requests.length, 0);
  const next = open({ headers: ({ sessionId }) => ({ authorization: sessionId }) });
  see(next, "L-3", "c");
  page.pagehide();
  document.hidden = true;
  page.visibilitychange();
  await settle();
  assert.equal(requests.length, 1);
  const [{ address, keepalive, method, headers, body }] = requests;
  assert.deepEqual([method, address, keepalive, headers.authorization], ["POST", "http://api/v1/shops/my%20shop/impressions", true, "s-1"]);
  assert.deepEqual(body.lists.map(({ listId, itemIds }) => [listId, ...itemIds]), [["L-1", "a", "b"], ["L-2", "a"], ["L-3", "c"]]);
  assert.deepEqual([body.sessionId, body.userId, waiting()], ["s-1", undefined, []]);
});

test("what the API does not take at the moment waits, and what it refuses does not", async () => {
  for (const [answer, left] of [[503, 3], [401, 3], [400, 0]]) {
    const seen = open();
    see(seen, "L-1", "a");
    see(seen, "L-2", "a");
    see(seen, "L-3", "a");
    status = answer;
    await seen.leave();
    assert.equal(seen.pending.length, left, answer);
    stored.clear();
  }
});

test("what somebody saw before the login is told as it was seen, and of one visitor at a time", async () => {
  const seen = open();
  see(seen, "L-1", "a");
  client = Object.assign(client, { userId: "u-1" });
  see(seen, "L-2", "a");
  await seen.leave();
  assert.deepEqual(requests.map(({ body }) => [body.userId, body.lists.length]), [[undefined, 1]]);
  assert.deepEqual(waiting().map(({ userId }) => userId), ["u-1"]);
});

test("a page that goes on sends twenty at a time", async () => {
  const seen = open();
  for (let number = 0; number < 20; number += 1) see(seen, `L-${number}`, "a");
  await settle();
  assert.deepEqual(requests.map(({ body }) => body.lists.length), [20]);
});

test("nothing is seen in a tab behind another", () => {
  const seen = open(), card = element();
  seen.watch(card, "L-1", "a");
  look(card);
  document.hidden = true;
  page.visibilitychange();
  mock.timers.tick(5000);
  look(card);
  mock.timers.tick(5000);
  assert.deepEqual(seen.pending, []);
});

test("a page without storage remembers by itself", () => {
  const seen = open({ storage: { getItem: () => { throw new Error("blocked"); }, setItem: () => { throw new Error("blocked"); } } });
  see(seen, "L-1", "a", "b");
  assert.deepEqual(seen.pending.map(({ itemIds }) => itemIds), [["a", "b"]]);
});
