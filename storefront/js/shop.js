// SPDX-License-Identifier: Apache-2.0
/** The shop's state: catalogue, cart, who is shopping; and what a click does. */

import { Impressions } from "../client/impressions.js";
import { Personalization } from "../client/personalization.js";
import { announce, keep, kept } from "./dom.js";
import { Filed, Served } from "./goods.js";
import { inShop, t } from "./i18n.js";
import * as panel from "./panel.js";
import { allow, pictureOf } from "./pictures.js";
import { Sessions } from "./sessions.js";

const NAMED = 100;
/** Items that one request for rows may name. */
const PATIENCE = 1000;
/** Milliseconds for which a page waits for an event. */

export const shop = { name: "", title: "", items: new Map(), columns: {}, departments: [], total: 0, featured: [], shoppers: [], profiles: {}, placements: new Set(), client: undefined, seen: undefined, sessions: undefined };
const cart = new Map(kept("cart", []));
let goods;
let isGrocer = false;
const looked = new Map();
/** Ids whose rows are there, or on their way: what resolves then. */

/** Load what pages need at first, and open the API's client. */
export async function open() {
  const response = await fetch("catalogue.json");
  const { shop: name, title, language, currency, drawings, columns, origins, departments, total, featured, shoppers, profiles, placements, files, api = "/api", tokens = false } = await response.json();
  inShop(language, currency);
  isGrocer = drawings === "groceries";
  allow(origins, isGrocer ? (await import("./tiles.js")).tile : undefined);
  goods = files ? new Filed(files, departments) : new Served();
  Object.assign(shop, { name, title, columns, departments, total, shoppers, profiles, origins, placements: new Set(placements), isHere: !tokens });
  shop.isDrawn = isGrocer;
  shop.featured = featured.map(learned);
  const baseUrl = location.origin + api;
  if (tokens) shop.sessions = new Sessions(`${baseUrl}/shops/${encodeURIComponent(name)}/sessions`);
  const here = { "x-time-zone": Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" };
  const headers = async (who) => ({ ...here, ...(await shop.sessions?.headers(who)) });
  shop.client = new Personalization({ baseUrl, shop: name, delay: 200, onCall: called, headers });
  shop.seen = new Impressions(shop.client, { baseUrl, shop: name, headers });
  await shop.sessions?.follow(shop.client);
}

/** Learn an item from its row. */
function learned([id, name, price, image, l1, l2]) {
  if (!looked.has(id)) looked.set(id, Promise.resolve());
  const fresh = item({ id, name, price, image, l1, l2 });
  const before = shop.items.get(id);
  // What an answer told of it is newer; what it did not tell, the row does.
  const isNewer = (key) => before?.isTold && (key === "isNamed" || key === "name" || key === "title" ? before.isNamed : before[key] !== undefined && before[key] !== "");
  shop.items.set(id, Object.assign(before ?? {}, Object.fromEntries(Object.entries(fresh).filter(([key]) => !isNewer(key)))));
  return shop.items.get(id);
}

/** Learn the items of these ids of which no row is there yet. Where items are in files, an answer's columns do. */
export async function learn(ids) {
  if (!shop.total) return;
  const wanted = [...new Set(ids)].filter((id) => id && !looked.has(id) && (shop.isHere || !shop.items.get(id)?.isTold));
  for (let at = 0; at < wanted.length; at += NAMED) {
    const part = wanted.slice(at, at + NAMED);
    const coming = goods.rows(part).then((rows) => void rows.forEach(learned), () => part.forEach((id) => looked.delete(id)));
    for (const id of part) looked.set(id, coming);
  }
  await Promise.all(ids.map((id) => looked.get(id)));
}

/** A request was made. */
function called(made) {
  if (made.status === 401) shop.sessions?.refused();
  for (const list of made.answer?.placements ?? [made.answer]) list?.items?.forEach?.(known);
  panel.call({ ...made, sessionId: shop.client.sessionId });
}

/** Resolves once the visitor may ask. */
export const ready = async () => shop.sessions?.ready();

/**
 * An item. The demo's names are taken apart: `Chunky Soup 18.6 oz (maker 1251)` has a title and a detail. A name of another shop is
 * its title as it stands.
 */
function item({ id, name, price, image, l1, l2 }) {
  const [, plain, maker = ""] = (isGrocer && /^(.*?)(?:\s+\(([^()]*)\))?$/s.exec(name || id)) || [name || id, name || id];
  const [, title, size = ""] = (isGrocer && /^(.*?)(?:\s+(\d[\d./-]*(?:\s[a-z. ]+)?))?$/s.exec(plain)) || [plain, plain];
  const detail = isGrocer ? [size, maker].filter(Boolean).join(" · ") : l2 || l1 || "";
  return { id, isNamed: Boolean(name), name: name || id, title: title || plain, detail, price: price ?? undefined, image: pictureOf(image), l1: l1 ?? "", l2: l2 ?? "" };
}

/** The first of several values, which a cell has with `|` between them. */
const first = (cell) => cell?.split("|")[0].trim();

/** What is known of an item of an answer: its columns, which are newer than its row, over those known before. */
export function known({ itemId, metadata = {} }) {
  const before = shop.items.get(itemId);
  const told = Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toUpperCase(), value]));
  const cell = (field) => told[(shop.columns[field] ?? "").toUpperCase()];
  const name = cell("name") ?? told.NAME ?? told.PRODUCT_NAME ?? told.ITEM_NAME ?? told.TITLE ?? (before?.isNamed ? before.name : undefined);
  const price = cell("price") && Number.isFinite(Number(cell("price"))) ? Number(cell("price")) : before?.price;
  const image = cell("image") ?? before?.image;
  const [l1, l2] = [first(cell("l1")) ?? before?.l1, first(cell("l2")) ?? before?.l2];
  const isTold = Boolean(before?.isTold || Object.keys(metadata).length);
  if (before && before.isTold === isTold && before.isNamed === Boolean(name) && before.name === (name || itemId) && before.price === price && before.image === pictureOf(image) && before.l1 === (l1 ?? "") && before.l2 === (l2 ?? "")) return before;
  shop.items.set(itemId, Object.assign(before ?? {}, item({ id: itemId, name, price, image, l1, l2 }), { isTold }));
  return shop.items.get(itemId);
}

