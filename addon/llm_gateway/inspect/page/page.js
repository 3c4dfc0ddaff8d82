// Keeps the page up to date: asks for all of it and changes what differs, so that nothing flickers
// and what is selected, focused or scrolled stays so. Written text only ever becomes text.
"use strict";

const EVERY = 2000;
const state = document.getElementById("state");
let timer = 0;

function morph(old, now) {
  if (old.nodeType !== now.nodeType || old.nodeName !== now.nodeName) {
    old.replaceWith(document.importNode(now, true));
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    morphAttributes(old, now);
    morphChildren(old, now);
  } else if (old.data !== now.data) {
    old.data = now.data;
  }
}

function morphAttributes(old, now) {
  for (const { name } of [...old.attributes]) {
    if (!now.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, now) {
  const wanted = [...now.childNodes];
  const present = [...old.childNodes];
  wanted.forEach((child, index) => {
    if (index < present.length) morph(present[index], child);
    else old.append(document.importNode(child, true));
  });
  present.slice(wanted.length).forEach((child) => child.remove());
}

async function refresh() {
  const answer = await fetch("./", { cache: "no-store" });
  if (answer.status === 403) return "mitmweb was started again: reload to log in.";
  if (!answer.ok) return "The page could not be made; mitmweb's event log says why.";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  morph(document.querySelector("main"), page.querySelector("main"));
  morph(document.querySelector("header p"), page.querySelector("header p"));
  return "";
}

async function turn() {
  clearTimeout(timer);
  if (document.hidden) return;
  const said = await refresh().catch(() => "mitmweb does not answer; these numbers are old.");
  if (state.textContent !== said) state.textContent = said;
  timer = setTimeout(turn, EVERY);
}

document.addEventListener("visibilitychange", turn);
timer = setTimeout(turn, EVERY);
