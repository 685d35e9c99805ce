"use strict";
const video = document.querySelector("video");
const timeline = document.querySelector(".timeline");
const playhead = document.querySelector(".playhead");
const rows = [...timeline.querySelectorAll(".row")];
const length = Number(timeline.dataset.length);
const halfFrame = Number(timeline.dataset.halfFrame); // into the middle of a frame, as its edge may show the one before
const spans = rows.map(row => [...row.querySelectorAll(".bar i")].map(part =>
  [parseFloat(part.style.left), parseFloat(part.style.left) + parseFloat(part.style.width)]));

function jump(second) {
  video.currentTime = Math.min(Math.max(second, 0) + halfFrame, length);
}

function choose(id) {
  document.querySelectorAll(".chosen").forEach(one => one.classList.remove("chosen"));
  rows.filter(row => row.dataset.id === id).forEach(row => row.classList.add("chosen"));
  document.getElementById("id-" + id)?.classList.add("chosen");
}

document.addEventListener("click", event => {
  const place = event.target.closest("[data-time], .bar");
  if (!place) return;
  const person = place.closest(".row, .person");
  choose(person.dataset.id ?? person.id.slice(3));
  if (place.dataset.time !== undefined) {
    jump(Number(place.dataset.time));
  } else {
    const box = place.getBoundingClientRect();
    jump((event.clientX - box.left) / box.width * length);
  }
  const seen = video.getBoundingClientRect();
  if (seen.bottom < 0.4 * seen.height || seen.top > innerHeight - 0.4 * seen.height) video.scrollIntoView({ block: "center" });
});

timeline.addEventListener("keydown", event => {
  const row = event.target.closest(".row");
  const seconds = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = { ArrowUp: row?.previousElementSibling, ArrowDown: row?.nextElementSibling }[event.key];
  if (seconds) jump(video.currentTime - halfFrame + seconds);
  else if (next?.classList.contains("row")) next.querySelector("button").focus();
  else return;
  event.preventDefault();
});

function follow() {
  const share = 100 * video.currentTime / length;
  playhead.firstElementChild.style.left = Math.min(share, 100) + "%";
  playhead.style.height = timeline.scrollHeight + "px";
  rows.forEach((row, number) => row.classList.toggle("present", spans[number].some(([from, to]) => from <= share && share < to)));
  if (!video.paused) requestAnimationFrame(follow);
}
for (const event of ["play", "seeked", "timeupdate", "loadedmetadata"]) video.addEventListener(event, follow);
addEventListener("resize", follow);
follow();
