// SPDX-License-Identifier: Apache-2.0
// A made-up shop, the same each time, made by public calls alone.
import { call, control, read } from "./engine.js";

const NAME = "sample-shop";
const USERS = 240;
const KINDS = {
  Camping: ["Tent", "Sleeping bag", "Lantern", "Stove", "Folding chair"],
  Climbing: ["Harness", "Rope", "Chalk bag", "Helmet", "Carabiner"],
  Cycling: ["Saddle", "Pump", "Bike light", "Jersey", "Tyre"],
  Paddling: ["Paddle", "Dry bag", "Life vest", "Kayak cart", "Spray skirt"],
};
const LINES = ["Alder", "Birch", "Cedar"];
const field = (name, type, more = {}) => ({ name, type, ...more });
const SCHEMAS = {
  Interactions: [field("USER_ID", "string"), field("ITEM_ID", "string"), field("EVENT_TYPE", "string"), field("TIMESTAMP", "long")],
  Items: [field("ITEM_ID", "string"), field("NAME", ["null", "string"]), field("CATEGORY", ["null", "string"], { categorical: true }), field("PRICE", ["null", "float"])],
  Users: [field("USER_ID", "string"), field("REGION", ["null", "string"], { categorical: true })],
};

/** Make and train the shop; `tell` gets what is under way, in words. */
export async function makeSample({ region, account }, tell) {
  const scope = { region, account }, ask = (operation, members) => control(operation, members, scope);
  tell("Making a dataset group and its datasets …");
  const { datasetGroupArn } = await ask("CreateDatasetGroup", { name: NAME });
  await active(datasetGroupArn, datasetGroupArn);
  const datasets = {};
  for (const [kind, fields] of Object.entries(SCHEMAS)) {
    const schema = JSON.stringify({ type: "record", name: kind, namespace: "com.amazonaws.personalize.schema", version: "1.0", fields });
    const name = `${NAME}-${kind.toLowerCase()}-${Date.now().toString(36)}`;
    const { schemaArn } = await ask("CreateSchema", { name, schema });
    const made = await ask("CreateDataset", { name: `${NAME}-${kind.toLowerCase()}`, schemaArn, datasetGroupArn, datasetType: kind });
    datasets[kind] = made.datasetArn;
    await active(datasetGroupArn, made.datasetArn);
  }
  const { trackingId, eventTrackerArn } = await ask("CreateEventTracker", { name: `${NAME}-events`, datasetGroupArn });
  await active(datasetGroupArn, eventTrackerArn);
  const { items, users, visits } = shop();
  await inTens(items, (some) => call("/items", { datasetArn: datasets.Items, items: some }, scope));
  await inTens(users, (some) => call("/users", { datasetArn: datasets.Users, users: some }, scope));
  let sent = 0;
  await together(visits, async ({ userId, sessionId, eventList }) => {
    await call("/events", { trackingId, userId, sessionId, eventList }, scope);
    tell(`Sending events: ${(sent += eventList.length).toLocaleString("en")} …`);
  });
  tell("Training …");
  const filterExpression = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")';
  await ask("CreateFilter", { name: `${NAME}-not-bought`, datasetGroupArn, filterExpression });
  await ask("CreateFilter", { name: `${NAME}-category`, datasetGroupArn, filterExpression: "INCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY)" });
  for (const [name, recipe] of [["for-you", "aws-user-personalization-v2"], ["similar", "aws-similar-items"]]) {
    const recipeArn = `arn:aws:personalize:::recipe/${recipe}`;
    const { solutionArn } = await ask("CreateSolution", { name: `${NAME}-${name}`, datasetGroupArn, recipeArn, performAutoTraining: false });
    await active(datasetGroupArn, solutionArn);
    const { solutionVersionArn } = await ask("CreateSolutionVersion", { solutionArn });
    await active(datasetGroupArn, solutionVersionArn);
    await ask("CreateCampaign", { name: `${NAME}-${name}`, solutionVersionArn });
  }
  tell("");
}

/** Wait until something of a group is ACTIVE; throws with the reason if it fails. */
async function active(group, arn) {
  for (;;) {
    const resource = resources(await read(`group/${encodeURIComponent(group)}`)).find((candidate) => candidate.arn === arn);
    if (resource?.status === "ACTIVE") return;
    if (resource?.reason) throw new Error(resource.reason);
    await new Promise((end) => setTimeout(end, 250));
  }
}

const resources = (group) => [group, ...group.datasets, ...group.trackers, ...group.solutions, ...group.solutions.flatMap(({ versions }) => versions)];

async function inTens(rows, send) {
  for (let start = 0; start < rows.length; start += 10) await send(rows.slice(start, start + 10));
}

/** Do something with each row, four at a time. */
async function together(rows, work) {
  const left = [...rows];
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (left.length) await work(left.shift());
  }));
}

function shop() {
  const chance = random(2026), among = (list) => list[Math.floor(chance() * list.length)];
  const kinds = Object.keys(KINDS), items = [], byKind = {};
  for (const [kind, things] of Object.entries(KINDS)) {
    byKind[kind] = LINES.flatMap((line) => things.map((thing) => ({ line, thing }))).map(({ line, thing }) => {
      const itemId = `${kind}-${line}-${thing}`.toLowerCase().replaceAll(" ", "-");
      const price = Math.round(8 + chance() * 140) + 0.9;
      items.push({ itemId, properties: JSON.stringify({ name: `${line} ${thing.toLowerCase()}`, category: kind, price }) });
      return itemId;
    });
  }
  const users = [], visits = [], now = Math.floor(Date.now() / 1000);
  for (let number = 1; number <= USERS; number++) {
    const userId = `user-${number}`, taste = kinds[number % kinds.length], seen = new Set();
    users.push({ userId, properties: JSON.stringify({ region: among(["North", "South", "East", "West"]) }) });
    let time = now - 86_400 * (2 + Math.floor(chance() * 60)), line = Math.floor(chance() * 3), thing = Math.floor(chance() * 5);
    for (const visit of [1, 2]) {
      const eventList = Array.from({ length: 4 + Math.floor(chance() * 4) }, (_, step) => {
        // Mostly the next thing of the same line and kind, and rarely the same again: there is an order to learn.
        const kind = chance() < 0.85 ? taste : among(kinds);
        thing = chance() < 0.75 ? (thing + 1) % 5 : Math.floor(chance() * 5);
        if (seen.has(byKind[kind][line * 5 + thing]) && chance() < 0.9) line = (line + 1) % 3;
        const itemId = byKind[kind][line * 5 + thing];
        seen.add(itemId);
        return { eventId: `${userId}-${visit}-${step}`, eventType: chance() < 0.2 ? "Purchase" : "View", itemId, sentAt: (time += 40) };
      });
      visits.push({ userId, sessionId: `${userId}-${visit}`, eventList });
      time += 86_400;
    }
  }
  return { items, users, visits };
}

/** Return a generator of numbers from 0 to 1 (mulberry32). */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
