// SPDX-License-Identifier: Apache-2.0
/** Runs, their steps, and what went wrong. */

import { asTyped } from "./cloud.js";
import { h } from "./dom.js";
import { duration, moment, name, step, t } from "./i18n.js";

const MARKS = { RUNNING: "going", SUCCEEDED: "done" };
const FILES = 3;
/** Files of a run that are named. */

/** How something stands, as a sign with a word for screen readers. */
export const mark = (state, word) => h("span.mark", { "data-mark": state, ...(word ? { role: "img", "aria-label": word } : { "aria-hidden": "true" }) });

export const markOf = (run) => (run.outcome === "refused" ? "refused" : MARKS[run.status] ?? "failed");

/** How a run stands in a word or two. */
export const standing = (run) => (run.status === "SUCCEEDED" && run.outcome ? t(`outcome.${run.outcome}`) : name("status", run.status)).replace(/^outcome\./, "");

/** A command to copy. */
export const command = (text) => h("code.command", {}, asTyped(text));

/** A moment, with its whole date for who wants it. */
export const time = (iso) => h("time", { datetime: iso, title: new Date(iso).toLocaleString() }, moment(iso));

/** A run as a row that opens its steps. */
export function row(run, { href, isOpen, content }) {
  const details = [run.rows ? t("rows", { count: run.rows }) : "", standing(run)].filter(Boolean).join(" · ");
  const head = h("a.run-head", { href, "aria-expanded": isOpen ? "true" : "false", id: `run-${run.id}` },
    mark(markOf(run), standing(run)),
    h("b", {}, name("kind", run.kind)),
    h("span.soft", {}, details),
    h("span.when", {}, time(run.startedAt), h("span.took", {}, duration(run.seconds))));
  return h("li.run", { "data-open": isOpen }, head, isOpen && h("div.run-body", {}, content));
}

/** A resource without the beginning that all names of the shop's have. */
function short(what, shop) {
  const cut = what.indexOf(`-${shop}-`);
  return cut < 0 ? what : what.slice(0, what.lastIndexOf(" ", cut) + 1) + what.slice(cut + shop.length + 2);
}

/** The steps of a run along its time. */
export function steps(run, entries) {
  if (!entries.length) return h("p.soft", {}, t("noSteps"));
  const whole = Math.max(...entries.map((entry) => entry.began + entry.seconds), 0.1);
  return h("ol.steps", { "aria-label": t("steps") }, entries.map((entry) => {
    return h("li.step", { "data-resource": entry.resource, "data-mark": entry.mark },
      mark(entry.mark, t(`status.${{ done: "SUCCEEDED", failed: "FAILED", going: "RUNNING" }[entry.mark]}`)),
      h("span.what", { title: step(entry.what) }, step(entry.resource ? short(entry.what, run.shop) : entry.what)),
      h("span.track", { "aria-hidden": "true" }, h("i", { "--from": `${((100 * entry.began) / whole).toFixed(1)}%`, "--wide": `${((100 * entry.seconds) / whole).toFixed(1)}%` })),
      h("span.took", {}, duration(entry.seconds)));
  }));
}

/** What stands above the steps of a run: its files, why it ended so, what looks wrong, its reports. */
export function about(run, papers) {
  const names = run.files.map((key) => key.split("/").slice(2).join("/"));
  const shown = names.slice(0, FILES).join(", ") + (names.length > FILES ? ` ${t("moreFiles", { count: names.length - FILES })}` : "");
  return [
    h("p.facts", {}, h("code", {}, run.run), shown && h("span.soft", {}, shown)),
    run.why && h("p.why", {}, asTyped(run.why)),
    run.wrong.length > 0 && h("ul.wrong", {}, run.wrong.map((note) => h("li", {}, note))),
    papers.length > 0 && h("p.links", {}, papers.map(paper)),
  ];
}

/** A link to a report, or to refused rows. */
export function paper(entry) {
  const plain = entry.name.replace(/^data-/, "").replace(/(\/report)?\.(html|csv)$/, "");
  const [, kind, part] = /^(interactions|users|items)(-.*)?$/.exec(plain) ?? [];
  const words = entry.kind === "rejects" ? t("refusedRows", { name: name("kind", kind ?? plain) }) : kind ? `${t(`kind.${kind}`)}${part ?? ""}` : plain.startsWith("batch-") ? `${t("paper.batch")}: ${plain.slice("batch-".length)}` : name("paper", plain);
  return h("a.paper", { href: entry.href, target: "_blank", rel: "noopener", download: entry.kind === "rejects" }, words);
}

/** Something that went wrong, with its way out. */
export function problem(entry, { href }) {
  return h("li.problem", {},
    h("p", {}, mark("failed", t("errors")), h("a", { href }, h("b", {}, t(`problem.${entry.code}`, { kind: name("kind", entry.kind) }))), h("span.soft", {}, entry.shop, " · ", time(entry.at))),
    entry.why && h("p.why", {}, asTyped(entry.why)),
    h("p.way", {}, h("span.soft", {}, t("wayOut")), command(entry.command)));
}
