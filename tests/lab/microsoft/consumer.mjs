// Reads from, and writes to, holdfast-lab hub with Microsoft's own client, unmodified.
//   node consumer.mjs CONNECTION_STRING CONTROL_URL
// Ends with status 0 and one line per check when everything is as with the real service.
import assert from "node:assert/strict";
import {
  EventHubConsumerClient,
  EventHubProducerClient,
  earliestEventPosition,
  latestEventPosition,
} from "@azure/event-hubs";

const [connectionString, control] = process.argv.slice(2);
if (!connectionString || !control) {
  console.error("usage: node consumer.mjs CONNECTION_STRING CONTROL_URL");
  process.exit(2);
}

async function post(path, body) {
  const answer = await fetch(control + path, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

async function state() {
  return (await fetch(control + "/state")).json();
}

// Reads one partition until n events have come; resolves with events and the last context.
function readPartition(client, partition, n, options) {
  return new Promise((resolve, reject) => {
    const events = [];
    let subscription;
    const timer = setTimeout(() => finish(new Error(`only ${events.length} of ${n} events`)), 20000);
    const finish = async (error, context) => {
      clearTimeout(timer);
      await subscription.close();
      error ? reject(error) : resolve({ events, context });
    };
    subscription = client.subscribe(
      partition,
      {
        processEvents: async (batch, context) => {
          events.push(...batch);
          if (events.length >= n) await finish(null, context);
        },
        processError: async (error) => finish(error),
      },
      { maxWaitTimeInSeconds: 1, ...options },
    );
  });
}

async function knowsTheHub(consumer) {
  const hub = await consumer.getEventHubProperties();
  assert.equal(hub.name, "telemetry");
  assert.equal(hub.partitionIds.length, (await state()).partitions.length);
  assert.ok(hub.createdOn instanceof Date && hub.createdOn.getTime() <= Date.now());
  const partition = await consumer.getPartitionProperties("0");
  assert.equal(partition.partitionId, "0");
  assert.equal(typeof partition.lastEnqueuedOffset, "string");
}

async function readsTelemetry(consumer) {
  await post("/generate", { preload: true, events: 2000, devices: 50, properties: 8 });
  const last = (await state()).partitions[0].last;
  const { events, context } = await readPartition(consumer, "0", last + 1, {
    startPosition: earliestEventPosition,
    trackLastEnqueuedEventProperties: true,
    maxBatchSize: 100,
  });
  assert.deepEqual(events.map((e) => e.sequenceNumber), events.map((_, i) => i));
  assert.match(events[0].systemProperties["iothub-connection-device-id"], /^device-/);
  assert.equal(events[0].contentType, "application/json");
  assert.equal(events[0].body.seq, 1);
  assert.ok(events[0].enqueuedTimeUtc instanceof Date);
  assert.equal(context.lastEnqueuedEventProperties.sequenceNumber, last);
  assert.equal(context.lastEnqueuedEventProperties.offset, events.at(-1).offset);

  const middle = events[Math.floor(last / 2)];
  for (const startPosition of [
    { offset: middle.offset },
    { sequenceNumber: middle.sequenceNumber },
    { sequenceNumber: middle.sequenceNumber + 1, isInclusive: true },
  ]) {
    const rest = await readPartition(consumer, "0", 1, { startPosition });
    assert.equal(rest.events[0].sequenceNumber, middle.sequenceNumber + 1);
  }
}

async function sendsAndReadsBack(consumer, producer) {
  const before = (await state()).partitions[3].last;
  const batch = await producer.createBatch({ partitionId: "3" });
  for (let i = 0; i < 10; i++)
    assert.ok(batch.tryAdd({ body: { number: i }, properties: { colour: "blue" } }));
  await producer.sendBatch(batch);
  await producer.sendBatch([{ body: "alone" }], { partitionId: "3" });
  const { events } = await readPartition(consumer, "3", 11, {
    startPosition: { sequenceNumber: before },
  });
  assert.deepEqual(events.slice(0, 10).map((e) => e.body.number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.equal(events[0].properties.colour, "blue");
  assert.equal(events[10].body, "alone");

  const keyed = await producer.createBatch({ partitionKey: "some key" });
  keyed.tryAdd({ body: "keyed" });
  const counts = async () => (await state()).partitions.map((p) => p.last);
  const old = await counts();
  await producer.sendBatch(keyed);
  const chosen = (await counts()).findIndex((last, i) => last !== old[i]);
  const back = await readPartition(consumer, String(chosen), 1, {
    startPosition: { sequenceNumber: old[chosen] },
  });
  assert.equal(back.events[0].partitionKey, "some key");
}

async function losesToAHigherEpoch(consumer) {
  const lost = new Promise((resolve) => {
    consumer.subscribe(
      "1",
      { processEvents: async () => {}, processError: async (error) => resolve(error) },
      { startPosition: latestEventPosition, ownerLevel: 1 },
    );
  });
  while ((await state()).partitions[1].receivers.length === 0)
    await new Promise((resolve) => setTimeout(resolve, 50));
  const other = new EventHubConsumerClient("$Default", connectionString);
  const winner = other.subscribe(
    "1",
    { processEvents: async () => {}, processError: async () => {} },
    { startPosition: latestEventPosition, ownerLevel: 2 },
  );
  assert.equal((await lost).code, "ReceiverDisconnectedError");
  await winner.close();
  await other.close();
}

const consumer = new EventHubConsumerClient("$Default", connectionString);
const producer = new EventHubProducerClient(connectionString);
for (const check of [knowsTheHub, readsTelemetry, sendsAndReadsBack, losesToAHigherEpoch]) {
  await check(consumer, producer);
  console.log(`ok ${check.name}`);
}
await producer.close();
await consumer.close();
process.exit(0);
