// SPDX-License-Identifier: Apache-2.0
// Run by tests/storefront/test_client.py with `node --test`.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ApiError, Personalization } from "../../storefront/client/personalization.js";

// An event waits for others by a timer, which must not keep this process.
const start = globalThis.setTimeout;
globalThis.setTimeout = (...timer) => start(...timer).unref();

let requests, answers, waits, stored;

const reply = (status, document = {}, headers = {}) => new Response(JSON.stringify(document), { status, headers });
const accept = (request) => reply(202, { accepted: request.body.events.length, events: [] });
const list = (...ids) => ({ recommendationId: "RID-1", items: ids.map((itemId) => ({ itemId, score: 1, source: "campaign" })) });
const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };

async function fetch(address, options) {
  const request = { ...options, address, path: address.replace("http://api/v1/shops/my%20shop", ""), body: options.body && JSON.parse(options.body) };
  requests.push(request);
  const next = answers.length > 1 ? answers.shift() : answers[0];
  const answer = typeof next === "function" ? next(request) : next;
  if (answer instanceof Error) throw answer;
  return answer;
}

function open(options = {}) {
  const wait = async (milliseconds) => void waits.push(milliseconds);
  return new Personalization({ baseUrl: "http://api/v1", shop: "my shop", delay: 1e6, fetch, wait, storage, ...options });
}

const sent = () => requests.flatMap(({ body }) => body.events);

beforeEach(() => {
  [requests, waits, stored, answers] = [[], [], new Map(), [accept]];
});

test("lists are asked for the session, then for the user", async () => {
  answers = [() => reply(200, list("a"))];
  const shop = open();
  const { items } = await shop.recommend({ limit: 5, filter: undefined, context: { DEVICE: "phone" }, filterValues: { brand: "x y" } });
  shop.login("Zoë/1");
  await shop.recommend();
  await shop.similar("a b");
  await shop.popular({ limit: 3 });
  await shop.ranking(["a", "b"]);
  assert.equal(items[0].itemId, "a");
  assert.equal(requests[0].path, `/users/${shop.sessionId}/recommendations?limit=5&filterValues.brand=x+y&context.DEVICE=phone`);
  assert.deepEqual(requests.slice(1).map(({ method, path }) => `${method} ${path.replace(/\?$/, "")}`), [
    "GET /users/Zo%C3%AB%2F1/recommendations", "GET /items/a%20b/similar", "GET /popular?limit=3", "POST /users/Zo%C3%AB%2F1/ranking",
  ]);
  assert.deepEqual(requests[4].body, { itemIds: ["a", "b"] });
});

test("placements are asked for one by one or for a page, and events know of which answer they are", async () => {
  const [home, cart] = [["home", "RID-1", "a"], ["cart", "RID-2", "b"]].map(([placement, recommendationId, item]) => ({ placement, ...list(item), recommendationId }));
  answers = [reply(200, home), reply(200, { placements: [home, cart] }), accept];
  const shop = open();
  shop.login("u1");
  await shop.placement("home", { limit: 3, next: "N1", excludeItemIds: ["x", "y"] });
  const page = await shop.placements(["home", "cart"], { itemId: "i", excludeItemIds: ["x"], filterValues: { MOST: 3 } });
  shop.track("View", { itemId: "b" });
  await shop.flush();
  const { visitorId } = shop;
  assert.equal(requests[0].path, `/users/u1/placements/home?limit=3&next=N1&excludeItemIds=x&excludeItemIds=y&visitorId=${visitorId}`);
  assert.equal(`${requests[1].method} ${requests[1].path}`, `POST /users/u1/placements?visitorId=${visitorId}&filterValues.MOST=3`);
  assert.deepEqual(requests[1].body, { placements: ["home", "cart"], itemId: "i", excludeItemIds: ["x"] });
  assert.deepEqual(page.placements.map(({ placement }) => placement), ["home", "cart"]);
  assert.deepEqual([requests[2].body.events[0].recommendationId, requests[2].body.events[0].impression], ["RID-2", ["b"]]);
});

