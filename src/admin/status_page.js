// Replaces the inside of the page every two seconds, while somebody can see it.
(function () {
  "use strict";
  var live = document.getElementById("live"), note = document.getElementById("note");
  var button = document.getElementById("pause"), timer = 0, paused = false, busy = false;

  function again() {
    var inside = document.getElementById("fragment");
    return inside ? Number(inside.dataset.again) || 2000 : 2000;
  }
  function later(wait) {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(look, wait);
  }
  function say(text) {
    if (note.textContent !== text) note.textContent = text;
  }
  function show(html) {
    // Nobody loses the words that he is about to copy.
    if (String(document.getSelection()) !== "") return;
    live.innerHTML = html;
    say("Renewed by itself");
  }
  function look() {
    if (busy) return;
    busy = true;
    fetch("/fragment", {cache: "no-store", credentials: "omit"}).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.text();
    }).then(show, function () {
      say("The node does not answer; this stands still");
    }).then(function () {
      busy = false;
      later(again());
    });
  }
  button.hidden = false;
  button.addEventListener("click", function () {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    button.setAttribute("aria-pressed", String(paused));
    say(paused ? "This stands still" : "Renewed by itself");
    later(0);
  });
  document.addEventListener("visibilitychange", function () { later(0); });
  say("Renewed by itself");
  later(again());
}());
