// Waits until a rollout is where it is worth a picture, keeps its page, and takes the picture.
//
//   node screenshots.mjs ADDRESS bad|equal|better FOLDER

import { writeFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";

const [address, name, folder] = process.argv.slice(2);
const enough = {
  bad: (report) => report.rollout.phase === "RolledBack",
  equal: (report) => report.rollout.share === 25,
  better: (report) => report.rollout.phase === "Guarding",
}[name];
const deadline = Date.now() + 180_000;
for (;;) {
  const report = await fetch(`${address}/report.json`).then((answer) => answer.json(), () => undefined);
  if (report?.rollout && enough(report)) break;
  if (Date.now() > deadline) throw new Error(`${name}: ${report?.headline.sentence}`);
  await new Promise((resolve) => setTimeout(resolve, 250));
}
// Rendered once a second: what is asked for now was made after that.
await new Promise((resolve) => setTimeout(resolve, 2_500));
const html = await fetch(`${address}/`).then((answer) => answer.text());
writeFileSync(path.join(folder, "pages", `${name}.html`), html.replace(/<meta http-equiv="refresh"[^>]*>/, ""));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 1500 } });
await page.goto(`file://${path.join(folder, "pages", `${name}.html`)}`);
await page.screenshot({ path: path.join(folder, `report-${name}.png`) });
await browser.close();
