// SPDX-License-Identifier: Apache-2.0
// The engine's doors: the page's own, which only reads, and the three public APIs.

/** Read the page's own door; throws an Error with the engine's words. */
export async function read(path, question) {
  const more = question ? { method: "POST", body: JSON.stringify(question) } : {};
  return answered(await fetch(`/_page/${path}`, more));
}

/** Call an operation of the control plane in an account and region. */
export function control(operation, members, scope) {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": `AmazonPersonalize.${operation}` };
  return call("/", members, scope, headers);
}

/** Call an operation of the runtime or of events by its path. */
export function call(path, members, { account, region }, headers = { "content-type": "application/json" }) {
  // The engine checks no signature; the scope names the account and the region.
  const authorization = `AWS4-HMAC-SHA256 Credential=${account}/20260101/${region}/personalize/aws4_request, SignedHeaders=host, Signature=0`;
  return fetch(path, { method: "POST", body: JSON.stringify(members), headers: { ...headers, authorization } }).then(answered);
}

async function answered(response) {
  const text = await response.text();
  const document = text ? JSON.parse(text) : {};
  if (response.ok) return document;
  const code = response.headers.get("x-amzn-errortype") ?? "";
  throw Object.assign(new Error(document.message || `The engine answers ${response.status}.`), { code });
}