/** The item of an id. */
export const itemOf = (id) => known({ itemId: id });

/** Who is shopping: a sample shopper, a new one, or undefined for a stranger. */
export function shopper() {
  const { userId } = shop.client;
  if (!userId) return undefined;
  const sample = shop.shoppers.find(({ id }) => id === userId);
  return sample ?? { id: userId, facts: kept("facts", {}), last: [], often: [], isNew: userId.startsWith("new-") };
}

/** How a person calls a shopper: by what is known of them. */
export function nameOf(someone) {
  if (!someone) return t("stranger");
  const { AGE, KIDS } = someone.facts;
  const kids = KIDS && t("kids", { count: KIDS });
  const about = [AGE && t("age", { age: AGE.replace("-", "–") }), kids].filter(Boolean).join(", ");
  if (someone.isNew) return about ? `${t("newcomer")} (${about})` : t("newcomer");
  return about || t("customer", { id: someone.id });
}

/** Log in; `facts` are set for a new shopper. */
export async function logIn(id, facts) {
  keep("facts", facts ?? {});
  shop.client.login(id);
  panel.another();
  panel.cause("login", { name: nameOf(shopper()) });
  if (facts) await shop.client.setUser(facts).catch(() => {});
}

/** A stranger again. */
export async function logOut() {
  if (shop.sessions) await shop.sessions.restart();
  else shop.client.logout();
  keep("viewed", []);
  panel.another();
  panel.cause("logout");
}

let listOf = {};
const cameBy = ({ id }) => (listOf[id] ? { listId: listOf[id] } : {});

/** Send events now, and tell the shelves that the shopper has moved. */
export async function happened(events) {
  for (const [type, fields] of events) shop.client.track(type, fields);
  await shop.client.flush();
}

/** The shopper follows the card of an item in a list: what happens on its page is told of that list. */
export function come(item, listId) {
  listOf = { [item.id]: listId ?? undefined };
}

