// SPDX-License-Identifier: Apache-2.0
/** "What just happened": each call with its milliseconds, and how the lists move after a click. */

import { h, icon, keep, kept } from "./dom.js";
import { has, number, t } from "./i18n.js";
import { known } from "./shop.js";

const GROUPS = 12;
/** Clicks that are kept. */
const SHOWN = 10;
/** The first places of a list, which are shown also where nothing has moved. */

const lists = new Map();
/** Each list as it was last answered: its items' `ids`, those `before` the last click, and the `round` of that click. */
let round = 0;
let onPage = new Set();
/** The lists of the page that is shown. */
const entries = new WeakMap();
/** The entry that an answer came with. */
let groups = [];

const place = () => document.getElementById("happened");

/** A click, or what else the next calls come from. An `item` among the values is named when it is drawn: an answer may tell its name. */
export function cause(key, values = {}) {
  round += 1;
  if (groups[0] && !groups[0].calls.length) groups.shift();
  groups.unshift({ key, values, calls: [] });
  groups = groups.slice(0, GROUPS);
  draw();
}

/** Another page is shown: its lists have no others beside them yet. */
export const turn = () => (onPage = new Set());

/** Somebody else shops from now on: their lists are compared with nobody else's. */
export const another = () => lists.clear();

/** A request of the client. */
export function call(made) {
  if (!groups.length) cause("open");
  const entry = { ...made, moves: [] };
  groups[0].calls.push(entry);
  for (const list of made.answer?.placements ?? [made.answer]) if (list && typeof list === "object") entries.set(list, entry);
  draw();
}

/** The ids that a list of this page had before the last click. */
const beforeNow = (key) => (lists.get(key).round === round ? lists.get(key).before : lists.get(key).ids) ?? [];

/**
 * An answer is the list `key` now, which people call `title`. Returns what moved: `{place, was, from, kind}` by item id (`was` is
 * undefined for what the list did not have, and `from` is then the title of another list of this page, if it had it), and whether it is
 * the first such list. A `kind` is `across` (from another list), `entered`, `up`, `down` or `still`. A list that `isShared` is everybody's: it changes only because other lists of the page show its items.
 */
export function moves(key, title, answer, isShared) {
  const ids = answer.items.map(({ itemId }) => itemId);
  const last = lists.get(key)?.ids;
  const others = [...onPage].filter((other) => other !== key && lists.has(other)).map((other) => [lists.get(other).title, new Set(beforeNow(other))]);
  lists.set(key, { title, ids, before: last, round });
  onPage.add(key);
  const from = (id) => last && others.find(([, had]) => had.has(id))?.[0];
  const rows = new Map(ids.map((id, at) => [id, moveOf(at + 1, (last && last.indexOf(id) + 1) || undefined, from(id))]));
  const entry = entries.get(answer);
  if (entry) {
    // Lists of one call come as their items are known: they are told in the page's order.
    const at = entry.answer?.placements?.indexOf(answer) ?? 0;
    entry.moves.push({ at, title, rows, sources: sources(answer), gone: last?.filter((id) => !rows.has(id)) ?? [], isFirst: !last, isShared });
    entry.moves.sort((one, other) => one.at - other.at);
    draw();
  }
  return { rows, isFirst: !last };
}

/** A place, the one before, and the list that had the item if this one did not. */
function moveOf(now, was, list) {
  if (!was) return { place: now, from: list, kind: list ? "across" : "entered" };
  return { place: now, was, kind: was > now ? "up" : was < now ? "down" : "still" };
}

/** Where the items of a list come from, in words. */
const sources = ({ items }) => [...new Set(items.map(({ source }) => source))].filter((source) => has(`source.${source}`));

/** Draw it all again: after a call, or in another language. */
export function draw() {
  const list = place();
  if (!list) return;
  const shown = groups.filter(({ calls }) => calls.length);
  list.replaceChildren(...(shown.length ? shown.map(group) : [h("li.empty", {}, t("panelEmpty"))]));
}

function group({ key, values, calls }, at) {
  return h("li.group", {}, h("h3", {}, t(`cause_${key}`, { name: values.item?.title, ...values })), h("ol", {}, calls.map((entry) => line(entry, at === 0))));
}

