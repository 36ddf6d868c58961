// Telegram's formatting as elements; offsets are in UTF-16 units, as in JavaScript's own strings.

import { make } from "./dom.js";

const TAGS = { bold: "b", italic: "i", underline: "u", strikethrough: "s" };

export function formatted(text, entities, actions) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  const words = make("div", { class: "words" });
  words.append(...pieces(text, sorted, 0, text.length, actions));
  return words;
}

function pieces(text, entities, from, to, actions) {
  const found = [];
  let place = from;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index];
    const start = Math.max(entity.offset, place);
    const end = Math.min(entity.offset + entity.length, to);
    let next = index + 1;
    while (next < entities.length && entities[next].offset < end) next += 1;
    if (end > start) {
      found.push(text.slice(place, start));
      const inside = pieces(text, entities.slice(index + 1, next), start, end, actions);
      found.push(element(entity, text.slice(start, end), inside, actions));
      // A block ends its line by itself.
      place = isBlock(entity) && text[end] === "\n" ? end + 1 : end;
    }
    index = next;
  }
  found.push(text.slice(place, to));
  return found.filter((piece) => piece !== "");
}

const isBlock = (entity) => entity.type === "pre" || entity.type.endsWith("blockquote");

function element(entity, text, inside, actions) {
  switch (entity.type) {
    case "bold":
    case "italic":
    case "underline":
    case "strikethrough":
      return make(TAGS[entity.type], {}, ...inside);
    case "code":
      return make("code", { onclick: () => actions.copy(text) }, ...inside);
    case "pre":
      return make("pre", { "data-language": entity.language, onclick: () => actions.copy(text) }, ...inside);
    case "blockquote":
      return make("blockquote", {}, ...inside);
    case "expandable_blockquote":
      return make("blockquote", { class: "folded", onclick: (event) => event.currentTarget.classList.toggle("folded") }, ...inside);
    case "spoiler":
      return make("span", { class: "spoiler", onclick: (event) => event.currentTarget.classList.add("open") }, ...inside);
    case "bot_command":
      return make("button", { class: "command", type: "button", onclick: () => actions.say(text) }, ...inside);
    case "text_link":
      return link(entity.url, inside, actions, true);
    case "url":
      return link(text.includes("://") ? text : `https://${text}`, inside, actions, false);
    case "mention":
    case "hashtag":
    case "cashtag":
    case "email":
    case "phone_number":
    case "text_mention":
      return make("span", { class: "command" }, ...inside);
    default:
      return make("span", {}, ...inside);
  }
}

function link(url, inside, actions, disguised) {
  const follow = (event) => {
    event.preventDefault();
    actions.follow(url, disguised);
  };
  return make("a", { href: url.replace(/^(?!https?:|tg:)[a-z]+:/i, "#"), rel: "noopener noreferrer", target: "_blank", onclick: follow }, ...inside);
}
