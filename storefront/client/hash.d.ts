// SPDX-License-Identifier: Apache-2.0
/**
 * The hash that stands for a user's id in a shop whose setting `hash` replaces ids. Spaces around the id do not count,
 * nor does the case of an e-mail address; a hash stays as it is. The key is the stack's, and never leaves servers.
 */
export function hashId(key: string, shop: string, id: string): Promise<string>;
