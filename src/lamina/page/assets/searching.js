// Search without a server: words with weights by how rare they are. The library ranks better (by meaning and by what stands around); this needs nothing but the page.
import { pause } from "./items.js";

const STEP = 2000; // items looked at between two breaths
const WORD = /[\p{L}\p{N}]+/gu;
const COMMON = new Set("the of and to in is it that was for on with as at by from this have be not are or an but they which you we can had has who what when where why how did does do".split(" "));

const RUN = /[\p{L}\p{N}\p{M}]+/gu;
const SPACELESS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");

// Where a script does without spaces, pairs of signs stand for words.
function pairs(run) {
  const signs = [...run];
  return signs.length < 3 ? [run] : signs.slice(1).map((sign, number) => signs[number] + sign);
}

// The words of a cue, each with the form it is found by: a short word as a whole, a longer one with any ending.
export function formsOf(cue) {
  const said = [...new Set((plain(cue).match(WORD) || []).flatMap((run) => (SPACELESS.test(run) ? pairs(run) : [run])))];
  const telling = said.filter((word) => !COMMON.has(word) && (word.length > 1 || SPACELESS.test(word) || /\p{N}/u.test(word)));
  return (telling.length ? telling : said).map((word) => {
    if (SPACELESS.test(word)) return { word, form: new RegExp(word, "u") };
    const stem = word.length > 4 && /\p{L}$/u.test(word) ? word.replace(/(ing|ed|es|s)$/, "") : word;
    return { word, form: new RegExp(`(?<![\\p{L}\\p{N}])${stem}${stem.length < 4 || /^\p{N}+$/u.test(stem) ? "(?![\\p{L}\\p{N}])" : ""}`, "u") };
  });
}

// A text in pieces, each with whether it is one that the cue asks for.
export function* pieces(text, cue) {
  const asked = formsOf(cue);
  const inner = asked.filter(({ word }) => SPACELESS.test(word)).map(({ word }) => word);
  let done = 0;
  for (const { 0: run, index } of text.matchAll(RUN)) {
    yield [text.slice(done, index), false];
    if (inner.length && SPACELESS.test(run)) yield* run.split(new RegExp(`(${inner.join("|")})`, "u")).map((piece, number) => [piece, number % 2 === 1]);
    else yield [run, asked.some(({ form }) => form.test(plain(run)))];
    done = index + run.length;
  }
  yield [text.slice(done), false];
}

export async function simpleSearch(items, places, cue, k) {
  const asked = formsOf(cue);
  if (!asked.length) return [];
  const found = [];
  const counts = new Array(asked.length).fill(0);
  for (let start = 0; start < places.length; start += STEP) {
    for (const place of places.slice(start, start + STEP)) {
      const text = plain(items.text[place]);
      const there = [];
      asked.forEach(({ form }, number) => { if (form.test(text)) { there.push(number); counts[number]++; } });
      if (there.length) found.push([place, there, text.length]);
    }
    await pause();
  }
  const weights = counts.map((count) => Math.log(1 + (places.length - count + 0.5) / (count + 0.5)));
  const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
  return found
    .map(([place, there, length]) => {
      const parts = there.map((number) => [asked[number].word, weights[number]]);
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
