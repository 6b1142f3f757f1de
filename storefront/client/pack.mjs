// SPDX-License-Identifier: Apache-2.0
/** Makes what the package has beside these files: the client as a CommonJS module, and the licence. `--clean` removes it. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const at = (path) => new URL(path, import.meta.url);
rmSync(at("commonjs"), { recursive: true, force: true });
rmSync(at("LICENSE"), { force: true });
if (!process.argv.includes("--clean")) {
  const exported = [];
  const code = readFileSync(at("personalization.js"), "utf8").replace(/^export class (\w+)/gm, (_, name) => {
    exported.push(name);
    return `class ${name}`;
  });
  if (!exported.length || /^(export|import)\b/m.test(code)) throw new Error("personalization.js exports more than classes");
  mkdirSync(at("commonjs"));
  writeFileSync(at("commonjs/personalization.js"), `${code}\nmodule.exports = { ${exported.join(", ")} };\n`);
  writeFileSync(at("commonjs/package.json"), '{ "type": "commonjs" }\n');
  copyFileSync(at("personalization.d.ts"), at("commonjs/personalization.d.ts"));
  copyFileSync(at("../../LICENSE"), at("LICENSE"));
}
