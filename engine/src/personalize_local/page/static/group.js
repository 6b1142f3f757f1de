// SPDX-License-Identifier: Apache-2.0
// One dataset group: what is under way, what failed, a place to ask, its models, its data and what serves.
import { Ask } from "./ask.js";
import { copyable, count, h, last, lasted, show, status, when, whole } from "./dom.js";
import { bars } from "./metrics.js";
import { nextStep, stage } from "./next.js";
import { RIGHTS } from "./start.js";

const WORDS = {
  DatasetImportJob: "Import", DatasetExportJob: "Export", SolutionVersion: "Training", BatchInferenceJob: "Batch inference",
  BatchSegmentJob: "Batch segments", DataDeletionJob: "Data deletion", EventTracker: "Event tracker", MetricAttribution: "Metric attribution",
};
const word = (what) => WORDS[what] ?? what;
const typeWords = (type) => type.charAt(0) + type.slice(1).toLowerCase().replaceAll("_", " ");

export class Group {
  constructor(arn, engine) {
    this.arn = arn;
    this.ask = new Ask(engine);
    this.places = Object.fromEntries(["head", "now", "failed", "next", "models", "serving", "data"].map((name) => [name, h("div")]));
    const { head, now, failed, next, models, serving, data } = this.places;
    this.rights = engine.rights;
    this.element = h("div", { class: "group" }, head, now, failed, next,
      engine.rights ? h("p", { class: "note" }, RIGHTS) : this.ask.element, models, serving, data);
  }

  update(group) {
    const { head, now, failed, next, models, serving, data } = this.places;
    show(next, stage(group), nextStep);
    show(head, { group: facts(group), datasets: group.datasets.map(({ type, rows, streamed }) => ({ type, rows, streamed })) }, headline);
    show(now, group.now, underWay);
    show(failed, group.failed, failures);
    show(models, { solutions: group.solutions, recommenders: group.recommenders }, trained);
    show(serving, { campaigns: group.campaigns, recommenders: group.recommenders, filters: group.filters, trackers: group.trackers,
      attributions: group.attributions, jobs: group.jobs, datasets: group.datasets.map(({ type, streamed }) => ({ type, streamed })) }, served);
    show(data, group.datasets, stored);
    if (!this.rights) this.ask.update(group);
  }
}

const facts = ({ arn, name, status: text, region, account, created, domain }) => ({ arn, name, text, region, account, created, domain });

function headline({ group, datasets }) {
  const { arn, name, text, region, account, created, domain } = group;
  const tiles = datasets.map(({ type, rows, streamed }) => {
    const more = streamed.events + streamed.records;
    const total = rows === null ? null : rows + more;
    const parts = [rows && more ? `${whole(rows)} imported` : null, more ? `${whole(more)} streamed` : null].filter(Boolean);
    return h("div", {}, h("dt", {}, typeWords(type)), h("dd", {}, h("b", {}, total === null ? "–" : whole(total)), h("span", { class: "soft" }, parts.join(" · "))));
  });
  return [
    h("div", { class: "title" }, h("h1", {}, name), domain && h("span", { class: "chip" }, domain), text !== "ACTIVE" && status(text)),
    h("p", { class: "soft" }, `${region} · ${account} · made `, when(created)),
    copyable(arn, "ARN of the dataset group", false),
    tiles.length > 0 && h("dl", { class: "tiles" }, tiles),
  ];
}

function underWay(now) {
  if (!now.length) return [];
  return h("section", { class: "now", "aria-label": "Under way" }, h("h2", {}, "Under way"), h("ul", { class: "rows" }, now.map(({ what, verb, name, status: text, age, progress, usual, reason }) => {
    const begun = verb === "CREATE" ? "" : `${verb.charAt(0)}${verb.slice(1).toLowerCase()} of `;
    const phase = progress && `Step ${progress.step} of ${progress.steps}: ${progress.phase}`;
    return h("li", {},
      h("div", { class: "line" }, h("b", {}, `${begun}${begun ? word(what).toLowerCase() : word(what)}`), h("span", { class: "name" }, name), status(text),
        h("span", { class: "soft end" }, lasted(age), usual !== null && `, last time ${lasted(usual)}`)),
      progress && [steps(progress, phase), h("p", { class: "soft" }, phase)],
      reason && h("p", { class: "reason" }, reason));
  })));
}

