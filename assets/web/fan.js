const { make, decode } = window.unetViewer;
const root = element.querySelector(".fan");
let turn = 0;

async function render() {
  const given = props.value, mine = ++turn;
  if (!given?.options) return root.replaceChildren();
  const image = window.unetViewer.image;
  const decoded = await Promise.all([given.against, ...given.options.map((one) => one.mask)].map((url) => url && decode(url)));
  if (mine !== turn) return;
  const [against, ...masks] = decoded;
  const key = (one, at) => make("span", { class: "key" }, make("i", { style: `background:${one.color}`, class: at ? "striped" : "" }), one.title);
  const focused = document.activeElement?.closest?.(".fan [data-id]")?.dataset.id;
  root.replaceChildren(
    make("header", {}, make("h2", {}, given.title), make("span", { class: "keys" }, ...given.legend.map(key)), make("span", { class: "aside" }, given.hint)),
    make("div", { class: "blades" }, ...given.options.map((one, at) => blade(given, one, image, masks[at], against))),
  );
  if (focused) root.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function blade(given, one, image, mask, against) {
  const canvas = make("canvas", { "aria-hidden": "true", width: 2 * given.window[3], height: 2 * given.window[2] });
  if (image) paint(canvas, given.window, image, mask, against, given.legend);
  const glyph = make("span", { class: "glyph", "aria-hidden": "true" });
  glyph.innerHTML = one.glyph;
  const numbers = [one.dice, one.times].filter(Boolean).map((text) => make("span", { class: "number" }, text));
  return make("button", {
    type: "button", class: "blade", "data-id": one.id, "aria-pressed": String(one.chosen), "aria-disabled": one.why && !mask ? "true" : null,
    title: one.why || one.title, "aria-label": [one.title, one.dice, one.times, one.why].filter(Boolean).join(", "),
    onclick: () => one.chosen || (one.why && !one.times) || trigger("input", { slot: given.slot, id: one.id }),
  }, canvas, make("span", { class: "name" }, glyph, one.title), make("span", { class: "numbers" }, ...numbers));
}

function paint(canvas, [row, column, height, width], image, mask, against, legend) {
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(image.bitmap, column, row, width, height, 0, 0, canvas.width, canvas.height);
  if (!mask) return;
  const layer = new OffscreenCanvas(width, height), over = layer.getContext("2d"), pixels = over.createImageData(width, height);
  const [missed, extra] = legend.map((one) => window.unetViewer.rgb(one.color));
  const edge = window.unetViewer.edges(mask);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (row + y) * mask.width + column + x, own = mask.data[4 * at], right = against ? against.data[4 * at] : own;
      const color = own !== right ? (right > 0 ? [...missed, 255] : [...extra, (x + y) % 4 < 2 ? 255 : 130]) : own > 0 && edge(at) ? [255, 255, 255, 200] : null;
      if (color) pixels.data.set(color, 4 * (y * width + x));
    }
  }
  over.putImageData(pixels, 0, 0);
  context.drawImage(layer, 0, 0, canvas.width, canvas.height);
}

watch("value", render);
document.addEventListener("unet:image", render);
render();