/** The shopper looks at an item. Lists do not wait long for an API that does not take the event. */
export async function view(seen) {
  keep("viewed", [seen.id, ...kept("viewed", []).filter((id) => id !== seen.id)].slice(0, 12));
  const told = happened([["View", { itemId: seen.id, ...cameBy(seen) }]]).catch(() => {});
  await Promise.race([told, new Promise((done) => setTimeout(done, PATIENCE))]);
}

/** Items that were looked at, newest first. */
export const viewed = () => kept("viewed", []);

/** What is in the cart: `[id, quantity]`, in the order it was put there. */
export const lines = () => [...cart];

/** How many pieces are in the cart. */
export const pieces = () => lines().reduce((sum, [, count]) => sum + count, 0);

/** What the cart costs. */
export const total = () => lines().reduce((sum, [id, count]) => sum + (itemOf(id).price ?? 0) * count, 0);

/** Change how many of an item are in the cart. */
export function setQuantity(id, count) {
  if (count > 0) cart.set(id, count);
  else cart.delete(id);
  keep("cart", lines());
  document.dispatchEvent(new Event("cart"));
}

/** Put an item into the cart; the shelves of this page follow. */
export async function put(wanted, count = 1, listId) {
  setQuantity(wanted.id, (cart.get(wanted.id) ?? 0) + count);
  announce(t("added", { name: wanted.title }));
  panel.cause("cart", { item: wanted });
  await happened([["AddToCart", { itemId: wanted.id, eventValue: wanted.price, ...(listId ? { listId } : cameBy(wanted)) }]]);
  document.dispatchEvent(new Event("moved"));
}

/** Buy the cart: one Purchase for each item. Resolves to how many. */
export async function buy() {
  const bought = lines();
  panel.cause("buy");
  cart.clear();
  keep("cart", []);
  document.dispatchEvent(new Event("cart"));
  const worth = (id, count) => Math.round((itemOf(id).price ?? 0) * count * 100) / 100;
  await happened(bought.map(([id, count]) => ["Purchase", { itemId: id, eventValue: worth(id, count) }]));
  return bought;
}

/**
 * How the shelves of a page ask. Those whose slots the shop has, and which ask at the same time, are filled by one call, so that no
 * item is on the page twice; `query` gives what it asks with, and may wait. Any other shelf asks by itself.
 */
export function page(slots, query) {
  let asking;
  const all = async () => shop.client.placements(slots.filter((slot) => shop.placements.has(slot)), await query());
  const share = () => (queueMicrotask(() => (asking = undefined)), all());
  return (slot, alone) => async () => {
    if (!shop.placements.has(slot)) return alone();
    try {
      const { placements } = await (asking ??= share());
      return placements.find(({ placement }) => placement === slot);
    } catch (error) {
      if (error.status !== 404) throw error;
      shop.placements.clear(); // The release that had them was taken back.
      return alone();
    }
  };
}

/** What goes with the cart: similar to the newest things in it, not in it, best for this shopper first. */
export async function goesWith() {
  const inside = new Set(cart.keys());
  const answers = await Promise.all([...inside].slice(-3).map((id) => shop.client.similar(id, { limit: 12 })));
  const ids = new Set(answers.flatMap(({ items }) => items.map(({ itemId }) => itemId)).filter((id) => !inside.has(id)));
  return ids.size ? shop.client.ranking([...ids]) : { items: [] };
}

/** A page of items, see `goods.js`: the first page of the order `you` has its best sold items in the order that suits the shopper. */
export async function list({ sort, ...wanted }) {
  const { items: rows, total } = await goods.list({ ...wanted, sort: sort === "you" ? "best" : sort });
  const items = rows.map(learned);
  if (sort !== "you" || wanted.page || items.length < 2) return { items, total };
  const { items: ranked } = await shop.client.ranking(items.map(({ id }) => id)).catch(() => ({ items: [] }));
  const given = new Set(items), best = ranked.map(known).filter((one) => given.has(one)), placed = new Set(best);
  return { items: [...best, ...items.filter((one) => !placed.has(one))], total };
}
