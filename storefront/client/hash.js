// SPDX-License-Identifier: Apache-2.0
/** Ids of a shop whose setting `hash` replaces them, for its servers: docs/operations/hashed-ids.md. */

const EDGES = /^[ \t\n\v\f\r\u00a0\u3000\ufeff]+|[ \t\n\v\f\r\u00a0\u3000\ufeff]+$/g;

/** The hash that stands for an id: HMAC-SHA256 in 40 hexadecimal digits behind `h-`. The key stays on servers. */
export async function hashId(key, shop, id) {
  if (!key) throw new TypeError("the key of hashes is empty");
  let value = id.replace(EDGES, "");
  if (!value || /^h-[0-9a-f]{40}$/.test(value)) return value;
  if (value.includes("@")) value = value.replace(/[A-Z]/g, (capital) => capital.toLowerCase());
  const bytes = (text) => new TextEncoder().encode(text);
  const secret = await crypto.subtle.importKey("raw", bytes(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const digest = new Uint8Array(await crypto.subtle.sign("HMAC", secret, bytes(`${shop}/${value}`)));
  return `h-${Array.from(digest.slice(0, 20), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
