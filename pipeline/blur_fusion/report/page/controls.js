// Controls: keys, buttons, slider, filters, export.
const ACTIONS = {
  keep: () => judge("k"),
  reject: () => judge("r"),
  undo,
  enlarge,
  close: () => $("large").close(),
  next: () => move(cursor + 1),
  previous: () => move(cursor - 1),
  first: () => move(0),
  last: () => move(grid.list.length - 1),
  up: () => move(cursor - grid.columns < 0 ? cursor : cursor - grid.columns),
  down: () => move(cursor + grid.columns),
  full: () => toggle("full"),
  map: () => toggle("map"),
  side: () => bursts.size && toggle("side"),
  best,
  apply: () => openApply(), // of served pages
};
const KEYS = {
  k: "keep", p: "keep", r: "reject", x: "reject", u: "undo", enter: "enlarge", z: "full", m: "map",
  b: "side", g: "best", home: "first", end: "last", arrowleft: "previous", arrowright: "next",
  arrowup: "up", arrowdown: "down",
};
if ($("apply")) KEYS.a = "apply";
const REPEATED = /^(first|last|previous|next|up|down)$/; // while a key is held

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("apply")?.open) return; // Ctrl+R reloads
  const letter = /^[a-z0-4]$/i.test(event.key);
  if (event.target.matches(letter ? "select, [type=number]" : "select, input")) return;
  if (event.key === "Enter" && event.target.matches("button, summary")) return;
  if (event.key === "Enter" && $("large").open) return ACTIONS.close();
  const action = KEYS[event.key.toLowerCase()];
  const pile = document.querySelectorAll("#piles input")[event.key];
  if (pile) return pile.click();
  if (!action || (event.repeat && !REPEATED.test(action))) return;
  event.preventDefault();
  ACTIONS[action]();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) return ACTIONS[button.dataset.do]();
  const index = Number(event.target.closest(".tile")?.dataset.index);
  if (index === cursor) enlarge(); // a second click, or a tap on the current photo
  else if (index >= 0) move(index);
});

function setThreshold(value) {
  state.threshold = Math.min(1, Math.max(0, value));
  showThreshold();
  update();
  store.save([]);
}

function showThreshold() {
  $("slider").value = state.threshold;
  $("slider").setAttribute("aria-valuetext", state.threshold.toFixed(3));
  if ($("exact").value === "" || Number($("exact").value) !== state.threshold) {
    $("exact").value = state.threshold;
  }
  $("reset").disabled = state.threshold === about.threshold;
  histogram();
}

// To a thousandth; the scan's threshold stays exact until the slider is moved.
$("slider").addEventListener("input", (event) =>
  setThreshold(Math.round(Number(event.target.value) * 1000) / 1000),
);
$("exact").addEventListener("input", (event) => {
  if (event.target.value !== "" && event.target.validity.valid) {
    setThreshold(Number(event.target.value));
  }
});
$("exact").addEventListener("change", showThreshold);
$("reset").addEventListener("click", () => setThreshold(about.threshold));
$("controls").addEventListener("change", ({ target }) => {
  if (!(target.name in state)) return;
  state[target.name] = target.value;
  update();
});
$("csv").addEventListener("click", () => download(asCsv(), "csv", "text/csv"));
$("json").addEventListener("click", () => download(asJson(), "json", "application/json"));

for (const item of document.querySelectorAll(".bursts")) item.hidden = !bursts.size;
function begin() {
  past.length = 0;
  load();
  showThreshold();
  update();
}
begin();
$("grid").focus({ preventScroll: true });
