// Apply, on served pages: says what would happen, does it, undoes it.
const applying = $("apply").querySelector("form");

function openApply() {
  if ($("large").open) $("large").close();
  if (!$("apply").open) $("apply").showModal();
  return applied("plan");
}

// Ask for one of "plan", "apply" and "undo", and show what came of it.
async function applied(what) {
  const buttons = [...applying.querySelectorAll("button[data-ask]")];
  for (const button of buttons) button.disabled = true;
  $("summary").textContent = "…";
  $("plan").replaceChildren();
  await sent; // decisions on their way
  const action = applying.elements.action.value;
  const found = store.trouble ? { trouble: store.trouble } : await ask(what, { action });
  $("summary").textContent = found.trouble ?? found.summary;
  const item = (line) => Object.assign(document.createElement("li"), { textContent: line });
  $("plan").replaceChildren(...(found.lines ?? []).map(item));
  for (const button of buttons) button.disabled = !found[button.dataset.ask];
  applying.querySelector("[data-ask=undo]").title = found.undo ?? "";
}

applying.addEventListener("submit", (event) => {
  const what = event.submitter.dataset.ask;
  if (!what) return; // closes
  event.preventDefault();
  applied(what);
});
applying.addEventListener("change", () => applied("plan"));
