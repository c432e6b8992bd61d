// Search without a server: words with weights by how rare they are. The library ranks better (by meaning and by what stands around); this needs nothing but the page.
import { pause } from "./items.js";

const STEP = 4000; // items looked at between two breaths
const WORD = /[\p{L}\p{N}]+/gu;
const COMMON = new Set("the of and to in is it that was for on with as at by from this have be not are or an but they which you we can had has who what when where why how did does do".split(" "));

export const words = (text) => [...new Set((text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").match(WORD) || []).filter((word) => word.length > 1))];

const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");

export async function simpleSearch(items, places, cue, k) {
  const said = words(cue);
  const telling = said.filter((word) => !COMMON.has(word));
  const wanted = (telling.length ? telling : said).map((word) => (word.length > 4 ? word.replace(/(ing|ed|es|s)$/, "") : word));
  if (!wanted.length) return [];
  const found = [];
  const counts = new Array(wanted.length).fill(0);
  for (let start = 0; start < places.length; start += STEP) {
    for (const place of places.slice(start, start + STEP)) {
      const text = ` ${plain(items.text[place])}`;
      let bits = 0;
      wanted.forEach((word, number) => { if (new RegExp(`[^\\p{L}\\p{N}]${word}`, "u").test(text)) { bits |= 1 << number; counts[number]++; } });
      if (bits) found.push([place, bits, text.length]);
    }
    await pause();
  }
  const weights = counts.map((count) => Math.log(1 + (places.length - count + 0.5) / (count + 0.5)));
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  return found
    .map(([place, bits, length]) => {
      const parts = wanted.map((word, number) => [word, bits & (1 << number) ? weights[number] : 0]).filter(([, part]) => part > 0);
      const score = parts.reduce((sum, [, part]) => sum + part, 0) / total / (1 + 0.05 * Math.log1p(length / 200));
      return { id: items.id[place], score, parts };
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, k);
}

// Groups of the ranker's features, as people call them.
const GROUPS = [
  ["its words", /^(bm25|coverage|coverage_.*|rare.*|lead.*|order|phrase|exact.*|words.*|first_terms)/],
  ["words like them", /^(soft|alike|likeness)/],
  ["its meaning", /^(dense|topic)/],
  ["what stands around it", /(around|near|window|neighbour|before|after|exchange|answer)/],
  ["its session", /^(session|first_in_session|position)/],
  ["time", /(time|when|date|recent|told)/],
  ["who says it", /(speaker|names|first_person)/],
];

export function groups(reasons) {
  const sums = new Map();
  for (const { feature, contribution } of reasons) {
    const name = (GROUPS.find(([, form]) => form.test(feature)) || ["its form"])[0];
    sums.set(name, (sums.get(name) || 0) + contribution);
  }
  return [...sums].filter(([, sum]) => Math.abs(sum) >= 0.05).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
}
