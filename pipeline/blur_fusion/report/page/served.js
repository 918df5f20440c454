// A page of `blur review`: the server makes pictures on request; a decision counts as saved once it
// is on the server's disk.
const waiting = new Map(); // index -> decision that is not on disk yet
let sent = Promise.resolve();
const place = (photo, what) => (photo.error === null ? `photos/${photo.index}/${what}` : "");

const store = {
  trouble: "",
  thumbnail: (photo) => place(photo, "small"),
  original: (photo) => place(photo, "whole"),
  map: (photo) => place(photo, "map"),
  load: () => about,
  save(indices) {
    for (const index of indices) waiting.set(index, decisions[index]);
    sent = sent.then(send);
  },
};

// What the server answers, or `trouble`.
async function ask(what, content) {
  try {
    const answer = await fetch(what, { method: "POST", body: JSON.stringify(content) });
    return answer.ok ? await answer.json() : { trouble: await answer.text() };
  } catch {
    return { trouble: "is 'blur review' still running?" };
  }
}

async function send() {
  if (!waiting.size) return;
  const batch = [...waiting];
  const content = { threshold: state.threshold, decisions: Object.fromEntries(batch) };
  const { trouble } = await ask("decisions", content);
  for (const [index, mark] of trouble ? [] : batch) {
    if (waiting.get(index) === mark) waiting.delete(index);
  }
  if (trouble) setTimeout(() => (sent = sent.then(send)), 1000);
  store.trouble = trouble ? `not saved yet: ${waiting.size} (${trouble})` : "";
  status();
}
addEventListener("beforeunload", (event) => waiting.size && event.preventDefault());
