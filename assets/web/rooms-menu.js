// The menu of rooms. What is open stands on the body, so that the style sheet shows and hides without the server, and
// in the address. The browser's own way back leads out of a room.
const { make, refill } = window.unetViewer;
const root = element.querySelector(".rooms-menu");

function enter(id) {
  if (id) document.body.dataset.room = id;
  else delete document.body.dataset.room;
  render();
  window.scrollTo({ top: 0 });
}

const named = () => new URLSearchParams(location.search).get("room");

// A room that opens over the page is a step on the browser's way; one that opens in the place of another is none.
function address(search, id) {
  const way = id && !named() ? "pushState" : "replaceState";
  const state = { ...history.state, entered: way === "pushState" || Boolean(id && history.state?.entered) };
  const others = search.slice(1).split("&").filter((one) => one && !one.startsWith("room="));
  const query = [...others, ...(id ? [`room=${id}`] : [])].join("&");
  history[way](state, "", location.pathname + (query && `?${query}`));
}

function show(id) {
  if (id !== named()) address(location.search, id);
  enter(id);
}

function choose(id) {
  const open = id === document.body.dataset.room ? null : id;
  if (!open && history.state?.entered) return history.back();
  show(open);
  trigger("input", { room: open });
}

window.addEventListener("popstate", () => {
  const id = named();
  // The design is not taken back: the link to the other language knows the address of what is shown.
  address(document.querySelector("#switches a[lang]").search, id);
  if (id === (document.body.dataset.room ?? null)) return;
  enter(id);
  trigger("input", { room: id });
});

function render() {
  const { rooms, words } = props.value, open = document.body.dataset.room;
  const title = rooms.find((one) => one.id === open)?.title;
  const menu = make("details", {},
    make("summary", { "aria-label": title ? `${words.rooms}: ${title}` : words.rooms }, title ?? words.rooms),
    make("div", { class: "list" }, ...rooms.map((one) =>
      make("button", { type: "button", "aria-pressed": String(one.id === open), "data-room": one.id, onclick: () => choose(one.id) },
        make("b", {}, one.title), make("span", {}, one.summary)))));
  const back = open ? make("button", { type: "button", class: "back", onclick: () => choose(open) }, words.back) : null;
  refill(root, ...[menu, back].filter(Boolean));
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = root.querySelector("details[open]");
  if (menu) menu.open = false;
  else if (document.body.dataset.room) choose(document.body.dataset.room);
});
document.addEventListener("click", (event) => {
  const menu = root.querySelector("details[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
// What is open already stays as it is, a menu in use among it.
watch("value", () => props.value.open === (document.body.dataset.room ?? null) || show(props.value.open));
render();
