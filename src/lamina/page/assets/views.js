// Which view is shown: the layers over time, or one of those of what is known. A view costs nothing before it is opened.

export class Views {
  // `views`: for each name its `parts` (elements that are shown with it), its `focus`, and for those that are drawn when they are opened `draw(opened)`.
  constructor(nav, views, say) {
    this.views = views;
    this.say = say;
    this.now = "timeline";
    this.buttons = new Map([...nav.querySelectorAll("button")].map((button) => [button.dataset.view, button]));
    for (const [name, button] of this.buttons) button.addEventListener("click", () => this.go(name));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(document.activeElement.tagName) || document.querySelector("dialog[open]")) return;
      const name = [...this.buttons.keys()][Number(event.key) - 1];
      if (!name || event.key === " ") return;
      if (this.buttons.get(name).hidden) this.say(`There is nothing for the ${this.buttons.get(name).textContent} here`);
      else { event.preventDefault(); this.go(name); this.focus(); }
    });
  }

  // Those views that have something to show.
  offer(name, there) { this.buttons.get(name).hidden = !there; if (!there && this.now === name) this.go("timeline"); }

  go(name) {
    this.now = name;
    for (const [other, button] of this.buttons) button.setAttribute("aria-pressed", String(other === name));
    for (const [other, { parts }] of Object.entries(this.views)) for (const part of parts) part.hidden = other !== name;
    const skip = document.querySelector(".skip");
    skip.href = `#${this.views[name].focus().id || name}`;
    this.views[name].draw?.(true);
    this.say(this.buttons.get(name).textContent);
  }

  redraw() { this.views[this.now].draw?.(false); }
  focus() { this.views[this.now].focus().focus(); }
}
