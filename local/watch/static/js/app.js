// SPDX-License-Identifier: Apache-2.0
/** The frame of every page: header, addresses, and what is said while the cloud is down. */

import { live, look, shopHref, takeKey, asTyped } from "./cloud.js";
import { h, patch, store, stored } from "./dom.js";
import { current, LANGUAGES, moment, t, use } from "./i18n.js";
import { customerPage, itemPage, searchPage } from "./people.js";
import { command } from "./runs.js";
import { overview, shopPage } from "./views.js";

const ROOMS = { u: customerPage, i: itemPage, f: searchPage };
/** Pages of a shop by the word in their address, besides its runs. */
const main = h("main", { id: "main", tabindex: -1 });
const banner = h("div", { id: "banner", role: "status" });
const tabs = h("nav.tabs");
const seek = h("div.seek");
const pulse = h("span.pulse", { "data-live": "" });
let shops = [];
let since = "";
let answers = null;
let shown = null;
let view = overview;

/** The view of the address, and the shop that it is about. */
function page() {
  let where;
  try {
    where = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    where = [];
  }
  const [room, shop, what, name] = where;
  if (room !== "s" || !shop) return { view: overview, shop: "" };
  if (what in ROOMS && name) return { view: ROOMS[what](shop, name), shop };
  return { view: shopPage(shop, what === "r" ? name : ""), shop };
}

function draw() {
  if (!answers) return;
  document.title = `${view.title()} – ${t("title")}`;
  const content = view.show(...answers).flat(3).filter(Boolean);
  if (shown === view.key) patch(main, content);
  else {
    main.replaceChildren(...content); // listeners of another page must not stay
    scrollTo(0, 0);
    if (shown !== null) main.focus({ preventScroll: true });
    shown = view.key;
  }
  drawTabs();
}

/** The field that looks up customers and items of the shop. */
function drawSearch(shop) {
  const isThere = seek.dataset.shop === shop;
  if (isThere) return;
  seek.dataset.shop = shop;
  const field = h("input", { type: "search", id: "q", placeholder: t("searchHint"), "aria-label": t("search"), autocomplete: "off", spellcheck: "false" });
  const go = (event) => {
    event.preventDefault();
    if (field.value.trim()) location.hash = shopHref(shop, "f", field.value.trim());
  };
  seek.replaceChildren(...(shop ? [h("form", { role: "search", onsubmit: go }, field)] : []));
}

function drawTabs() {
  const { shop } = page();
  drawSearch(shop);
  tabs.setAttribute("aria-label", t("shops"));
  const link = (href, words, isCurrent) => h("a", { href, id: `tab-${words}`, "aria-current": isCurrent && "page" }, words);
  patch(tabs, [link("#/", t("shops"), !shop), shops.map((entry) => link(shopHref(entry), entry, entry === shop))]);
}

/** Say why there is nothing new, or nothing at all. */
function fail(refusal) {
  pulse.dataset.live = refusal ? "" : "live";
  pulse.textContent = refusal ? "" : t("live");
  document.body.classList.toggle("stale", Boolean(refusal && answers));
  if (!refusal) {
    since = new Date().toISOString();
    patch(banner, []);
    return;
  }
  const said = {
    down: () => [h("h2", {}, t("offline")), h("p", {}, since ? t("offlineText", { time: moment(since) }) : "", " ", command("python -m local up"))],
    key: () => [h("h2", {}, t("noKey")), h("p", {}, t("noKeyText"), " ", command("python -m local open"))],
    refused: () => [h("h2", {}, t("refusedTitle")), h("p", {}, asTyped(refusal.message)), h("p", {}, h("a", { href: "#/" }, t("back")))],
  };
  patch(banner, [h("div.notice", {}, (said[refusal.code] ?? said.refused)())]);
  if (refusal.code === "down" && answers) return;
  main.replaceChildren(h("h1", {}, t("title")));
  shown = "";
}

/** Show the page of the address, and keep it as it is now. */
function show() {
  const next = page();
  view = next.view;
  answers = null;
  if (shown !== view.key) {
    main.replaceChildren(h("h1", {}, view.title()), h("p.soft", {}, t("loading")));
    if (shown !== null) shown = "";
  }
  drawTabs();
  live(() => (view.once && answers ? ["overview"] : view.asks()), (...facts) => {
    answers = view.once && answers ? [facts[0], answers[1]] : facts;
    const listed = facts[0].shops;
    if (listed) shops = listed.map((entry) => entry.shop);
    draw();
    return view.isBusy(...answers);
  }, fail);
}

/** Light, dark, or as the system is. */
function theme(next) {
  const isDark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = next || (isDark ? "light" : "dark");
  store("theme", document.documentElement.dataset.theme);
}

function frame() {
  const other = Object.keys(LANGUAGES).find((code) => code !== current());
  const change = () => {
    use(other);
    delete seek.dataset.shop;
    shown = null;
    frame();
    draw();
  };
  document.body.replaceChildren(
    h("a.skip", { href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) }, t("skip")),
    h("header.top", {},
      h("a.logo", { href: "#/" }, h("img", { src: "icon.svg", alt: "", width: 22, height: 22 }), t("title"), h("small", {}, t("cloud"))),
      tabs, seek,
      h("div.tools", {}, pulse,
        h("button.tool", { type: "button", lang: other, "aria-label": `${t("language")}: ${LANGUAGES[other]}`, onclick: change }, LANGUAGES[other]),
        h("button.tool", { type: "button", "aria-label": t("theme"), onclick: () => theme() }, "◐"))),
    banner, main);
}

takeKey();
use(current());
if (stored("theme")) theme(stored("theme"));
frame();
addEventListener("hashchange", () => {
  takeKey();
  show();
});
addEventListener("online", look);
show();
