// SPDX-License-Identifier: Apache-2.0
// What a newcomer does first: point a client at the engine, or look at a sample shop.
import { copyable, h } from "./dom.js";
import { makeSample } from "./sample.js";

const exports = (engine) => `export AWS_ENDPOINT_URL_PERSONALIZE=${location.origin}
export AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME=${location.origin}
export AWS_ENDPOINT_URL_PERSONALIZE_EVENTS=${location.origin}
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
export AWS_DEFAULT_REGION=${engine.region}`;
const SNIPPET = `import boto3

personalize = boto3.client("personalize")
group = personalize.create_dataset_group(name="my-shop")
print(group["datasetGroupArn"])`;

/** The page of an engine without a dataset group. */
export function start(engine) {
  return [
    h("h1", {}, "No dataset group yet"),
    h("p", { class: "lead" }, "This engine answers Amazon Personalize's three APIs. Point a client at it, and what you make appears here."),
    engine.rights ? h("p", { class: "note" }, RIGHTS) : sample(engine),
    h("section", {},
      h("h2", {}, h("span", { class: "step" }, "1"), " Point AWS's tools at this engine"),
      copyable(exports(engine), "settings for your shell")),
    h("section", {},
      h("h2", {}, h("span", { class: "step" }, "2"), " Make something"),
      h("p", {}, "In Python, or with any AWS SDK or the AWS CLI:"),
      copyable(SNIPPET, "Python code")),
  ];
}

export const RIGHTS = "This engine checks the rights of its callers (--rights), and a page has no access key: it shows what there is, and neither asks nor changes anything. Ask with the AWS CLI or an SDK.";

function sample(engine) {
  // The notice outlives this page of an empty engine, which the shop replaces while it grows.
  const tell = (text) => (document.getElementById("notice").textContent = text);
  const button = h("button", { type: "button", class: "primary", "data-key": "sample" }, "Make a sample shop");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await makeSample(engine, tell);
    } catch (error) {
      tell(`The sample shop is not complete. ${error.message}`);
    }
    button.disabled = false;
  });
  return h("section", { class: "offer" },
    h("div", {}, h("h2", {}, "See it work"),
      h("p", {}, "A made-up outdoor shop: 60 items, 240 users, 2,600 events. The page makes it by the same calls as your program, and the engine trains on it in seconds.")),
    button);
}
