// A page of `blur review`: pictures are made as they are wanted, and a decision counts as saved once
// the server has it on disk.
const waiting = new Map(); // index -> decision that is not on disk yet
let sent = Promise.resolve();
const ask = (what, content) => fetch(what, { method: "POST", body: JSON.stringify(content) });
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

async function send() {
  if (!waiting.size) return;
  const batch = [...waiting];
  let trouble = "";
  try {
    const content = { threshold: state.threshold, decisions: Object.fromEntries(batch) };
    const answer = await ask("decisions", content);
    if (!answer.ok) trouble = await answer.text();
  } catch {
    trouble = "is 'blur review' still running?";
  }
  for (const [index, mark] of trouble ? [] : batch) {
    if (waiting.get(index) === mark) waiting.delete(index);
  }
  if (trouble) setTimeout(() => (sent = sent.then(send)), 1000);
  store.trouble = trouble && `not saved yet: ${waiting.size} (${trouble})`;
  status();
}
addEventListener("beforeunload", (event) => waiting.size && event.preventDefault());
