// The page: what its fields and buttons do.

const SLICE = 20; // milliseconds of writing before the browser may show it, and be used

const byId = (id) => document.getElementById(id);
const about = JSON.parse(byId("about").textContent);
const reader = new Reader(about);
const model = new Model(about, readTensors(about.tensors, bytesOf(byId("weights").textContent).buffer));
const prefix = byId("prefix");
const temperature = byId("temperature");
const begun = byId("begun"); // the prefix as the model read it
const rest = byId("rest"); // what it wrote
let latest = {}; // the last text that was asked for: whether it was stopped, or replaced by another

const say = (words) => { byId("status").textContent = words; };
const pause = () => new Promise((resolve) => { setTimeout(resolve); });
const named = (character) => ({ "\n": "line end", "\t": "tab", " ": "blank" })[character] ?? `\u2068${character}\u2069`;

// The ids to begin with. Of what the reader gave, the page says what the model does not know.
function beginning() {
  const given = prefix.value;
  const { ids, lost } = reader.read(given);
  byId("lost").textContent = lost.length
    ? `Left out, since the model does not know: ${lost.slice(0, 20).map(named).join(" ")}${lost.length > 20 ? " …" : ""}`
    : "";
  begun.textContent = ids.map((id) => reader.write(id)).join("");
  if (!given) return [about.beginning];
  return about.end && ids.length ? [about.beginning, ...ids] : ids;
}

// Writes until the length is reached, the model ends the text (where it learned from many, each with
// an end), or the reader stops it or asks for another.
async function write({ length, temperature, seed }) {
  latest.replaced = true;
  const mine = (latest = {});
  const ids = beginning();
  rest.textContent = "";
  if (!ids.length) {
    say("Nothing of the beginning is left. Give characters that the model knows.");
    return;
  }
  say("Writing…");
  byId("text").scrollIntoView({ block: "nearest" });
  const next = written(model, ids, temperature, seed);
  const start = performance.now();
  let [count, goal] = [0, length];
  while (count < goal && !mine.stopped) {
    let piece = "";
    for (const until = performance.now() + SLICE; count < goal && performance.now() < until;) {
      const id = next.next().value;
      if (id === null) continue; // it still reads
      if (id === about.end) {
        goal = count;
      } else {
        piece += reader.write(id);
        count += 1;
      }
    }
    rest.append(piece);
    await pause();
    if (mine.replaced) return;
  }
  const speed = Math.round((1000 * count) / (performance.now() - start)).toLocaleString("en");
  const drawn = temperature === 0 ? "" : ` Seed ${seed}.`;
  say(`${count < goal ? "Stopped after" : "Done:"} ${count.toLocaleString("en")} characters, ${speed} a second.${drawn}`);
}

const stop = () => { latest.stopped = true; };
const showTemperature = () => {
  byId("degrees").textContent = Number(temperature.value) ? temperature.value : "0, always the likeliest";
};

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const seed = byId("seed").value;
  write({
    length: byId("length").valueAsNumber,
    temperature: temperature.valueAsNumber,
    seed: seed === "" ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(seed),
  }).catch((error) => say(error.message));
});
prefix.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  byId("form").requestSubmit();
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") stop(); });
byId("stop").addEventListener("click", stop);
temperature.addEventListener("input", showTemperature);
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("text").textContent);
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(byId("text"));
    say("The browser does not let the page copy. The text is selected: press Ctrl-C, or Cmd-C.");
  }
});
byId("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([byId("text").textContent], { type: "text/plain" }));
  link.download = `${about.run}.txt`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`Saved as ${link.download}.`);
});
showTemperature();
