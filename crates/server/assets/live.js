// What pages do beyond plain links and forms. Every page works without it.
"use strict";

// Ask back before what cannot be undone, and show that a slow form is on its way.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button) return;
  if (button.dataset.sure && !window.confirm(button.dataset.sure)) {
    event.preventDefault();
    return;
  }
  // Disabled only after the browser has taken the form, or the button would not be in it.
  setTimeout(() => {
    for (const other of document.querySelectorAll("form[method=post] button")) other.disabled = true;
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  });
});

// A page that comes back from the browser's memory has its buttons again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const live = document.getElementById("live");
if (live) follow(live);

// Follows an open run. When its state as a whole changes, the page is loaded anew.
function follow(live) {
  const events = new EventSource(live.dataset.events);
  const lines = document.getElementById("lines");
  const progress = live.querySelector(".progress");
  const titles = new Map();
  for (const step of live.querySelectorAll("[data-step]")) {
    titles.set(step.dataset.step, step.firstElementChild.textContent);
  }
  const heavy = new Set([
    "rollback_started", "undo_started", "undo_finished", "undo_stuck", "deadline_missed", "asked_operator",
  ]);

  events.addEventListener("journal", (event) => {
    const line = JSON.parse(event.data);
    const row = lines.insertRow();
    row.className = heavy.has(line.event) ? "warn" : line.event === "log" ? "log" : "plain";
    const at = document.createElement("time");
    at.dateTime = line.at;
    at.textContent = line.at.slice(11, 19);
    row.insertCell().append(at);
    const step = titles.get(line.step) || line.step;
    for (const text of [step, line.event.replaceAll("_", " "), line.detail]) row.insertCell().textContent = text;
  });

  events.addEventListener("progress", (event) => {
    const { percent, message } = JSON.parse(event.data);
    progress.hidden = false;
    progress.firstElementChild.value = percent;
    progress.lastElementChild.textContent = `${Math.round(percent)} % ${message}`;
  });

  events.addEventListener("state", (event) => {
    const { record, steps } = JSON.parse(event.data);
    if (`${record.status} ${record.phase}` !== live.dataset.form) {
      events.close();
      location.reload();
      return;
    }
    const words = { done: "done", current: "at work", failed: "stopped here", todo: "to do" };
    for (const step of steps) {
      const item = live.querySelector(`[data-step="${step.name}"]`);
      if (!item || item.className === step.state) continue;
      if (item.className === "current") progress.hidden = true;
      item.className = step.state;
      item.lastElementChild.textContent = words[step.state] || step.state;
    }
  });
}
