// The menu of rooms. What is open stands on the body, so that the style sheet shows and hides without the server.
const { make } = window.unetViewer;
const root = element.querySelector(".rooms-menu");

function enter(id) {
  if (id) document.body.dataset.room = id;
  else delete document.body.dataset.room;
  render();
  window.scrollTo({ top: 0 });
}

function choose(id) {
  const open = id === document.body.dataset.room ? null : id;
  enter(open);
  trigger("input", { room: open });
}

function render() {
  const { rooms, words } = props.value, open = document.body.dataset.room;
  const title = rooms.find((one) => one.id === open)?.title;
  const menu = make("details", {},
    make("summary", { "aria-label": title ? `${words.rooms}: ${title}` : words.rooms }, title ?? words.rooms),
    make("div", { class: "list" }, ...rooms.map((one) =>
      make("button", { type: "button", "aria-pressed": String(one.id === open), "data-room": one.id, onclick: () => choose(one.id) },
        make("b", {}, one.title), make("span", {}, one.summary)))));
  const back = open ? make("button", { type: "button", class: "back", onclick: () => choose(open) }, words.back) : null;
  root.replaceChildren(...[menu, back].filter(Boolean));
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
watch("value", () => enter(props.value.open));
render();
