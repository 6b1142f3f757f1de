// SPDX-License-Identifier: Apache-2.0
/** The shop's state: catalogue, cart, who is shopping; and what a click does. */

import { Personalization } from "../client/personalization.js";
import { announce, keep, kept } from "./dom.js";
import { t } from "./i18n.js";
import * as panel from "./panel.js";
import { Sessions } from "./sessions.js";

const RANKED = 500;
/** Items that one ranking call may have. */
const PATIENCE = 1000;
/** Milliseconds for which a page waits for an event. */

export const shop = { name: "", title: "", items: new Map(), departments: [], shoppers: [], profiles: {}, placements: new Set(), client: undefined, sessions: undefined };
const cart = new Map(kept("cart", []));

/** Load the catalogue and open the API's client. */
export async function open() {
  const response = await fetch("catalogue.json");
  const { shop: name, title = name, columns, items, shoppers, profiles, placements, api = "/api", tokens = false } = await response.json();
  const rows = items.map((row) => item(Object.fromEntries(columns.map((column, place) => [column, row[place]]))));
  Object.assign(shop, { name, title, shoppers, profiles, placements: new Set(placements), items: new Map(rows.map((row) => [row.id, row])) });
  shop.departments = departments(rows);
  const baseUrl = location.origin + api;
  if (tokens) shop.sessions = new Sessions(`${baseUrl}/shops/${encodeURIComponent(name)}/sessions`);
  const here = { "x-time-zone": Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" };
  shop.client = new Personalization({ baseUrl, shop: name, delay: 200, onCall: called, headers: async (who) => ({ ...here, ...(await shop.sessions?.headers(who)) }) });
  await shop.sessions?.follow(shop.client);
}

/** A request was made. */
function called(made) {
  if (made.status === 401) shop.sessions?.refused();
  for (const list of made.answer?.placements ?? [made.answer]) list?.items?.forEach?.(known);
  panel.call({ ...made, sessionId: shop.client.sessionId });
}

/** Resolves once the visitor may ask. */
export const ready = async () => shop.sessions?.ready();

/** The departments with most items first, each with its shelves. */
function departments(rows) {
  const found = new Map();
  for (const { l1, l2 } of rows) {
    if (!l1) continue;
    const entry = found.get(l1) ?? { name: l1, count: 0, shelves: new Map() };
    entry.count += 1;
    if (l2) entry.shelves.set(l2, (entry.shelves.get(l2) ?? 0) + 1);
    found.set(l1, entry);
  }
  const most = (one, other) => other[1] - one[1];
  return [...found.values()].sort((one, other) => other.count - one.count)
    .map((entry) => ({ ...entry, shelves: [...entry.shelves].sort(most).map(([shelf]) => shelf) }));
}

/** An item with its name taken apart: `Chunky Soup 18.6 oz (maker 1251)` has a title and a detail. */
function item({ id, name, price, l1, l2 }) {
  const [, plain, maker = ""] = /^(.*?)(?:\s+\(([^()]*)\))?$/s.exec(name || id);
  const [, title, size = ""] = /^(.*?)(?:\s+(\d[\d./-]*(?:\s[a-z. ]+)?))?$/s.exec(plain);
  const detail = [size, maker].filter(Boolean).join(" · ");
  return { id, isNamed: Boolean(name), name: name || id, title: title || plain, detail, price: price ?? undefined, l1: l1 ?? "", l2: l2 ?? "" };
}

/** What is known of an item of an answer: its columns, which are newer than the catalogue's file, over those known before. */
export function known({ itemId, metadata = {} }) {
  const found = shop.items.get(itemId);
  const told = Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toUpperCase(), value]));
  const name = told.NAME ?? told.PRODUCT_NAME ?? told.ITEM_NAME ?? told.TITLE ?? (found?.isNamed ? found.name : undefined);
  const price = told.PRICE && Number.isFinite(Number(told.PRICE)) ? Number(told.PRICE) : found?.price;
  const { l1, l2 } = { l1: told.CATEGORY_L1 ?? found?.l1, l2: told.CATEGORY_L2 ?? found?.l2 };
  if (found && found.isNamed === Boolean(name) && found.name === (name || itemId) && found.price === price && found.l1 === (l1 ?? "") && found.l2 === (l2 ?? "")) return found;
  shop.items.set(itemId, Object.assign(found ?? {}, item({ id: itemId, name, price, l1, l2 })));
  return shop.items.get(itemId);
}

