// SPDX-License-Identifier: Apache-2.0
// Run by tests/storefront/test_client.py with `node --test`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hashId } from "../../storefront/client/hash.js";

const VECTORS = JSON.parse(readFileSync(new URL("../../table-intake/tests/hashes.json", import.meta.url), "utf8"));

test("hashes are those of the stack, and hashing twice is harmless", async () => {
  assert.ok(VECTORS.length > 15);
  for (const { key, shop, id, hash } of VECTORS) {
    assert.equal(await hashId(key, shop, id), hash);
    assert.equal(await hashId(key, shop, hash), hash);
  }
});

test("half a character is the same one everywhere", async () => {
  assert.equal(await hashId("k", "demo", "a\ud800b"), await hashId("k", "demo", "a\ufffdb"));
});

test("without a key there is no hash", async () => {
  await assert.rejects(hashId("", "demo", "a"), /key/);
});