test("a browser keeps one visitor's id, over logins, logouts and pages", async () => {
  answers = [() => reply(200, { placement: "home", ...list("a") })];
  const shop = open(), { visitorId } = shop;
  assert.match(visitorId, /^[A-Za-z0-9_-]{21}[AQgw]$/);
  shop.login("u1");
  shop.logout();
  assert.equal(shop.visitorId, visitorId);
  await open().placement("home");
  assert.equal(new URL(requests[0].address).searchParams.get("visitorId"), visitorId);
  await shop.recommend();
  assert.equal(new URL(requests[1].address).searchParams.get("visitorId"), null);
  answers = [accept];
  shop.track("View", { itemId: "a" });
  await shop.flush();
  assert.equal(requests[2].body.visitorId, visitorId);
  assert.equal(requests[2].body.events[0].visitorId, undefined);
  stored.clear();
  assert.notEqual(open().visitorId, visitorId);
});

test("where a browser keeps nothing, a stranger is no visitor", async () => {
  const refuse = () => { throw new Error("refused"); };
  answers = [() => reply(200, { placements: [] }), accept];
  for (const blocked of [{ getItem: refuse, setItem: refuse }, { getItem: () => null, setItem: refuse }]) {
    requests = [];
    answers = [() => reply(200, { placements: [] })];
    const shop = open({ storage: blocked });
    assert.equal(shop.visitorId, undefined);
    await shop.placements(["home"]);
    shop.login("u1");
    await shop.placements(["home"]);
    assert.deepEqual(requests.map(({ path }) => path.split("?")[1]), ["visitorId=none", ""]);
  }
});

test("who objects has no visitor's id, and all lists say so", async () => {
  answers = [() => reply(200, { placements: [], ...list("a") })];
  const shop = open(), { visitorId } = shop;
  await shop.personalize(true);
  assert.equal(shop.visitorId, visitorId);
  await shop.personalize(false);
  assert.deepEqual([shop.objects, shop.visitorId, open().objects], [true, undefined, true]);
  assert.equal(requests.length, 0);
  for (const ask of [() => shop.placements(["home"]), () => shop.recommend(), () => shop.popular({ limit: 3 })]) await ask();
  assert.deepEqual(requests.map(({ path }) => path.split("?")[1]), ["personalize=false", "personalize=false", "personalize=false&limit=3"]);
  assert.doesNotMatch([...stored.values()].join(), new RegExp(visitorId));
  await shop.personalize(true);
  assert.match(shop.visitorId, /^.{22}$/);
  assert.notEqual(shop.visitorId, visitorId);
});

test("what somebody does who objects follows no list of before", async () => {
  answers = [() => reply(200, { listId: "L", ...list("a") })];
  const shop = open();
  await shop.recommend();
  shop.track("View", { itemId: "a" });
  await shop.personalize(false);
  shop.track("Click", { itemId: "a" });
  [answers, requests] = [[accept], []];
  await shop.flush();
  assert.deepEqual(sent().map(({ eventType, listId }) => [eventType, listId]), [["View", undefined], ["Click", undefined]]);
});

test("a user's choice is stored", async () => {
  answers = [() => reply(202, { enabled: false })];
  const shop = open();
  shop.login("u1");
  await shop.personalize(false);
  assert.deepEqual([requests[0].method, requests[0].path, requests[0].body], ["PUT", "/users/u1/personalization", { enabled: false }]);
  answers = [() => reply(403, { detail: "no" })];
  await assert.rejects(shop.personalize(false), { status: 403 });
  assert.equal(shop.objects, true);
});

test("headers come with each call, and may take their time", async () => {
  answers = [() => reply(200, list("a"))];
  let token = 0;
  const shop = open({ headers: async () => ({ authorization: `t${++token}` }) });
  await shop.popular();
  await shop.ranking(["a"]);
  assert.deepEqual(requests.map(({ headers }) => headers), [{ authorization: "t1" }, { "content-type": "application/json", authorization: "t2" }]);
});

test("events go ten at a time, with the time and the id of when they happened", async () => {
  const shop = open();
  const ids = Array.from({ length: 23 }, (_, number) => shop.track("View", { itemId: `i${number}` }));
  assert.equal(await shop.flush(), 0);
  assert.deepEqual(requests.map(({ body }) => body.events.length), [10, 10, 3]);
  assert.deepEqual(sent().map(({ eventId }) => eventId), ids);
  assert.equal(new Set(ids).size, 23);
  assert.ok(sent().every(({ sentAt, sessionId }) => Math.abs(Date.parse(sentAt) - Date.now()) < 60000 && sessionId === undefined));
});

