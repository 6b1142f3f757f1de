// SPDX-License-Identifier: Apache-2.0
/** Makes what the package has beside these files: the client as a CommonJS module, and the licence. `--clean` removes it. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const at = (path) => new URL(path, import.meta.url);
rmSync(at("commonjs"), { recursive: true, force: true });
rmSync(at("LICENSE"), { force: true });
if (!process.argv.includes("--clean")) {
  mkdirSync(at("commonjs"));
  for (const module of ["personalization", "impressions", "hash"]) {
    const exported = [];
    const code = readFileSync(at(`${module}.js`), "utf8").replace(/^export (class|async function) (\w+)/gm, (_, kind, name) => {
      exported.push(name);
      return `${kind} ${name}`;
    });
    if (!exported.length || /^(export|import)\b/m.test(code)) throw new Error(`${module}.js exports more than classes and functions`);
    writeFileSync(at(`commonjs/${module}.js`), `${code}\nmodule.exports = { ${exported.join(", ")} };\n`);
    copyFileSync(at(`${module}.d.ts`), at(`commonjs/${module}.d.ts`));
  }
  writeFileSync(at("commonjs/package.json"), '{ "type": "commonjs" }\n');
  copyFileSync(at("../../LICENSE"), at("LICENSE"));
}