/** The item of an id. */
export const itemOf = (id) => known({ itemId: id });

/** Who is shopping: a sample shopper, a new one, or undefined for a stranger. */
export function shopper() {
  const { userId } = shop.client;
  if (!userId) return undefined;
  return shop.shoppers.find(({ id }) => id === userId) ?? { id: userId, facts: kept("facts", {}), last: [], often: [], isNew: true };
}

/** How a person calls a shopper: by what is known of the household. */
export function nameOf(someone) {
  if (!someone) return t("stranger");
  const { AGE, KIDS } = someone.facts;
  const kids = KIDS && t("kids", { count: KIDS });
  const about = [AGE && t("age", { age: AGE.replace("-", "–") }), kids].filter(Boolean).join(", ");
  if (someone.isNew) return about ? `${t("newcomer")} (${about})` : t("newcomer");
  return about || t("household", { id: someone.id });
}

/** Log in; `facts` are set for a new shopper. */
export async function logIn(id, facts) {
  if (facts) keep("facts", facts);
  shop.client.login(id);
  panel.cause("login", { name: nameOf(shopper()) });
  if (facts) await shop.client.setUser(facts).catch(() => {});
}

/** A stranger again. */
export async function logOut() {
  if (shop.sessions) await shop.sessions.restart();
  else shop.client.logout();
  keep("viewed", []);
  panel.cause("logout");
}

/** Send events now, and tell the shelves that the shopper has moved. */
export async function happened(events) {
  for (const [type, fields] of events) shop.client.track(type, fields);
  await shop.client.flush();
}

/** The shopper looks at an item. Lists do not wait long for an API that does not take the event. */
export async function view(seen) {
  keep("viewed", [seen.id, ...kept("viewed", []).filter((id) => id !== seen.id)].slice(0, 12));
  const told = happened([["View", { itemId: seen.id }]]).catch(() => {});
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
export async function put(wanted, count = 1) {
  setQuantity(wanted.id, (cart.get(wanted.id) ?? 0) + count);
  announce(t("added", { name: wanted.title }));
  panel.cause("cart", { item: wanted });
  await happened([["AddToCart", { itemId: wanted.id, eventValue: wanted.price }]]);
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

/** Items in the order that suits the shopper; what cannot be ranked keeps its order. */
export async function forShopper(items) {
  const step = Math.max(1, items.length / RANKED);
  const asked = items.filter((_, place) => Math.floor(place / step) !== Math.floor((place - 1) / step)).slice(0, RANKED);
  const { items: ranked } = await shop.client.ranking(asked.map(({ id }) => id));
  const first = ranked.map(known), placed = new Set(first);
  return [...first, ...items.filter((one) => !placed.has(one))];
}

/** Items of a department, or of one of its shelves; without either, all. */
export function browse(l1, l2) {
  return [...shop.items.values()].filter((one) => (!l1 || one.l1 === l1) && (!l2 || one.l2 === l2));
}

/** Items whose name or category has every word; those whose name begins with it first. */
export function find(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (one) => `${one.name} ${one.l2} ${one.l1}`.toLowerCase();
  const found = browse().filter((one) => words.every((word) => text(one).includes(word)));
  const place = (one) => one.name.toLowerCase().search(`\\b${(words[0] ?? "").replace(/\W/g, "\\$&")}`) >>> 0;
  return found.map((one) => [place(one), one]).sort(([one], [other]) => one - other).map(([, one]) => one);
}
