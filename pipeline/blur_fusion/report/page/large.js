// The enlarged view: one photo, or a burst side by side; full size shows the sharpest place.
const SIDE_BY_SIDE = 4;
const stage = document.querySelector(".stage");
const choices = { full: false, map: false, side: false };
let held = []; // photos in the stage

// Shows the thumbnail until the original is loaded, if it can be.
function frame(photo) {
  const figure = $("frame").content.firstElementChild.cloneNode(true);
  const image = figure.querySelector("img");
  figure.dataset.index = photo.index;
  image.alt = photo.name;
  image.addEventListener("load", () => toFocus(figure));
  const thumbnail = store.thumbnail(photo);
  if (thumbnail) image.src = thumbnail;
  const original = new Image();
  original.onload = () => {
    image.src = original.src;
    figure.dataset.whole = "";
    if ($("large").open) describe();
  };
  if (store.original(photo)) original.src = store.original(photo);
  return figure;
}

// All frames of a burst show the same place, where the best of them is sharpest.
function toFocus(figure) {
  const { focus_x: x, focus_y: y } = burstOf(photos[figure.dataset.index])[0];
  const { clientWidth: width, clientHeight: height } = figure.querySelector("img");
  const view = figure.querySelector(".view");
  view.scrollTo((x ?? 0.5) * width - view.clientWidth / 2, (y ?? 0.5) * height - view.clientHeight / 2);
}

function describe() {
  for (const figure of stage.children) {
    const photo = photos[figure.dataset.index];
    const map = figure.querySelector(".map");
    figure.className = photo === current() ? "now" : "";
    figure.classList.add(decisionOf(photo));
    const line = [rankText(photo), photo.name, DECIDED[decisionOf(photo)]].filter(Boolean).join(" · ");
    figure.querySelector("figcaption").textContent = held.length > 1 ? line : "";
    const wanted = choices.map ? store.map(photo) : "";
    map.hidden = !wanted;
    if (wanted && map.getAttribute("src") !== wanted) map.src = wanted;
  }
  const whole = stage.querySelector(".now")?.dataset.whole !== undefined;
  const small = !whole && store.thumbnail(current()) ? ", thumbnail" : "";
  const map = stage.querySelector(".map:not([hidden])") ? "; yellow is blurred, dark is sharp" : "";
  $("large-note").textContent = described(current()) + small + map;
  for (const name in choices) {
    stage.classList.toggle(name, choices[name]);
    document.querySelector(`#large [data-do=${name}]`)?.setAttribute("aria-pressed", choices[name]);
  }
}

function enlarge() {
  const photo = current();
  if (!photo) return $("large").close();
  $("large-name").textContent = photo.name;
  $("large-name").title = photo.path;
  const frames = choices.side ? burstOf(photo) : [photo];
  const first = frames.indexOf(photo) - (frames.indexOf(photo) % SIDE_BY_SIDE);
  const list = frames.slice(first, first + SIDE_BY_SIDE);
  if (list.some((one, k) => one !== held[k]) || list.length !== held.length) {
    held = list;
    stage.replaceChildren(...list.map(frame));
    const next = grid.list[cursor + 1];
    if (next && list.length === 1 && store.original(next)) new Image().src = store.original(next);
  }
  describe();
  if (!$("large").open) $("large").showModal();
}

function toggle(name) {
  if (!$("large").open && name !== "side") return;
  choices[name] = !choices[name];
  if (choices.side && name === "side") {
    state.order = $("order").value = "bursts"; // so arrows go from frame to frame
    update();
    move(cursor);
  }
  if (current()) enlarge();
  if (name === "full") [...stage.children].forEach(toFocus);
}

stage.addEventListener("click", (event) => {
  const index = event.target.closest("figure")?.dataset.index;
  if (index === undefined || photos[index] === current()) return toggle("full");
  const at = grid.list.indexOf(photos[index]);
  if (at >= 0) move(at);
});
// Frames scroll together; scrolling to the same place sends no event, so this ends.
stage.addEventListener("scroll", ({ target }) => {
  for (const view of stage.querySelectorAll(".view")) view.scrollTo(target.scrollLeft, target.scrollTop);
}, true);
$("large").addEventListener("close", () => {
  Object.assign(choices, { full: false, map: false, side: false });
  held = [];
  stage.replaceChildren();
  $("grid").focus({ preventScroll: true });
});
