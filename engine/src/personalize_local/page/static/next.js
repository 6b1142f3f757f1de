// SPDX-License-Identifier: Apache-2.0
// What comes next on the way of a dataset group to its first answer, as a few lines of Python.
import { copyable, h } from "./dom.js";

const USE_CASES = { ECOMMERCE: "aws-ecomm-recommended-for-you", VIDEO_ON_DEMAND: "aws-vod-top-picks" };

/** The step that a group is at; null once something serves, or while something is being made. */
export function stage({ arn, region, domain, datasets, solutions, recommenders, campaigns, now }) {
  if (now.length || campaigns.length || recommenders.length) return null;
  const interactions = datasets.find(({ type }) => type === "INTERACTIONS");
  const version = solutions.flatMap(({ versions }) => versions).find(({ status }) => status === "ACTIVE");
  const facts = { arn, region, domain };
  if (!interactions) return { ...facts, step: "dataset" };
  if (!interactions.rows && !interactions.streamed.events) return { ...facts, step: "data", dataset: interactions.arn };
  if (domain) return { ...facts, step: "recommender" };
  if (!solutions.length) return { ...facts, step: "solution" };
  return version ? { ...facts, step: "campaign", version: version.arn } : { ...facts, step: "version", solution: solutions[0].arn };
}

const STEPS = {
  dataset: ({ arn, domain }) => ["Make an Interactions dataset", `names = {"USER_ID": "string", "ITEM_ID": "string", "EVENT_TYPE": "string", "TIMESTAMP": "long"}
fields = [{"name": name, "type": kind} for name, kind in names.items()]
record = {"type": "record", "name": "Interactions", "fields": fields, "version": "1.0",
          "namespace": "com.amazonaws.personalize.schema"}
schema = personalize.create_schema(name="interactions", schema=json.dumps(record)${domain ? `, domain="${domain}"` : ""})
personalize.create_dataset(name="interactions", datasetType="Interactions",
                           datasetGroupArn="${arn}",
                           schemaArn=schema["schemaArn"])`],
  data: ({ dataset }) => ["Import interactions: 1,000 at least, of 25 users", `personalize.create_dataset_import_job(
    jobName="first", datasetArn="${dataset}",
    dataSource={"dataLocation": "s3://my-bucket/interactions.csv"},
    roleArn="arn:aws:iam::123456789012:role/any")`],
  solution: ({ arn }) => ["Train a model", `solution = personalize.create_solution(
    name="for-you", datasetGroupArn="${arn}",
    recipeArn="arn:aws:personalize:::recipe/aws-user-personalization-v2")
personalize.create_solution_version(solutionArn=solution["solutionArn"])`],
  version: ({ solution }) => ["Train a model", `personalize.create_solution_version(
    solutionArn="${solution}")`],
  campaign: ({ version }) => ["Let the model answer", `personalize.create_campaign(
    name="for-you",
    solutionVersionArn="${version}")`],
  recommender: ({ arn, domain }) => ["Train a recommender", `personalize.create_recommender(
    name="for-you", datasetGroupArn="${arn}",
    recipeArn="arn:aws:personalize:::recipe/${USE_CASES[domain]}")`],
};

export function nextStep(at) {
  if (!at) return [];
  const [title, lines] = STEPS[at.step](at);
  const client = `${lines.includes("json.") ? "import json\n\n" : ""}import boto3\n\npersonalize = boto3.client("personalize", endpoint_url="${location.origin}", region_name="${at.region}")\n`;
  return h("section", {}, h("h2", {}, `Next: ${title.charAt(0).toLowerCase()}${title.slice(1)}`), copyable(`${client}${lines}`, "Python code"));
}
