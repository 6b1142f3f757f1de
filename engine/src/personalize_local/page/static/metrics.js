// SPDX-License-Identifier: Apache-2.0
// A model's offline metrics beside popularity's, as bars: the ranking metrics on one scale, coverage on its own.
import { h } from "./dom.js";

const SHOWN = [
  ["normalized_discounted_cumulative_gain_at_10", "NDCG at 10"],
  ["mean_reciprocal_rank_at_25", "MRR at 25"],
  ["precision_at_10", "Precision at 10"],
  ["coverage", "Coverage"],
];
const OWN_SCALE = new Set(["coverage"]);

/** Bars of a solution version or a recommender; nothing without metrics. */
export function bars({ arn, metrics, popularity }) {
  const names = Object.keys(metrics);
  if (!names.length) return [];
  const present = SHOWN.filter(([name]) => name in metrics);
  const shown = present.length ? present : names.map((name) => [name, words(name)]);
  const most = Math.max(0.0001, ...shown.filter(([name]) => !OWN_SCALE.has(name)).flatMap(([name]) => [metrics[name], popularity[name] ?? 0]));
  const all = names.sort().map((name) => h("tr", {}, h("th", { scope: "row" }, words(name)), h("td", {}, figure(metrics[name])), h("td", {}, figure(popularity[name]))));
  return [
    h("div", { class: "bars" },
      h("p", { class: "legend soft" }, h("span", { class: "model" }, "This model"), Object.keys(popularity).length > 0 && h("span", { class: "plain" }, "Popularity")),
      shown.map(([name, label]) => pair(label, metrics[name], popularity[name], OWN_SCALE.has(name) ? 1 : most))),
    h("details", { "data-key": `metrics ${arn}` }, h("summary", { "data-key": `metrics summary ${arn}` }, "All metrics"),
      h("table", { class: "figures" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Metric"), h("th", { scope: "col" }, "Model"), h("th", { scope: "col" }, "Popularity"))), h("tbody", {}, all))),
  ];
}

function pair(label, model, plain, scale) {
  const ratio = plain > 0 ? `${(model / plain).toFixed(model / plain < 10 ? 1 : 0)} times popularity` : "";
  return h("div", { class: "pair" },
    h("div", { class: "line" }, h("span", {}, label), h("span", { class: "soft end" }, ratio)),
    bar("model", model, scale), plain !== undefined && bar("plain", plain, scale));
}

function bar(kind, value, scale) {
  // A meter would be drawn differently by each browser; an SVG's width needs no inline style, which the policy forbids.
  const ns = "http://www.w3.org/2000/svg";
  const drawn = document.createElementNS(ns, "svg"), part = document.createElementNS(ns, "rect");
  drawn.setAttribute("viewBox", "0 0 100 8");
  drawn.setAttribute("preserveAspectRatio", "none");
  drawn.setAttribute("aria-hidden", "true");
  part.setAttribute("width", String(Math.max(0.4, Math.min(100, (100 * value) / scale))));
  part.setAttribute("height", "8");
  drawn.append(part);
  return h("div", { class: `bar ${kind}` }, drawn, h("span", {}, h("span", { class: "hidden" }, kind === "model" ? "model " : "popularity "), value.toFixed(3)));
}

const figure = (value) => (value === undefined ? "–" : value.toFixed(4));
const words = (name) => name.replaceAll("_", " ").replace("normalized discounted cumulative gain", "NDCG").replace("mean reciprocal rank", "MRR").replace(/^./, (first) => first.toUpperCase());

/** A share of 0 to 1 as a thin bar without words. */
export function share(value) {
  return bar("model thin", value, 1).firstChild;
}
