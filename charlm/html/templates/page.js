"use strict";
// Colours each character of a text, and tells more of the one under the pointer, the finger or the
// cursor keys. All it says comes from the JSON beside the text; nothing of that becomes markup.
const detail = document.getElementById("detail");
let forget = () => {}; // what another text has to do when this one is told of

for (const figure of document.querySelectorAll("figure.coloured")) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const pre = figure.querySelector("pre");
  const spans = Array.from(data.text, (character) => {
    const span = document.createElement("span");
    span.textContent = character === "\n" ? "↵\n" : character === "\t" ? "→" : character;
    return span;
  });
  const colour = (span, step) => {
    span.className = step === "." ? "" : data.scale + parseInt(step, 36);
  };
  const colourAll = () => spans.forEach((span, at) => colour(span, data.steps[at]));
  colourAll();
  pre.replaceChildren(...spans);
  pre.tabIndex = 0;

  let current = -1; // the character that is told of
  let pinned = false; // whether it stays when the pointer leaves
  const leave = () => {
    pinned = false;
    tell(-1);
  };

  const characters = Array.from(data.text);
  // Between marks that keep the order of the words around it, which its script may run against.
  const names = { "\n": "line end", " ": "space" };
  const nameOf = (character) => `\u2068${names[character] ?? character}\u2069`;

  // Of a prediction, the character that it hangs on most.
  function strongest(at) {
    const steps = Array.from(data.earlier.slice(at * data.lags, (at + 1) * data.lags));
    const back = steps.indexOf(steps.reduce((one, other) => (other > one ? other : one), "0")) + 1;
    if (back > at) return "nothing before it is shown";
    return `hangs most on ${nameOf(characters[at - back])}, ${back} before it`;
  }

  function sentences(at) {
    const name = nameOf(characters[at]);
    if (data.earlier) return [`${name}: ${strongest(at)}`];
    const value = data.values[at];
    const first = value === null ? data.missing : `${(value / 100).toFixed(2)} ${data.unit}`;
    const others = (data.likeliest ? data.likeliest[at] : []).map(
      (number, rank) => `${nameOf(data.names[number])} ${(data.thousandths[at][rank] / 10).toFixed(1)} %`,
    );
    return [`${name}: ${first}`, ...others];
  }

  function tell(at) {
    if (forget !== leave) {
      if (at < 0) return; // another text is told of
      forget();
      forget = leave;
    }
    if (current >= 0) spans[current].classList.remove("current");
    current = at;
    if (data.earlier) {
      colourAll();
      const row = at < 0 ? "" : data.earlier.slice(at * data.lags, (at + 1) * data.lags);
      Array.from(row).forEach((step, back) => {
        if (at - 1 - back >= 0) colour(spans[at - 1 - back], step);
      });
    }
    detail.replaceChildren(...(at < 0 ? [] : sentences(at)).map((line) => {
      const item = document.createElement("span");
      item.textContent = line;
      return item;
    }));
    if (at >= 0) spans[at].classList.add("current");
  }

  const under = (event) => spans.indexOf(event.target.closest("pre > span"));
  pre.addEventListener("pointerover", (event) => {
    if (!pinned && event.pointerType === "mouse" && under(event) >= 0) tell(under(event));
  });
  pre.addEventListener("pointerleave", (event) => {
    if (!pinned && event.pointerType === "mouse") tell(-1);
  });
  pre.addEventListener("click", (event) => {
    const at = under(event);
    if (at < 0) return;
    pinned = !(pinned && at === current);
    tell(at);
  });
  pre.addEventListener("focus", () => {
    if (current < 0 && pre.matches(":focus-visible")) tell(0);
  });
  pre.addEventListener("keydown", (event) => {
    const last = spans.length - 1;
    const right = getComputedStyle(pre).direction === "rtl" ? -1 : 1;
    const goals = {
      ArrowLeft: current - right, ArrowRight: current + right,
      ArrowUp: current - 20, ArrowDown: current + 20, Home: 0, End: last,
    };
    if (event.key === "Escape") {
      leave();
    } else if (event.key in goals) {
      event.preventDefault();
      pinned = true;
      tell(Math.max(0, Math.min(last, goals[event.key])));
      spans[current].scrollIntoView({ block: "nearest" });
    }
  });
}
