// Names in a text, by their spelling, and the items that share one: the graph that recall walks over, as far as a page can show it.
const NAME_RUN = /[\p{Lu}\p{Nd}][\p{L}\p{N}\p{M}’'.-]*(?:[ \t]+(?:(?:of|the|for|de|la|von|van|der|du|di)[ \t]+){0,2}\p{Lu}[\p{L}\p{N}\p{M}’'-]*)*/gu;
const SENTENCE_OPENERS = new Set("the a an i it he she they we you this that these those there what when where who why how and but or if in on at so yes no oh hi hey hello thanks thank well okay ok just then not my your his her our their its is are was did do does can let also however though today tomorrow yesterday".split(" "));
const CONTRACTED = /[’'](?:s|m|re|ve|ll|d|t)$/u; // "I've" opens a sentence as "I" does
const SENTENCE_END = /(?<=(?:^|[ \t])(?!(?:Mrs|Prof|Capt|Rev|Gen|Sen|Gov|Sgt|Col)\.)[^\s.]{3,})\.[ \t]+/u; // within a run: no initial, no title
const MOST_NAMES = 12; // names of one item that are offered

const opens = (word) => SENTENCE_OPENERS.has(word.toLowerCase().replace(CONTRACTED, ""));

export function namesOf(text) {
  const found = [];
  for (const [run] of text.matchAll(NAME_RUN)) {
    for (const part of run.includes(". ") ? run.split(SENTENCE_END) : [run]) {
      const words = part.replace(/[.’'-]+$/u, "").split(/\s+/u);
      while (words.length && opens(words[0])) words.shift();
      while (words.length && opens(words[words.length - 1])) words.pop();
      const name = words.join(" ").replace(/[’']s\b/gu, "");
      if (name.length > 1 && (!/^[\d.,]+$/u.test(name) || /^(1\d|20)\d\d$/u.test(name)) && !found.includes(name)) found.push(name);
      if (found.length === MOST_NAMES) return found;
    }
  }
  return found;
}

// The ids of the items that have a name as a whole, but for one; forgotten and replaced ones are left out.
export function sharing(items, name, besides) {
  const form = new RegExp(`(?<![\\p{L}\\p{N}])${name.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&")}(?![\\p{L}\\p{N}])`, "u");
  const found = [];
  for (let place = 0; place < items.length; place++) {
    if (!items.state[place] && items.id[place] !== besides && items.text[place].includes(name) && form.test(items.text[place])) found.push(items.id[place]);
  }
  return found;
}
