// Two event processors with the blob checkpoint store: they share partitions, hand them over in
// good order, and take over from one that is killed. No event may be missed.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { ContainerClient } from "@azure/storage-blob";
import { post, range, run, state, until } from "./lab.mjs";

const container = `lab${Date.now()}`;
const seen = new Map(); // partition -> numbers that some processor has read

class Processor {
  owned = new Set();
  reasons = [];
  errors = [];

  constructor() {
    this.child = fork(new URL("./worker.mjs", import.meta.url), {
      env: { ...process.env, LAB_CONTAINER: container },
    });
    this.child.on("message", (message) => this.hear(message));
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
  }

  hear(message) {
    if (message.gained) this.owned.add(message.gained);
    if (message.lost) {
      this.owned.delete(message.lost);
      this.reasons.push(message.reason);
    }
    if (message.error) this.errors.push(message);
    if (message.numbers) {
      if (!seen.has(message.partition)) seen.set(message.partition, new Set());
      for (const number of message.numbers) seen.get(message.partition).add(number);
    }
  }

  async stop() {
    this.child.send("stop");
    await this.ended;
  }
}

async function epochs() {
  return (await state()).partitions.map((p) => p.receivers.map((r) => r.epoch));
}

let total = 0;
let a;
let b;

async function oneTakesAll() {
  await new ContainerClient(process.env.LAB_BLOB, container).createIfNotExists();
  total = (await state()).partitions.length;
  await post("/generate", { rate: 200, devices: 40 });
  a = new Processor();
  await until(() => a.owned.size === total, "one owner of everything");
  // Owning comes before attaching.
  const all = JSON.stringify(Array.from({ length: total }, () => [0]));
  await until(async () => JSON.stringify(await epochs()) === all, "a receiver on every partition");
}

async function twoShare() {
  b = new Processor();
  await until(() => a.owned.size === total / 2 && b.owned.size === total / 2, "halves");
  await until(
    async () =>
      a.errors.some((e) => e.error === "ReceiverDisconnectedError") &&
      a.reasons.includes("OwnershipLost") &&
      (await state()).stolen >= total / 2 &&
      a.owned.size + b.owned.size === total,
    "a is told why",
  );
}

async function oneLeavesInGoodOrder() {
  await a.stop();
  await until(() => b.owned.size === total, "everything handed over");
}

async function oneIsKilled() {
  const c = new Processor();
  await until(() => c.owned.size === total / 2, "halves again");
  b.child.kill("SIGKILL");
  await b.ended;
  await until(() => c.owned.size === total, "everything taken over");
  a = c;
}

async function nothingWasMissed() {
  await post("/stop");
  const { partitions } = await state();
  await until(
    () => partitions.every((p) => p.last < 0 || (seen.get(p.id)?.size ?? 0) === p.last + 1),
    "every event",
  );
  for (const p of partitions)
    if (p.last >= 0)
      assert.deepEqual([...seen.get(p.id)].sort((x, y) => x - y), range(0, p.last));
  await a.stop();
}

await run([oneTakesAll, twoShare, oneLeavesInGoodOrder, oneIsKilled, nothingWasMissed]);
