// The list of people.

import { $, avatar, clock, day, icon, make, say } from "./dom.js";
import { get } from "./api.js";

const SHOWN = 100;

export async function drawPeople(current, choose) {
  const wanted = $("search").value;
  const { people, total } = await get(`/people?limit=${SHOWN}&q=${encodeURIComponent(wanted)}`);
  const list = $("people");
  const focused = document.activeElement?.closest?.(".person")?.dataset.id;
  list.replaceChildren(...people.map((person) => make("li", {}, row(person, current, choose))));
  if (!people.length) list.append(make("li", { class: "people-hint" }, say(wanted ? "nobody_found" : "nobody")));
  if (total > people.length) list.append(make("li", { class: "people-hint" }, say("more_people", { count: total - people.length })));
  if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus({ preventScroll: true });
}

function row(person, current, choose) {
  const unread = person.unread && person.telegram_id !== current;
  return make(
    "button",
    {
      class: "person",
      type: "button",
      "data-id": person.telegram_id,
      "aria-current": person.telegram_id === current ? "true" : undefined,
      onclick: () => choose(person.telegram_id),
    },
    avatar(person),
    make("span", { class: "person-name" }, make("span", {}, person.name), person.blocked ? icon("block") : null),
    make("span", { class: "person-time" }, person.preview ? when(person.preview.date) : ""),
    make("span", { class: "person-words" }, preview(person)),
    unread ? make("span", { class: "person-badge" }, String(person.unread)) : null,
  );
}

function when(seconds) {
  return day(seconds) === say("today") ? clock(seconds) : day(seconds);
}

function preview(person) {
  if (person.deactivated) return say("gone");
  if (!person.preview) return person.username ? `@${person.username}` : `ID ${person.telegram_id}`;
  const { kind, text, from_bot: fromBot } = person.preview;
  const thing = { successful_payment: "paid", refunded_payment: "stars" }[kind] ?? kind;
  const words = kind === "text" ? text : [say(thing), text].filter(Boolean).join(" · ");
  return fromBot ? words : `${say("you")}: ${words}`;
}
