// SPDX-License-Identifier: Apache-2.0
/** The pages: all shops, and one shop. Each has what it asks for, and what it shows of the answers. */

import { shopActions } from "./actions.js";
import { path, shopHref } from "./cloud.js";
import { card, h } from "./dom.js";
import { duration, moment, name, t } from "./i18n.js";
import { about, command, mark, paper, problem, row, standing, steps, time } from "./runs.js";

const REPORTS = 8;
const HOURLY = ["shelves", "experiments"];
/** Reports of a shop that are linked beside its runs. */

/** A table of a few rows; the first column names its row. */
const table = (heads, rows) => h("div.scroll", { tabindex: 0, role: "group", "aria-label": heads[0] }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
  h("tbody", {}, rows.map(([first, ...rest]) => h("tr", {}, h("th", { scope: "row" }, first), rest.map((cell) => h("td", {}, cell)))))));

/** All shops. */
export const overview = {
  key: "#/",
  asks: () => ["overview"],
  title: () => t("shops"),
  isBusy: (facts) => facts.shops.some((shop) => shop.running),
  show(facts) {
    if (!facts.shops.length) return [h("h1", {}, t("noShops")), h("p", {}, t("noShopsText")), h("p", {}, command("python -m local drop myshop interactions purchases.csv --watch")), ...besides(facts)];
    return [h("h1", {}, t("shops")), problems(facts.errors), h("ul.shops", {}, facts.shops.map(shopRow)), ...besides(facts)];
  },
};

function shopRow(shop) {
  const run = shop.running ?? shop.newest;
  return h("li", {}, h("a.shop", { href: shopHref(shop.shop), id: `shop-${shop.shop}` },
    mark(shop.errors ? "failed" : shop.running ? "going" : shop.since ? "done" : "idle", shop.errors ? t("errors") : shop.running ? t("underWay") : shop.since ? t("current") : t("notServing")),
    h("b", {}, shop.shop),
    h("span", {}, h("small", {}, t("serving")), shop.since ? time(shop.since) : t("notServing")),
    h("span", {}, h("small", {}, shop.running ? t("underWay") : t("lastRun")), run ? `${name("kind", run.kind)} · ${shop.running ? duration(run.seconds) : standing(run)}` : t("idle")),
    h("span.number", {}, h("small", {}, t("waits")), String(shop.waiting)),
    h("span.number", { "data-bad": shop.errors > 0 }, h("small", {}, t("errors")), String(shop.errors))));
}

function problems(errors) {
  if (!errors.length) return h("p.quiet", {}, mark("done", ""), t("noErrors"));
  return h("section.alert", { "aria-labelledby": "errors" }, h("h2", { id: "errors" }, t("errors")), h("ul", {}, errors.map((entry) => problem(entry, { href: shopHref(entry.shop, "r", entry.id) }))));
}

/** What is of no shop: events, the state on disk, addresses. */
function besides({ events, unsaved, places }) {
  return [
    unsaved && h("section.alert", {}, h("h2", {}, t("unsaved")), h("p.why", {}, unsaved)),
    (events.queued > 0 || events.dead > 0) && card(t("eventsWait"), "events",
      events.queued > 0 && h("p", {}, t("queued", { count: events.queued })),
      events.dead > 0 && [h("p.why", {}, t("dead", { count: events.dead })), h("p.way", {}, h("span.soft", {}, t("deadText")), command("python -m local replay"))]),
    h("footer", {}, h("ul", {}, Object.entries(places).filter(([, address]) => address).map(([key, address]) => h("li", {}, h("span.soft", {}, name("place", key)), key === "api" ? h("code", {}, address) : h("a", { href: address, target: "_blank", rel: "noopener" }, address))))),
  ];
}