test("a tenth event does not wait for the others", async () => {
  const shop = open();
  for (let number = 0; number < 10; number++) shop.track("View", { itemId: "a" });
  await shop.flush();
  assert.deepEqual(requests.map(({ body }) => body.events.length), [10]);
});

test("login joins: what went before is of the session alone, what comes after names both", async () => {
  const shop = open();
  const { sessionId } = shop;
  shop.track("View", { itemId: "a" });
  shop.login("u1");
  shop.track("Purchase", { itemId: "a" });
  shop.logout();
  shop.track("View", { itemId: "b" });
  await shop.flush();
  assert.deepEqual(requests.map(({ body }) => [body.sessionId === sessionId, body.userId]), [[true, undefined], [true, "u1"], [false, undefined]]);
});

test("a stranger's session may be the one that a token is for", async () => {
  answers = [() => reply(200, list("a")), accept];
  const shop = open();
  shop.login("u1");
  shop.logout("s-1");
  await shop.recommend();
  shop.track("View", { itemId: "a" });
  await shop.flush();
  assert.equal(requests[0].path, "/users/s-1/recommendations?");
  assert.deepEqual([requests[1].body.sessionId, requests[1].body.userId], ["s-1", undefined]);
});

test("an event brings the recommendation and the impression that it came from", async () => {
  const ids = Array.from({ length: 30 }, (_, number) => `i${number}`);
  answers = [() => reply(200, { ...list(...ids), listId: "L-1" }), accept];
  const shop = open();
  await shop.recommend();
  shop.track("View", { itemId: "i2" });
  shop.track("View", { itemId: "elsewhere" });
  shop.track("View", { itemId: "i3", recommendationId: "mine", impression: ["i3"] });
  await shop.flush();
  const [from, without, own] = requests[1].body.events;
  assert.deepEqual([from.recommendationId, from.listId, from.impression], ["RID-1", "L-1", ids.slice(0, 25)]);
  assert.deepEqual([without.recommendationId, without.impression], [undefined, undefined]);
  assert.deepEqual([own.recommendationId, own.impression], ["mine", ["i3"]]);
});

test("an event brings what belongs to the list that it names, where two lists have its item", async () => {
  answers = [reply(200, { ...list("a", "b"), listId: "L-1" }), reply(200, { ...list("c", "a"), recommendationId: "RID-2", listId: "L-2" }), accept];
  const shop = open();
  await shop.recommend();
  await shop.popular();
  shop.track("Click", { itemId: "a", listId: "L-1" });
  shop.track("Click", { itemId: "a" });
  shop.track("Click", { itemId: "a", listId: "L-of-another-page" });
  await shop.flush();
  assert.deepEqual(requests[2].body.events.map((event) => [event.listId, event.recommendationId, event.impression]), [
    ["L-1", "RID-1", ["a", "b"]], ["L-2", "RID-2", ["c", "a"]], ["L-of-another-page", undefined, undefined],
  ]);
});

test("an event brings the list of bestsellers that it came from, which no recommendation is", async () => {
  answers = [reply(200, { ...list("a"), recommendationId: null, listId: "L-2" }), accept];
  const shop = open();
  await shop.popular();
  shop.track("Click", { itemId: "a" });
  await shop.flush();
  const [{ recommendationId, listId, impression }] = requests[1].body.events;
  assert.deepEqual([recommendationId ?? null, listId, impression ?? null], [null, "L-2", null]);
});

test("in a list that two rankers share, an event brings the ids of its item's ranker and what that one showed", async () => {
  const items = [["a", "R-1", "L-1"], ["b", null, "L-2"], ["c", "R-1", undefined]].map(([itemId, recommendationId, listId]) => ({ itemId, recommendationId, listId }));
  answers = [reply(200, { recommendationId: null, listId: "L", items }), accept];
  const shop = open();
  await shop.placement("home");
  for (const itemId of "abc") shop.track("Click", { itemId });
  await shop.flush();
  const told = requests[1].body.events.map(({ recommendationId, listId, impression }) => [recommendationId ?? null, listId, impression ?? null]);
  assert.deepEqual(told, [["R-1", "L-1", ["a", "c"]], [null, "L-2", null], ["R-1", "L", ["a", "c"]]]);
});

test("Retry-After is honoured, else waits double and differ", async () => {
  answers = [reply(429, {}, { "retry-after": "2" }), reply(503), new TypeError("network"), reply(200, list("a"))];
  assert.equal((await open().popular()).items.length, 1);
  assert.equal(waits[0], 2000);
  assert.ok(waits[1] >= 250 && waits[1] <= 750 && waits[2] >= 500 && waits[2] <= 1500, String(waits));
});

