// What cards and views are built of: elements with text in them, and lists of items to open.
import { layer, when } from "./items.js";

const SHOWN = 60; // items of a list that are there at once

export function made(tag, words = "", more = {}) {
  const found = Object.assign(document.createElement(tag), more);
  if (words) found.textContent = words;
  return found;
}

// A list of items, each a button that opens it; of a long one the rest on request.
export function itemList(items, places, open) {
  const list = made("ul", "", { className: "itemlist" });
  const more = (start) => {
    for (const place of places.slice(start, start + SHOWN)) {
      const row = made("li");
      row.style.setProperty("--layer", layer(items.kind[place]));
      const go = made("button", items.text[place].slice(0, 220) || "(nothing)", { type: "button", dir: "auto" });
      go.prepend(made("small", [items.kind[place], when(items.at[place]), items.speaker[place]].filter(Boolean).join(" · ")));
      go.addEventListener("click", () => open(place));
      row.append(go);
      list.append(row);
    }
    if (places.length > start + SHOWN) {
      const row = made("li");
      const rest = made("button", `${places.length - start - SHOWN} more`, { type: "button" });
      rest.addEventListener("click", () => { row.remove(); more(start + SHOWN); });
      row.append(rest);
      list.append(row);
    }
  };
  more(0);
  return list;
}

// The places of those ids that are there, in the order of time.
export const placesOf = (items, ids) => ids.map((id) => items.place.get(id)).filter((place) => place !== undefined).sort((a, b) => items.at[a] - items.at[b]);
