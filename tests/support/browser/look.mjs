// Looks at pages in Chromium, at each width and in each colour scheme, and prints what was found as JSON.
// Usage: node look.mjs CHROMIUM PLAN.json; its `pages` are [{name, file, views: [[width, scheme]]}]; in `shots`, a folder
// or null, pictures and prints are left for people.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const [, , executablePath, planFile] = process.argv;
const plan = JSON.parse(readFileSync(planFile, 'utf8'));

// Runs in the page: what is wider than the window, where the picture's parts are, and how they tell their state.
function measure() {
  const wide = document.documentElement.clientWidth;
  const spilled = [...document.body.querySelectorAll('*')]
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > wide + 0.5)
    .map((each) => `${each.tagName}.${each.getAttribute('class') ?? ''}`);
  const box = (found) => {
    if (!found) return null;
    const { x, y, width, height } = found.getBoundingClientRect();
    return { x, y: y + scrollY, width, height };
  };
  const smallest = Math.min(...[...document.querySelectorAll('main *, header *')]
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((each) => parseFloat(getComputedStyle(each).fontSize)));
  const styled = getComputedStyle(document.body).fontFamily.startsWith('system-ui');
  return {
    scroll: document.documentElement.scrollWidth, wide, spilled: [...new Set(spilled)].slice(0, 10), smallest, styled,
    ground: getComputedStyle(document.body).backgroundColor,
    stations: [...document.querySelectorAll('.station')].map((each) => ({
      ...box(each), state: each.className.split(' ')[1], word: each.querySelector('h3 .state').innerText,
      shape: each.querySelector('h3 .icon').innerHTML.trim(),
    })),
    finding: box(document.querySelector('.flow .finding')),
    claims: document.querySelector('#claims')?.textContent ?? '',
    strangers: [...new Set([...document.querySelectorAll('script, img, iframe, object, link')].map((each) => each.tagName))].sort(),
  };
}

// Runs in the page: its ground on paper, and the tables that stay folded there.
function printed() {
  const folded = [...document.querySelectorAll('.sheet > .body')].filter((each) => each.getBoundingClientRect().height === 0);
  return { ground: getComputedStyle(document.body).backgroundColor, folded: folded.length };
}

const told = (rules) => rules.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)}`));

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const seen = [];
try {
  const tab = await browser.newPage();
  let asked = [], said = [];
  tab.on('request', (request) => asked.push(request.url()));
  tab.on('console', (message) => said.push(message.text()));
  for (const page of plan.pages) {
    [asked, said] = [[], []];
    await tab.goto(pathToFileURL(page.file).href);
    for (const [width, scheme] of page.views) {
      await tab.setViewportSize({ width, height: 900 });
      await tab.emulateMedia({ media: 'screen', colorScheme: scheme });
      const found = { name: page.name, width, scheme, ...await tab.evaluate(measure) };
      await tab.emulateMedia({ media: 'print' });
      found.printed = await tab.evaluate(printed);
      if (plan.shots) await tab.pdf({ path: `${plan.shots}/${page.name}.pdf`, preferCSSPageSize: true, printBackground: true });
      await tab.emulateMedia({ media: 'screen' });
      await tab.evaluate(axe);
      const judged = await tab.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
      found.violations = told(judged.violations);
      found.passes = judged.passes.length;
      found.asked = asked.filter((url) => !url.startsWith('file:'));
      found.said = said;
      seen.push(found);
      if (plan.shots) {
        await tab.screenshot({ path: `${plan.shots}/${page.name}-${width}-${scheme}.png`, fullPage: true });
      }
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