/** One shop; the open run has its steps. */
export const shopPage = (shop, open) => ({
  key: shopHref(shop),
  asks: () => ["overview", `shops/${path(shop)}`, ...(open ? [`runs/${path(open)}`] : [])],
  title: () => shop,
  isBusy: (_, facts) => facts.runs.some((run) => run.status === "RUNNING"),
  show(overviewFacts, facts, opened) {
    const runs = facts.runs.map((run) => {
      const isOpen = run.id === open;
      const papers = facts.papers.filter((entry) => entry.run === run.run);
      return row(run, { isOpen, href: isOpen ? shopHref(shop) : shopHref(shop, "r", run.id), content: isOpen && opened ? [...about(run, papers), steps(run, opened.steps)] : [] });
    });
    const hidden = open && !facts.runs.some((run) => run.id === open) && opened;
    return [
      h("div.head", {}, h("h1", {}, shop), shopActions(facts)),
      problems(facts.errors),
      h("div.columns", {},
        h("div.main", {}, card(t("runs"), "runs", runs.length ? h("ol.runs", {}, hidden && row(opened, { isOpen: true, href: shopHref(shop), content: [...about(opened, []), steps(opened, opened.steps)] }), runs) : h("p.soft", {}, t("noRuns")))),
        h("div.side", {}, releaseCard(facts), waitingCard(facts, overviewFacts), earningsCard(facts), reportsCard(facts), historyCard(facts))),
    ];
  },
});

function releaseCard({ release, likelihood }) {
  const fit = likelihood && h("p.facts", {}, h("span.soft", {}, t("likelihood")), likelihood.why ? [t("notFitted"), h("small.why", {}, likelihood.why)] : likelihood.at && t("fitted", { time: moment(likelihood.at) }));
  if (!release) return card(t("release"), "release", h("p.soft", {}, t("notServing")), fit);
  const more = [["filters", release.filters], ["placements", release.placements]].filter(([, names]) => names.length);
  return card(t("release"), "release",
    h("p.facts", {}, mark("done", t("current")), h("span", {}, t("serving"), " "), time(release.promotedAt), h("code", {}, release.run)),
    table([t("campaign"), t("recipe"), t("trainedBy")], release.campaigns.map((campaign) => [campaign.name, campaign.recipe.replace(/^aws-/, ""), h("code", { title: campaign.run }, campaign.run.slice(0, 8))])),
    more.map(([key, names]) => h("p.facts", {}, h("span.soft", {}, t(key)), names.join(", "))), fit);
}

function waitingCard({ waiting }, { events }) {
  return card(t("waiting"), "waiting",
    waiting.length ? h("ul.rows", {}, waiting.map((claim) => h("li", {}, h("b", {}, name("kind", claim.kind)), h("span", {}, claim.key.split("/").slice(3).join("/")), h("small.soft", {}, name("state", claim.state), claim.at && [" · ", time(claim.at)])))) : h("p.soft", {}, t("nothingWaits")),
    events.queued > 0 && h("p.soft", {}, t("queued", { count: events.queued })));
}

/** What the shelves earned by now, and what experiments say: pages that the hourly round writes anew. */
function earningsCard({ papers }) {
  const shelves = ["today", "day", "week", "month"].map((period) => papers.find((entry) => entry.run === "shelves" && entry.name === `${period}.html`)).filter(Boolean);
  const experiments = papers.filter((entry) => entry.run === "experiments");
  if (!shelves.length && !experiments.length) return null;
  return card(t("earnings"), "earnings",
    shelves.length > 0 && h("p.links", {}, shelves.map(paper)),
    experiments.length > 0 && h("ul.rows", {}, experiments.slice(0, REPORTS).map((entry) => h("li", {}, h("span.soft", {}, t("experiment")), paper(entry), h("small.soft", {}, time(entry.at))))));
}

function reportsCard({ papers: all }) {
  const papers = all.filter((entry) => !HOURLY.includes(entry.run));
  return card(t("reports"), "reports", papers.length ? h("ul.rows", {}, papers.slice(0, REPORTS).map((entry) => h("li", {}, paper(entry), h("small.soft", {}, time(entry.at))))) : h("p.soft", {}, t("noReports")));
}

function historyCard({ history }) {
  if (!history.length) return null;
  return card(t("history"), "history", h("ol.rows", {}, history.map((past) => h("li", { "data-serves": past.serves },
    mark(past.serves ? "done" : "idle", past.serves ? t("current") : ""), time(past.promotedAt), h("code", { title: past.run }, past.run.slice(0, 8)),
    h("small.soft", {}, [past.serves && t("current"), past.byHand && t("byHand")].filter(Boolean).join(" · "), past.withdrawnAt && t("withdrawn", { time: moment(past.withdrawnAt) }), past.restoredAt && [" ", t("restored", { time: moment(past.restoredAt) })])))));
}