function steps({ step, steps: all }, phase) {
  const parts = Array.from({ length: all }, (_, position) => h("span", { class: position + 1 < step ? "done" : position + 1 === step ? "doing" : "" }));
  return h("div", { class: "steps", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": all, "aria-valuenow": step - 1, "aria-valuetext": phase }, parts);
}

function failures(failed) {
  if (!failed.length) return [];
  return h("section", { class: "failed" }, h("h2", {}, "Failed"), h("ul", { class: "rows" }, failed.map(({ what, name, reason, updated, status: text }) =>
    h("li", {}, h("div", { class: "line" }, h("b", {}, word(what)), h("span", { class: "name" }, name), status(text), h("span", { class: "soft end" }, when(updated))),
      h("p", { class: "reason" }, reason)))));
}

function trained({ solutions, recommenders }) {
  if (!solutions.length && !recommenders.length) return [];
  return h("section", {}, h("h2", {}, "Models"),
    h("p", { class: "soft" }, "Offline metrics, measured on a tenth of the users that the measured model has not seen, beside those of popularity: the same list of popular items for everybody."),
    h("div", { class: "cards" },
      solutions.map(({ arn, name, recipe, description, versions, more, status: text }) => {
        const [latest, ...older] = versions;
        return h("article", { class: "card" }, modelHead(name, recipe, description, text),
          latest ? [version(latest), bars(latest)] : h("p", { class: "soft" }, "No solution version yet."),
          older.length > 0 && h("details", { "data-key": `versions ${arn}` }, h("summary", { "data-key": `summary ${arn}` }, count(older.length + more, "older version")),
            older.map((trained) => [version(trained), bars(trained)]), more > 0 && h("p", { class: "soft" }, `… and ${count(more, "more", "more")}.`)));
      }),
      recommenders.map((recommender) => h("article", { class: "card" }, modelHead(recommender.name, recommender.recipe, recommender.description, recommender.status), bars(recommender), recommender.reason && h("p", { class: "reason" }, recommender.reason)))));
}

const modelHead = (name, recipe, description, text) => [
  h("h3", {}, name), h("p", { class: "soft" }, recipe, text !== "ACTIVE" && [" ", status(text)]), h("p", {}, description)];

function version({ arn, status: text, updated, hours, mode, kind, tuned, reason, metrics, name }) {
  const how = [mode !== "FULL" && mode, kind === "AUTOMATIC" && "automatic", hours && `trained in ${lasted(hours * 3600)}`].filter(Boolean);
  const shortName = last(arn), named = name.endsWith(`/${shortName}`) ? shortName : name, parameters = Object.entries(tuned);
  return h("div", {},
    h("p", { class: "line" }, h("code", {}, named), status(text), h("span", { class: "soft end" }, how.join(" · "), how.length > 0 && ", ", when(updated))),
    reason && h("p", { class: "reason" }, reason),
    parameters.length > 0 && h("ul", { class: "chips", "aria-label": "Hyperparameters found" }, parameters.map(([key, value]) => h("li", { class: "chip" }, `${key} `, h("b", {}, value)))),
    text === "ACTIVE" && !Object.keys(metrics).length && h("p", { class: "soft" }, "This recipe has no offline metrics."));
}

function served({ campaigns, recommenders, filters, trackers, attributions, jobs, datasets }) {
  const streamed = datasets.find(({ type }) => type === "INTERACTIONS")?.streamed;
  const deployed = [...campaigns.map((resource) => ({ ...resource, what: "Campaign" })), ...recommenders.map((resource) => ({ ...resource, what: "Recommender" }))];
  const parts = [
    deployed.length > 0 && table("Campaigns and recommenders", ["Name", "Recipe", "Status"], deployed.map((resource) =>
      [[h("b", {}, resource.name), h("span", { class: "soft block" }, resource.what, resource.version && ` of version ${last(resource.version)}`)], resource.recipe, status(resource.status)])),
    filters.length > 0 && table("Filters", ["Name", "Expression", "Status"], filters.map((resource) => [h("b", {}, resource.name), h("code", {}, resource.expression), status(resource.status)])),
    trackers.length > 0 && table("Event tracker", ["Name", "Tracking id", "Events"], trackers.map((resource) =>
      [[h("b", {}, resource.name), " ", resource.status !== "ACTIVE" && status(resource.status)], resource.trackingId ? h("code", {}, resource.trackingId) : "–",
        streamed ? [whole(streamed.events), streamed.last && h("span", { class: "soft block" }, "the last one is of ", when(streamed.last))] : "0"])),
    attributions.length > 0 && table("Metric attribution", ["Name", "Status"], attributions.map((resource) => [h("b", {}, resource.name), status(resource.status)])),
    jobs.length > 0 && table("Jobs", ["Name", "Kind", "Status"], jobs.map((resource) => [h("b", {}, resource.name), word(resource.what), status(resource.status)])),
  ].filter(Boolean);
  return parts.length ? h("section", {}, h("h2", {}, "Serving"), parts) : [];
}

function table(caption, names, rows) {
  return h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, position) => h("td", { "data-name": names[position] }, cell))))));
}

function stored(datasets) {
  if (!datasets.length) return [];
  return h("section", {}, h("h2", {}, "Data"), h("div", { class: "cards" }, datasets.map(dataset)));
}

function dataset({ arn, name, type, status: text, rows, columns, imports, streamed, schema }) {
  const [latest, ...older] = imports;
  const put = [streamed.events && count(streamed.events, "event"), streamed.records && count(streamed.records, "put record")].filter(Boolean);
  const imported = rows === null ? "Imported" : rows ? `${count(rows, "row")} imported` : "Nothing imported";
  return h("article", { class: "card" },
    h("h3", {}, typeWords(type), " ", text !== "ACTIVE" && status(text)),
    h("p", { class: "soft" }, name),
    h("p", {}, [imported, ...put.map((part) => `${part} streamed`)].join(", "), "."),
    latest ? importRow(latest) : null,
    older.length > 0 && h("details", { "data-key": `imports ${arn}` }, h("summary", { "data-key": `summary ${arn}` }, count(older.length, "earlier import")), older.map(importRow)),
    h("details", { "data-key": `columns ${arn}` }, h("summary", { "data-key": `columns summary ${arn}` }, `${count(columns.length, "column")} of ${last(schema)}`),
      h("ul", { class: "chips" }, columns.map(({ name: column, type: kind, categorical, textual }) =>
        h("li", { class: "chip" }, h("b", {}, column), ` ${categorical ? "category" : textual ? "text" : kind}`)))));
}

function importRow({ name, status: text, mode, rows, updated, reason }) {
  return h("div", {}, h("p", { class: "line" }, h("span", { class: "name" }, name), status(text),
    h("span", { class: "soft end" }, [mode !== "FULL" && mode, rows && count(rows, "row")].filter(Boolean).join(", "), rows ? ", " : "", when(updated))),
  reason && h("p", { class: "reason" }, reason));
}