test("an absurd Retry-After is a minute, a date is understood", async () => {
  const soon = new Date(Date.now() + 30000).toUTCString();
  answers = [reply(429, {}, { "retry-after": "86400" }), reply(503, {}, { "retry-after": soon }), reply(200, list("a"))];
  await open().popular();
  assert.equal(waits[0], 60000);
  assert.ok(waits[1] > 25000 && waits[1] <= 30000, String(waits));
});

test("a refusal is an error with its problem, and is not tried again", async () => {
  answers = [() => reply(400, { title: "Bad Request", detail: "limit is not", errors: [{ field: "limit", message: "no" }] })];
  await assert.rejects(open().popular(), (error) => error instanceof ApiError && error.status === 400 && error.message === "limit is not" && error.problem.errors.length === 1);
  assert.equal(requests.length, 1);
});

test("what does not answer is given up after its tries", async () => {
  answers = [new TypeError("network")];
  await assert.rejects(open({ retries: 2 }).popular(), TypeError);
  assert.equal(requests.length, 3);
});

test("a caller may give up", async () => {
  const controller = new AbortController();
  answers = [() => (controller.abort(), new DOMException("", "AbortError"))];
  await assert.rejects(open().popular({ signal: controller.signal }), { name: "AbortError" });
  assert.equal(requests.length, 1);
});

test("events outlive a lost network and the page", async () => {
  answers = [new TypeError("network")];
  const before = open({ retries: 0 });
  before.track("View", { itemId: "a" });
  before.track("View", { itemId: "b" });
  assert.equal(await before.flush(), 2);
  [requests, answers] = [[], [accept]];
  const after = open();
  assert.equal(after.sessionId, before.sessionId);
  assert.equal(await after.flush(), 0);
  assert.deepEqual(sent().map(({ itemId }) => itemId), ["a", "b"]);
});

test("the queue keeps the newest five hundred", async () => {
  answers = [new TypeError("network")];
  const shop = open({ retries: 0 });
  for (let number = 0; number < 520; number++) shop.track("View", { itemId: `i${number}` });
  await shop.flush();
  assert.equal(shop.pending.length, 500);
  assert.equal(shop.pending.at(-1).itemId, "i519");
});

test("what is half accepted is sent from there on", async () => {
  answers = [reply(202, { accepted: 2 }), accept];
  const shop = open();
  for (const itemId of ["a", "b", "c"]) shop.track("View", { itemId });
  assert.equal(await shop.flush(), 0);
  assert.deepEqual(requests.map(({ body }) => body.events.map(({ itemId }) => itemId)), [["a", "b", "c"], ["c"]]);
});

test("events that are refused for what they are do not stop the others", async () => {
  answers = [reply(400, { detail: "no" }), accept];
  const refused = [];
  const shop = open({ onRefused: (events, error) => refused.push([events[0].itemId, error.status]) });
  shop.track("View", { itemId: "bad" });
  shop.login("u1");
  shop.track("View", { itemId: "good" });
  assert.equal(await shop.flush(), 0);
  assert.deepEqual(refused, [["bad", 400]]);
  assert.equal(requests[1].body.events[0].itemId, "good");
});

test("events of a clock that is far off are sent again without their times", async () => {
  answers = [reply(400, { errors: [{ field: "events.0.sentAt", message: "leave it out" }] }), accept];
  const shop = open();
  const eventId = shop.track("View", { itemId: "a" });
  assert.equal(await shop.flush(), 0);
  const [first, second] = requests.map(({ body }) => body.events[0]);
  assert.ok(first.sentAt);
  assert.deepEqual(second, { eventId, eventType: "View", itemId: "a" });
});

test("a missing right keeps the events for better headers", async () => {
  answers = [() => reply(403)];
  const shop = open();
  shop.track("View", { itemId: "a" });
  assert.equal(await shop.flush(), 1);
  assert.equal(requests.length, 1);
});

