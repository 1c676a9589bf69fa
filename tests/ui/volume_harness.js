// Runs assets/web/volume.js without a browser: node volume_harness.js FOLDER-OF-SCRIPTS STEPS prints what STEPS returns.
const { readFileSync } = require("node:fs");
const [folder, steps] = process.argv.slice(2);
const nothing = () => {};
const node = () => ({
  dataset: {}, style: {}, children: [], options: [], value: "3", checked: true, textContent: "",
  setAttribute: nothing, append: nothing, replaceChildren: nothing, insertAdjacentHTML: nothing, addEventListener: nothing,
  querySelector: node, querySelectorAll: () => [], getContext: () => true,
  closest: () => ({ querySelectorAll: () => room.held }),
});
const make = (_, given = {}) => Object.assign(node(), given, { dataset: { id: given["data-id"] } });
const room = { sent: [], heard: {}, ticks: [], held: [node()], kept: {} };

// Of NiiVue what a drawing and a length need: its ring of undone drawings, and places with a tilt and without.
class Niivue {
  constructor() {
    Object.assign(this, { opts: {}, scene: { crosshairPos: [0, 0, 0] }, screenSlices: [], ring: [], drawBitmap: null });
    for (const name of ["attachToCanvas", "drawScene", "refreshDrawing", "setDrawColormap", "setDrawingEnabled", "setPenValue", "clearAllMeasurements"]) {
      this[name] = nothing;
    }
  }
  drawClearAllUndoBitmaps() { this.ring = []; }
  drawAddUndoBitmap() { this.ring.push(this.drawBitmap.slice()); }
  drawUndo() { this.ring.pop(); this.drawBitmap = this.ring.at(-1).slice(); }
  frac2mm([x, y, z], _, real) { return [x, real ? y + z / 2 : y, z, 1]; }
  mm2frac([x, y, z]) { return [x, y, z]; }
  drawMeasurementTool([from, to]) { this.label = window.unetShapes.distance(this.frac2mm(from), this.frac2mm(to)); }
}

Object.assign(globalThis, {
  window: {
    unetViewer: { make, refill: nothing, rgb: () => [0, 0, 0] }, addEventListener: nothing, niivue: { Niivue },
  },
  document: { addEventListener: (name, call) => { room.heard[name] = call; }, head: { append: (one) => one.onload() } },
  ResizeObserver: class { observe() {} },
  setInterval: (call) => room.ticks.push(call),
});
Object.defineProperty(globalThis, "navigator", { value: { onLine: true } });
const words = new Proxy({}, { get: (_, name) => String(name) });
const props = { value: { words, volume: null, masks: {}, doubts: {}, labels: [{ title: "liver", color: "#ffffff" }], levels: 15 } };
const read = (name) => readFileSync(`${folder}/${name}.js`, "utf-8");
new Function(read("shapes"))();

// A volume of four voxels with a mask of each of two designs, and what a hand and the app do with it.
const inner = "{ state, started, layer, back, hand, settle, measured, viewer: () => viewer, shown(one) { image = one; } }";
const script = new Function("element", "props", "trigger", "watch", `${read("volume")}; return ${inner};`);
const page = script({ querySelector: node }, props, (name, said) => room.sent.push([name, said]), nothing);
const begin = async () => {
  await page.started();
  page.shown({ img: new Uint8Array(4), dimsRAS: [3, 4, 1, 1] });
  const masks = { A: new Uint8Array(4), B: new Uint8Array(4) }, doubts = { doubtA: new Uint8Array(4), doubtB: new Uint8Array(4) };
  Object.assign(page.state, { volume: { id: "v", editable: true, spaced: true }, run: "r", masks, doubts });
  page.layer("A");
};
const stroke = (at) => {
  page.viewer().drawBitmap[at] = 1;
  page.viewer().drawAddUndoBitmap();
  page.viewer().onDrawingChanged("draw");
};
const drawn = () => [...page.viewer().drawBitmap];
const answered = (detail) => room.heard.measured({ detail });
const pending = () => [...page.state.corrected.keys()];
const Steps = Object.getPrototypeOf(async () => {}).constructor;
new Steps("page", "room", "begin", "stroke", "drawn", "answered", "pending", steps)(page, room, begin, stroke, drawn, answered, pending)
  .then((found) => console.log(JSON.stringify(found)));