function line({ method, path, status, milliseconds, body, answer, tries, sessionId, moves: told }, isNewest) {
  const [where] = path.split("?");
  const time = `${number(milliseconds, milliseconds < 10 ? 1 : 0)} ms`;
  const state = status >= 200 && status < 300 ? undefined : h("span.bad", {}, `${status || t("failed")}`);
  const head = h("div.call", { title: path }, h("b", { class: `method ${method.toLowerCase()}` }, method), h("code", {}, short(where, sessionId)), state, h("span.time", {}, time));
  const events = body?.events && h("p.sum", {}, body.events.map(({ eventType, itemId }) => `${eventType} ${itemId ? known({ itemId }).title : ""}`).join(", "));
  const again = tries > 0 && h("p.sum", {}, t("retried", { count: tries + 1 }));
  const origin = (list) => !list.isShared && list.sources.length > 0 && h("span.from", {}, ` ${t("mixed", { list: list.sources.map((source) => t(`source.${source}`)).join(", ") })}`);
  const stories = told.map((list, at) => [h("p.list", {}, list.title, origin(list)), story(list, isNewest && at === 0)]);
  return h("li", {}, head, events, again, stories);
}

/** The path as a person reads it: the visitor's own session in short. */
function short(path, sessionId) {
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return parts.map((part) => (part === sessionId ? "session" : part)).join("/");
}

function story({ rows, gone, isFirst, isShared }, isOpen) {
  if (isFirst) return h("p.sum", {}, t("first", { count: rows.size }));
  const all = [...rows];
  const count = (...kinds) => all.filter(([, { kind }]) => kinds.includes(kind)).length;
  const sums = [["entered", count("entered")], ["left", gone.length], ["across", count("across")], ["moved", count("up", "down")]].filter(([, sum]) => sum);
  if (!sums.length) return h("p.sum", {}, t("same"));
  if (isShared) return h("p.sum", {}, t("shared"));
  const summary = h("summary", {}, sums.map(([kind, sum]) => h("span", { class: `count ${kind}` }, t(kind, { count: sum }))));
  const stays = all.filter(([, { kind }], at) => at < SHOWN || kind !== "still").map(([id, to]) => row(id, to));
  const leaves = gone.map((id) => h("li.gone", {}, h("span.rank", {}, "–"), h("span.what", {}, known({ itemId: id }).title), h("span.move", {}, t("isGone"))));
  return h("details", { open: isOpen }, summary, h("ol.moves", {}, stays, leaves));
}

function row(id, { place: now, was, from, kind }) {
  const [sign, title] = {
    across: () => [t("otherShelf"), from],
    entered: () => [t("isNew")],
    up: () => [`▲ ${was - now}`, t("wasAt", { from: was })],
    down: () => [`▼ ${now - was}`, t("wasAt", { from: was })],
    still: () => [""],
  }[kind]();
  return h("li", { class: kind, title }, h("span.rank", {}, now), h("span.what", {}, known({ itemId: id }).title), h("span.move", {}, sign));
}

/** Make the panel and its button. */
export function build() {
  const list = h("ol", { id: "happened" });
  const clear = h("button.text", { type: "button", onclick: () => ((groups = []), draw()) }, t("panelClear"));
  const close = h("button.round", { type: "button", "aria-label": t("panelClose"), onclick: () => toggle(false) }, icon("close"));
  const aside = h("aside", { id: "panel", "aria-label": t("panel"), onkeydown: ({ key }) => key === "Escape" && toggle(false) }, h("header", {}, h("h2", {}, t("panel")), clear, close), list);
  return aside;
}

/** Whether the panel is open; on a narrow screen it begins shut. */
export const isOpen = () => kept("panel", innerWidth >= 1180);

/** Open or shut it. */
export function toggle(open = !isOpen()) {
  keep("panel", open);
  show();
  document.querySelector(open ? "#panel button.round" : "#panel-button").focus();
}

/** Bring the page to what `isOpen` says. */
export function show() {
  document.body.classList.toggle("with-panel", isOpen());
  document.getElementById("panel").inert = !isOpen();
  document.getElementById("panel-button").setAttribute("aria-expanded", isOpen());
}
