// SPDX-License-Identifier: Apache-2.0
/** A customer, an item, and what a search finds. */

import { eraseButton } from "./actions.js";
import { path, shopHref } from "./cloud.js";
import { card, h } from "./dom.js";
import { money, name, number, share, t } from "./i18n.js";
import { time } from "./runs.js";

const BAR = 0.02;
/** The likelihood whose bar is as long as the list's likeliest, at least. */

const itemLink = (shop, { item, name: words }) => h("a", { href: shopHref(shop, "i", item) }, words || item);
const trail = (shop) => h("p.trail", {}, h("a", { href: shopHref(shop) }, shop));

/** Columns of a customer or an item, as a list of names and values. */
const columnsOf = (columns) => Object.keys(columns).length ? h("dl.columns-of", {}, Object.entries(columns).map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, String(value))))) : h("p.soft", {}, t("noColumns"));

/** Why an item is in the list: what its score owes most to, else the API's own reason. */
function why(shop, entry) {
  if (entry.due) return h("small.soft", {}, t("due", { share: share(entry.due.share) }), " ", itemLink(shop, entry.due));
  return h("small.soft", {}, entry.because ? name("because", entry.because) : name("source", entry.source));
}

function chance(entry, most) {
  if (entry.chance === null || entry.chance === undefined) return null;
  return h("span.chance", {}, h("span.track", { "aria-hidden": "true" }, h("i", { "--from": "0%", "--wide": `${((100 * entry.chance) / most).toFixed(1)}%` })), h("span.took", {}, share(entry.chance)));
}

function meaning({ why: missing, horizonDays, eventType, baseRate, verdict }) {
  if (missing) return h("p.soft", {}, t("noChance"), " ", missing);
  if (!horizonDays) return null;
  const judged = verdict?.meansWhatItSays;
  return h("p.soft", {}, t("chance", { count: horizonDays, type: name("event", eventType), rate: share(baseRate) }), " ", t(`verdict.${judged ?? null}`));
}

/** One customer; pages that are asked `once` are not looked up again by themselves. */
export const customerPage = (shop, user) => ({
  key: shopHref(shop, "u", user),
  asks: () => ["overview", `shops/${path(shop, "users", user)}`],
  title: () => user,
  isBusy: () => false,
  once: true,
  show(_, facts) {
    const most = Math.max(BAR, ...facts.items.map((entry) => entry.chance ?? 0));
    return [
      trail(shop),
      h("div.head", {}, h("h1", {}, user), eraseButton(shop, user)),
      !facts.interactions && h("p.soft", {}, t("unknownCustomer")),
      h("div.columns", {},
        h("div.main", {}, card(t("list"), "list", !facts.items.length && h("p.soft", {}, t("noList")), h("ol.rows.ranked", {}, facts.items.map((entry) => h("li", {}, h("span.thing", {}, itemLink(shop, entry), why(shop, entry)), entry.price && h("span.number.soft", {}, money(entry.price, facts.currency)), chance(entry, most)))), meaning(facts.likelihood))),
        h("div.side", {},
          card(t("past"), "past", facts.history.length ? [h("p.soft", {}, t("interactions", { count: facts.interactions })), h("ul.rows", {}, facts.history.map((entry) => h("li", {}, itemLink(shop, entry), h("small.soft", {}, name("event", entry.type), " · ", time(entry.at)))))] : h("p.soft", {}, t("noPast"))),
          card(t("known"), "known", columnsOf(facts.columns)))),
    ];
  },
});

/** One item. */
export const itemPage = (shop, item) => ({
  key: shopHref(shop, "i", item),
  asks: () => ["overview", `shops/${path(shop, "items", item)}`],
  title: () => item,
  isBusy: () => false,
  once: true,
  show(_, facts) {
    return [
      trail(shop),
      h("div.head", {}, h("h1", {}, facts.name), facts.name !== item && h("code", {}, item)),
      h("div.columns", {},
        h("div.main", {}, card(t("similar"), "similar", !facts.similar.length && h("p.soft", {}, t("noList")), h("ol.rows.ranked", {}, facts.similar.map((entry) => h("li", {}, h("span.thing", {}, itemLink(shop, entry), h("small.soft", {}, name("source", entry.source))), entry.price && h("span.number.soft", {}, money(entry.price, facts.currency))))))),
        h("div.side", {},
          card(t("known"), "known", columnsOf(facts.columns), facts.rank && h("p.soft", {}, t("rank", { rank: number(facts.rank) }))),
          card(t("who"), "who", facts.latest.length ? [h("p.soft", {}, t("interactions", { count: facts.interactions })), h("ul.rows", {}, facts.latest.map((entry) => h("li", {}, h("a", { href: shopHref(shop, "u", entry.user) }, entry.user), h("small.soft", {}, name("event", entry.type), " · ", time(entry.at)))))] : h("p.soft", {}, t("noPast"))))),
    ];
  },
});

/** What a search finds. */
export const searchPage = (shop, words) => ({
  key: shopHref(shop, "f", words),
  asks: () => ["overview", `shops/${path(shop, "find", words)}`],
  title: () => words,
  isBusy: () => false,
  once: true,
  show(_, { users, items }) {
    const listed = users.some(({ user }) => user === words) ? users : [{ user: words, columns: {} }, ...users];
    const about = ({ user, columns }) => (users.some((entry) => entry.user === user) ? Object.entries(columns).map(([key, value]) => `${key}: ${value}`).join(", ") : t("notAmong"));
    return [
      trail(shop),
      h("h1", {}, `“${words}”`),
      h("div.columns", {},
        h("div.main", {}, card(t("items"), "items", items.length ? h("ul.rows", {}, items.map((entry) => h("li", {}, itemLink(shop, entry), entry.name && h("small.soft", {}, entry.item)))) : h("p.soft", {}, t("noItems")))),
        h("div.side", {}, card(t("customers"), "customers", h("ul.rows", {}, listed.map((entry) => h("li", {}, h("a", { href: shopHref(shop, "u", entry.user) }, entry.user), h("small.soft", {}, about(entry)))))))),
    ];
  },
});
