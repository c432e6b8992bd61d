// Where the nodes of a small graph stand: pushed apart by each other and pulled together by what joins them, always in the same way, so the same graph looks the same.
const ROUNDS = 150;
const GOLDEN = Math.PI * (3 - Math.sqrt(5));
const HIGH = 24; // pixels that a node with its name takes

// Nodes {half}: half the width of a name in pixels; edges {a, b, weight}. Gives [x, y] of each node within a box; the first stands in the middle.
export function placed(nodes, edges, width, height) {
  const count = nodes.length;
  const middle = [width / 2, height / 2];
  const xs = new Float64Array(count), ys = new Float64Array(count);
  for (let one = 1; one < count; one++) { // a spiral, in the order given
    const far = 0.46 * Math.sqrt(one / count);
    xs[one] = Math.cos(one * GOLDEN) * far * width;
    ys[one] = Math.sin(one * GOLDEN) * far * height;
  }
  const ideal = 0.62 * Math.sqrt((width * height) / Math.max(count, 1));
  const strongest = Math.max(1, ...edges.map(({ weight }) => weight));
  const joined = edges.map(({ a, b, weight }) => ({ a, b, force: 0.25 + 0.5 * Math.sqrt(weight / strongest) }));
  const dx = new Float64Array(count), dy = new Float64Array(count);
  for (let round = 0; round < ROUNDS; round++) {
    const step = (ideal / 3) * (1 - round / ROUNDS);
    dx.fill(0); dy.fill(0);
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++) {
        const x = xs[a] - xs[b] || (a - b) * 0.01, y = ys[a] - ys[b] || (b - a) * 0.01;
        const push = (ideal * ideal) / (x * x + y * y);
        dx[a] += x * push; dy[a] += y * push; dx[b] -= x * push; dy[b] -= y * push;
      }
    }
    for (const { a, b, force } of joined) {
      const x = xs[a] - xs[b], y = ys[a] - ys[b];
      const pull = (Math.sqrt(x * x + y * y) / ideal) * force;
      dx[a] -= x * pull; dy[a] -= y * pull; dx[b] += x * pull; dy[b] += y * pull;
    }
    for (let one = 1; one < count; one++) {
      dx[one] -= xs[one] * 0.3 * (height / width); dy[one] -= ys[one] * 0.3 * (width / height);
      const by = Math.sqrt(dx[one] * dx[one] + dy[one] * dy[one]) || 1;
      xs[one] += (dx[one] / by) * Math.min(by, step);
      ys[one] += (dy[one] / by) * Math.min(by, step);
      within(one);
    }
  }
  for (let round = 0; round < 60 && apart(); round++);
  return nodes.map((_, one) => [middle[0] + xs[one], middle[1] + ys[one]]);

  function within(one) {
    const wide = Math.max(0, middle[0] - nodes[one].half - 4), high = Math.max(0, middle[1] - HIGH / 2 - 4);
    xs[one] = Math.min(Math.max(xs[one], -wide), wide);
    ys[one] = Math.min(Math.max(ys[one], -high), high);
  }

  // Moves names that lie on each other apart; whether there were any.
  function apart() {
    let any = false;
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++) {
        const x = nodes[a].half + nodes[b].half + 6 - Math.abs(xs[a] - xs[b]);
        const y = HIGH - Math.abs(ys[a] - ys[b]);
        if (x <= 0 || y <= 0) continue;
        any = true;
        const [at, by] = y <= x ? [ys, y] : [xs, x];
        const side = at[a] < at[b] || (at[a] === at[b] && a < b) ? -1 : 1;
        if (a) at[a] += (side * by) / 2;
        at[b] -= a ? (side * by) / 2 : side * by;
        within(a); within(b);
      }
    }
    return any;
  }
}
