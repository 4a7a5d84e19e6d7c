// What the checks share: the lab's control endpoint, and a reader of one partition.
import assert from "node:assert/strict";
import { EventHubConsumerClient } from "@azure/event-hubs";

export const connectionString = process.env.LAB_CONNECTION;
export const control = process.env.LAB_CONTROL;

// Short waits: whatever the lab answers, it answers at once. But as many as a second of throttling
// takes: once they are used up, the client forgets where it was.
export const patience = {
  retryOptions: { maxRetries: 20, retryDelayInMs: 200, maxRetryDelayInMs: 1000, timeoutInMs: 10000 },
};

export async function post(path, body = {}) {
  const answer = await fetch(control + path, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

export async function state() {
  return (await fetch(control + "/state")).json();
}

export async function partition(id) {
  return (await state()).partitions[id];
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Guards against hanging only: the machine may be busy.
const LONGEST_SECONDS = 180;

export async function until(condition, what, seconds = LONGEST_SECONDS) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(50))
    if (await condition()) return;
  throw new Error(`still not so after ${seconds} s: ${what}`);
}

export function consumer(string = connectionString, options = {}) {
  return new EventHubConsumerClient("$Default", string, { ...patience, ...options });
}

// Reads one partition. Events pile up in .events, errors in .errors.
export function read(client, id, options) {
  const reading = { events: [], errors: [], context: null };
  const subscription = client.subscribe(
    String(id),
    {
      processEvents: async (batch, context) => {
        reading.events.push(...batch);
        reading.context = context;
      },
      processError: async (error) => {
        reading.errors.push(error);
      },
    },
    { maxWaitTimeInSeconds: 1, maxBatchSize: 100, ...options },
  );
  reading.close = () => subscription.close();
  reading.until = (n) =>
    until(() => reading.events.length >= n || reading.errors.length > 0, `${n} events`);
  return reading;
}

// The first n events from a position.
export async function take(client, id, n, startPosition) {
  const reading = read(client, id, { startPosition });
  await reading.until(n);
  await reading.close();
  assert.deepEqual(reading.errors, []);
  return reading.events.slice(0, n);
}

// The error that a reader gets.
export async function refusal(client, id, options) {
  const reading = read(client, id, options);
  await until(() => reading.errors.length > 0, "an error");
  await reading.close();
  return reading.errors[0];
}

export function numbers(events) {
  return events.map((event) => event.sequenceNumber);
}

// The numbers from first to last.
export function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

// Runs the checks one by one and ends the process; status 0 when all passed.
export async function run(checks) {
  let failed = 0;
  for (const check of checks) {
    try {
      await check();
      console.log(`ok   ${check.name}`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${check.name}: ${error.stack}`);
    }
  }
  process.exit(failed ? 1 : 0);
}
