// Live pages: when the server says that something changed, the page is fetched again and its marked parts are swapped.
// Without this script every page works by reloading it.
"use strict";

(() => {
  const page = document.querySelector("main[data-live]");
  const sign = document.getElementById("live");
  const QUIET_MS = 250;
  let waiting = 0;

  const say = (state, text) => {
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = state;
    sign.textContent = text;
  };

  const swap = (fresh) => {
    for (const old of document.querySelectorAll("[data-refresh]")) {
      const next = fresh.getElementById(old.id);
      if (!next || old.innerHTML === next.innerHTML) continue;
      if (old.querySelector("form") && old.contains(document.activeElement)) {
        // Somebody is typing here: nothing is taken from under their hands.
        say("off", "This page has changed. Reload it before you decide.");
        continue;
      }
      const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const known = new Set([...old.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
      old.replaceWith(next);
      for (const row of next.querySelectorAll("[data-key]")) {
        if (!known.has(row.dataset.key)) row.classList.add("fresh");
      }
      if (focused) next.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      const spoken = document.getElementById("spoken");
      if (spoken) spoken.textContent = next.dataset.spoken || "The page was updated.";
    }
  };

  const refresh = async () => {
    waiting = 0;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || answer.status === 401) {
        say("off", "You were signed out. Reload the page to sign in.");
      } else if (answer.ok) {
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch {
      say("off", "Not connected. Reload the page to see what is new.");
    }
  };

  const later = () => {
    if (!waiting) waiting = setTimeout(refresh, QUIET_MS);
  };

  if (page && page.dataset.live && "EventSource" in window) {
    const events = new EventSource(page.dataset.live);
    let lost = false;
    events.addEventListener("open", () => {
      say("on", "Live");
      if (lost) later(); // what happened meanwhile was not told
      lost = false;
    });
    events.addEventListener("changed", later);
    events.addEventListener("error", () => {
      lost = true;
      const over = events.readyState === EventSource.CLOSED;
      say("off", over ? "Live updates ended. Reload the page to see what is new." : "Reconnecting …");
    });
    addEventListener("pagehide", () => events.close());
  }
})();
