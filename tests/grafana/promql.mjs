// Parses every query of a board as Prometheus' own interface does.
//
//   node promql.mjs ../../docs/grafana.json

import { readFileSync } from "node:fs";
import { parser } from "@prometheus-io/lezer-promql";

const queries = [];
JSON.parse(readFileSync(process.argv[2], "utf8"), (key, value) => {
  if (key === "expr") queries.push(value);
  return value;
});
let wrong = 0;
for (const query of queries) {
  // What Grafana puts in before it asks.
  const asked = query.replaceAll("$__rate_interval", "1m").replaceAll(/\$\w+/g, "x");
  parser.parse(asked).iterate({
    enter(node) {
      if (!node.type.isError) return;
      wrong += 1;
      console.error(`${asked}: not PromQL from character ${node.from}`);
    },
  });
}
console.log(`${queries.length} queries, ${wrong} wrong`);
process.exit(wrong === 0 && queries.length > 0 ? 0 : 1);
