// A person's look at every kept page, by a browser: nothing is fetched, nothing is said on the
// console, nothing overflows its width, and axe-core finds no barrier.
//
//   node browser.mjs PAGES [SCREENSHOTS]

import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const [pages, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const policy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const names = readdirSync(pages).filter((name) => name.endsWith(".html")).sort();
if (names.length === 0) throw new Error(`no page in ${pages}`);

const server = createServer((request, response) => {
  const name = path.basename(new URL(request.url, "http://localhost").pathname);
  if (!names.includes(name)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
  });
  response.end(readFileSync(path.join(pages, name)));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
let looks = 0;
const troubles = [];
for (const name of names) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [400, 1000, 1600]) {
      const where = `${name}, ${width} px, ${colorScheme}`;
      // The policy holds for the page; axe comes in beside it.
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        colorScheme,
        bypassCSP: false,
      });
      const page = await context.newPage();
      page.on("console", (message) => troubles.push(`${where}: console: ${message.text()}`));
      page.on("pageerror", (error) => troubles.push(`${where}: error: ${error.message}`));
      page.on("dialog", (dialog) => {
        troubles.push(`${where}: dialog: ${dialog.message()}`);
        dialog.dismiss();
      });
      page.on("request", (request) => {
        const url = request.url();
        const own = url === `${origin}/${name}` || url === `${origin}/favicon.ico`;
        if (!own) troubles.push(`${where}: request: ${url}`);
      });
      await page.goto(`${origin}/${name}`, { waitUntil: "load" });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      if (overflow > 1) troubles.push(`${where}: wider than the window by ${overflow} px`);
      const scripts = await page.evaluate(() => document.querySelectorAll("script,img,link,iframe").length);
      if (scripts > 0) troubles.push(`${where}: ${scripts} scripts, images or links`);
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      for (const violation of found.violations) {
        const first = violation.nodes[0]?.html?.slice(0, 160);
        troubles.push(`${where}: ${violation.id}: ${violation.help}: ${violation.nodes.length} × ${first}`);
      }
      if (screenshots) {
        mkdirSync(screenshots, { recursive: true });
        const file = `${path.basename(name, ".html")}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: path.join(screenshots, file), fullPage: true });
      }
      looks += 1;
      await context.close();
    }
  }
}
await browser.close();
server.close();
for (const trouble of troubles) console.error(trouble);
console.log(`${looks - new Set(troubles.map((t) => t.split(": ")[0])).size} passed, ${troubles.length} failed`);
process.exit(troubles.length === 0 ? 0 : 1);
