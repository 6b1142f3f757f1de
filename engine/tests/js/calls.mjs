// SPDX-License-Identifier: Apache-2.0
// Make the calls that stand on standard input, one JSON object a line, by AWS SDK for JavaScript v3; answer each on a line.
// Usage: node calls.mjs FOLDER-OF-NODE-MODULES ENDPOINT REGION

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [folder, endpoint, region] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const settings = { endpoint, region, maxAttempts: 1, credentials: { accessKeyId: 't', secretAccessKey: 't' } };
const services = ['Personalize', 'PersonalizeRuntime', 'PersonalizeEvents'].map((name) => {
  const sdk = require(`@aws-sdk/client-${name.replace(/\B[A-Z]/g, '-$&').toLowerCase()}`);
  return [sdk, new sdk[`${name}Client`](settings)];
});

// The SDK takes and returns dates where the wire has seconds.
function dated(name, value) {
  return ['sentAt', 'timestamp'].includes(name) ? new Date(value * 1000) : value;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { operation, request } = JSON.parse(line, dated);
  const [sdk, client] = services.find(([each]) => each[`${operation}Command`]);
  let outcome;
  try {
    const { $metadata, ...answer } = await client.send(new sdk[`${operation}Command`](request));
    outcome = { status: $metadata.httpStatusCode, requestId: $metadata.requestId, answer };
  } catch (error) {
    outcome = { error: error.name, message: error.message, status: error.$metadata?.httpStatusCode };
  }
  console.log(JSON.stringify(outcome));
}
