// Building pieces of the page; text always goes in as text, never as markup.

const body = document.body;
const words = JSON.parse(body.dataset.words);

export const language = body.dataset.language === "zh" ? "zh-CN" : body.dataset.language;

export const $ = (id) => document.getElementById(id);

export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function avatar(person) {
  const letters = [...person.name.trim()];
  const short = /^[\x20-\x7f]/.test(person.name)
    ? person.name.split(/\s+/).map((word) => [...word][0]).slice(0, 2).join("").toUpperCase()
    : letters.slice(-1).join("");
  return make("span", { class: `avatar tint-${person.telegram_id % 7}`, "aria-hidden": "true" }, short);
}

export function price(currency, amount) {
  if (currency === "XTR") return `⭐ ${amount.toLocaleString(language)}`;
  const digits = new Intl.NumberFormat(language, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  return (amount / 10 ** digits).toLocaleString(language, { style: "currency", currency });
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function day(seconds) {
  const then = new Date(seconds * 1000);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(then).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return say("today");
  if (days === 1) return say("yesterday");
  return then.toLocaleDateString(language, { month: "long", day: "numeric" });
}

export function toast(text) {
  const bubble = make("div", { class: "toast" }, text);
  $("toasts").append(bubble);
  const remove = () => bubble.remove();
  setTimeout(remove, 2500 + 40 * text.length);
  return remove;
}

// Touches only what differs: unchanged pictures stay, and screen readers hear only what is new.
export function arrange(parent, wanted) {
  const kept = new Set(wanted);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