test("leaving sends at once, by requests that outlive the page; unconfirmed ones keep their ids", async () => {
  answers = [() => new TypeError("the page is gone")];
  const shop = open();
  for (let number = 0; number < 8; number++) shop.track("View", { itemId: `i${number}` });
  shop.login("u1");
  const id = shop.track("View", { itemId: "last" });
  shop.leave();
  await new Promise(setImmediate);
  assert.deepEqual(requests.map(({ keepalive, body }) => [keepalive, body.events.length]), [[true, 8], [true, 1]]);
  assert.equal(shop.pending.length, 9);
  [requests, answers] = [[], [accept]];
  assert.equal(await open().flush(), 0);
  assert.equal(sent().at(-1).eventId, id);
});

test("a browser without storage, or with a full one, remembers for the page", async () => {
  for (const broken of [{ getItem() { throw new Error("blocked"); }, setItem() { throw new Error("blocked"); } }, { ...storage, setItem() { throw new Error("full"); } }]) {
    requests = [];
    const shop = open({ storage: broken });
    const { sessionId } = shop;
    shop.login("u1");
    shop.track("View", { itemId: "a" });
    assert.equal(await shop.flush(), 0);
    assert.deepEqual([requests[0].body.sessionId, requests[0].body.userId], [sessionId, "u1"]);
  }
});

test("two pages of one visitor share the queue and lose nothing", async () => {
  const [one, other] = [open(), open()];
  one.track("View", { itemId: "a" });
  other.track("View", { itemId: "b" });
  assert.equal(one.pending.length, 2);
  await one.flush();
  assert.deepEqual([sent().length, other.pending.length], [2, 0]);
});

test("each request is told, with its time and tries", async () => {
  answers = [reply(503), reply(200, list("a"))];
  const calls = [];
  await open({ onCall: (call) => calls.push(call) }).similar("a");
  assert.deepEqual(calls.map(({ method, status, tries }) => [method, status, tries]), [["GET", 503, 0], ["GET", 200, 1]]);
  assert.ok(calls.every(({ milliseconds, path }) => milliseconds >= 0 && path.startsWith("/items/a/similar")));
});

test("what is known of the visitor is put", async () => {
  answers = [() => reply(202, { status: "delivered" })];
  const shop = open();
  shop.login("u1");
  await shop.setUser({ AGE: "25-34" });
  assert.deepEqual([requests[0].method, requests[0].path, requests[0].body], ["PUT", "/users/u1", { properties: { AGE: "25-34" } }]);
});

test("an event of an ended session is sent with what proves that session", async () => {
  const tokens = new Map();
  const shop = open({ headers: ({ sessionId, userId }) => ({ authorization: `${tokens.get(sessionId)} ${userId}` }) });
  tokens.set(shop.sessionId, "first");
  shop.login("u1");
  shop.track("Purchase", { itemId: "a" });
  tokens.set("s-2", "second");
  shop.logout("s-2");
  shop.track("View", { itemId: "b" });
  assert.equal(await shop.flush(), 0);
  assert.deepEqual(requests.map(({ headers, body }) => [headers.authorization, body.events[0].itemId]), [["first u1", "a"], ["second undefined", "b"]]);
  answers = [() => reply(200, list("a"))];
  await shop.popular();
  assert.equal(requests.at(-1).headers.authorization, "second undefined");
});

test("a session that may not send holds up no other, and is tried again", async () => {
  answers = [({ body }) => (body.sessionId === "s-2" ? accept({ body }) : reply(403))];
  const shop = open();
  shop.track("Purchase", { itemId: "a" });
  shop.logout("s-2");
  shop.track("View", { itemId: "b" });
  shop.track("View", { itemId: "c" });
  assert.equal(await shop.flush(), 1);
  assert.deepEqual(requests.map(({ body }) => body.events.length), [1, 2]);
  assert.equal(shop.pending[0].itemId, "a");
  answers = [accept];
  assert.equal(await shop.flush(), 0);
  assert.equal(sent().at(-1).itemId, "a");
});

test("what waits goes along into the session that follows, and what is another's does not", async () => {
  const shop = open();
  const before = shop.sessionId;
  shop.track("View", { itemId: "a" });
  shop.logout("s-2");
  const id = shop.track("Purchase", { itemId: "b" });
  shop.login("u1");
  shop.renew("s-3");
  assert.deepEqual([shop.sessionId, shop.userId], ["s-3", "u1"]);
  assert.equal(await shop.flush(), 0);
  assert.deepEqual(requests.map(({ body }) => body.sessionId), [before, "s-3"]);
  assert.equal(requests[1].body.events[0].eventId, id);
});
