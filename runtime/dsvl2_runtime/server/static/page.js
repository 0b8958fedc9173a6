// Asks the server that sent this page. Answers are shown as text and never become markup.

const at = (id) => document.getElementById(id);
const [drop, file, hint, stage, image, boxes] = ["drop", "file", "hint", "stage", "image", "boxes"].map(at);
const [form, question, send, stop, keyRow, key, answer, state] =
  ["form", "question", "send", "stop", "key-row", "key", "answer", "state"].map(at);

let picture = null;
let leaving = null;

function say(text, isError = false) {
  state.textContent = text;
  state.classList.toggle("error", isError);
}

function choose(chosen) {
  if (!chosen) return;
  if (picture) URL.revokeObjectURL(image.src);
  picture = chosen;
  image.src = URL.createObjectURL(chosen);
  boxes.replaceChildren();
  hint.hidden = true;
  stage.hidden = false;
  question.focus();
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.replace(/^data:[^,]*,/, "data:image/png;base64,"));
    reader.onerror = () => reject(new Error("the picture cannot be read"));
    reader.readAsDataURL(blob);
  });
}

function drawBoxes(found) {
  boxes.replaceChildren(...found.map(({ label, norm999: [left, top, right, bottom] }) => {
    const frame = document.createElement("i");
    const percent = (value) => `${value / 9.99}%`;
    Object.assign(frame.style, {
      left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top),
    });
    if (label) frame.append(Object.assign(document.createElement("b"), { textContent: label }));
    return frame;
  }));
}

// The markup of boxes is shown as frames; in the text only their labels stay.
const withoutMarkup = (text) => text.replace(/<\|det\|>.*?(<\/?\|\/det\|>|$)/gs, "").replace(/<\|\/?ref\|>/g, "").trim();

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const found = (rest + value).split("\n");
    rest = found.pop();
    yield* found;
  }
}

async function request(content, signal) {
  const headers = { "content-type": "application/json" };
  if (key.value) headers.authorization = `Bearer ${key.value}`;
  const body = JSON.stringify({ stream: true, messages: [{ role: "user", content }] });
  const response = await fetch("v1/chat/completions", { method: "POST", headers, body, signal });
  if (response.status === 401) keyRow.hidden = false;
  if (!response.ok) throw new Error((await response.json()).error.message);
  return response.body;
}

async function ask() {
  const content = [];
  if (picture) content.push({ type: "image_url", image_url: { url: await dataUrl(picture) } });
  content.push({ type: "text", text: question.value });
  leaving = new AbortController();
  let text = "";
  for await (const line of lines(await request(content, leaving.signal))) {
    if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
    const chunk = JSON.parse(line.slice("data: ".length));
    if (chunk.error) throw new Error(chunk.error.message);
    text += chunk.choices[0]?.delta.content ?? "";
    answer.textContent = withoutMarkup(text);
    if (chunk.x_dsvl2) {
      drawBoxes(chunk.x_dsvl2.boxes);
      say([`${chunk.x_dsvl2.seconds} s`, ...chunk.x_dsvl2.warnings.map((warning) => warning.text)].join(" · "));
    }
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.textContent = "";
  boxes.replaceChildren();
  say("Reading …");
  send.hidden = !(stop.hidden = false);
  try {
    await ask();
  } catch (error) {
    if (error.name === "AbortError") say("Stopped");
    else say(error.message, true);
  } finally {
    stop.hidden = !(send.hidden = false);
  }
});
stop.addEventListener("click", () => leaving?.abort());
file.addEventListener("change", () => choose(file.files[0]));
drop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") file.click(); });
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop") choose(event.dataTransfer.files[0]);
  });
}
document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
