// Apply: says what would happen, does it, takes it back; of pages that are served.
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
  await sent; // decisions that are on their way
  let found = { summary: store.trouble, lines: [] };
  try {
    const answer = store.trouble ? null : await ask(what, { action: applying.elements.action.value });
    if (answer) found = answer.ok ? await answer.json() : { summary: await answer.text(), lines: [] };
  } catch {
    found.summary = "is 'blur review' still running?";
  }
  $("summary").textContent = found.summary;
  const item = (line) => Object.assign(document.createElement("li"), { textContent: line });
  $("plan").replaceChildren(...found.lines.map(item));
  for (const button of buttons) button.disabled = !found[button.dataset.ask];
}

applying.addEventListener("submit", (event) => {
  const { ask: what } = event.submitter.dataset;
  if (!what) return; // closes
  event.preventDefault();
  applied(what);
});
applying.addEventListener("change", () => applied("plan"));
