// A training as it goes on: the curves of loss and score, and what it makes of images that it never sees.
const root = element.querySelector(".train");
const { make } = window.unetViewer;
const HEIGHT = 190, LEFT = 40, RIGHT = 12, TOP = 10, BOTTOM = 34;

function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Round numbers from 0 to a top, about `count` of them.
function ticks(top, count) {
  const rough = top / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((one) => one * power >= rough * 0.999);
  return Array.from({ length: Math.floor(top / step + 1e-6) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

// A curve of [step, value] over all steps, its value from 0 to `top`.
function curve(name, points, top, width) {
  const { words, steps } = props.value;
  const x = (step) => LEFT + (step / steps) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (Math.min(value, top) / top) * (HEIGHT - TOP - BOTTOM);
  const last = points.at(-1);
  const said = last ? `${words[name]}: ${last[1]} (${words.step} ${last[0]})` : words[name];
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": said });
  for (const tick of ticks(top, 4)) {
    svg.append(drawn("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }));
    svg.append(drawn("text", { x: LEFT - 6, y: y(tick) + 3.5, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of ticks(steps, Math.max(2, Math.floor(width / 90)))) {
    svg.append(drawn("text", { x: x(tick), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, String(tick)));
  }
  svg.append(drawn("text", { x: width - RIGHT, y: HEIGHT - 4, "text-anchor": "end" }, words.step));
  svg.append(drawn("polyline", { class: `curve ${name}`, points: points.map(([step, value]) => `${x(step)},${y(value)}`).join(" ") }));
  if (last) svg.append(drawn("circle", { class: `end ${name}`, cx: x(last[0]), cy: y(last[1]), r: 3.5 }));
  const title = make("h3", {}, words[name], make("small", {}, words.unit));
  return make("section", {}, title, svg);
}

function example(one, number) {
  const { words } = props.value;
  const side = (kind, told) =>
    make("figure", {}, make("img", { src: one[kind], alt: `${number + 1}: ${told}` }), make("figcaption", {}, told));
  return make("div", { class: "example" }, side("mask", `${words.mask}, ${one.dice}`), side("truth", words.truth));
}

function render() {
  const value = props.value;
  if (!value) return root.replaceChildren();
  const both = root.clientWidth >= 560;
  const width = Math.max(220, both ? (root.clientWidth - 16) / 2 : root.clientWidth);
  const top = Math.max(0.5, ...value.loss.map(([, loss]) => loss));
  const curves = make("div", { class: "curves" }, curve("loss", value.loss, top, width), curve("dice", value.dice, 1, width));
  const examples = make("div", { class: "examples" }, ...value.examples.map(example));
  root.replaceChildren(curves, make("h3", {}, value.words.held), examples);
}

let seen = 0;
new ResizeObserver(() => {
  if (Math.abs(root.clientWidth - seen) > 1) {
    seen = root.clientWidth;
    render();
  }
}).observe(root);
watch("value", render);
render();
