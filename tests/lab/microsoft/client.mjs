// Consumer and producer of @azure/event-hubs against the lab.
import assert from "node:assert/strict";
import {
  EventHubProducerClient,
  earliestEventPosition,
  latestEventPosition,
} from "@azure/event-hubs";
import {
  connectionString, consumer, numbers, partition, patience, post, range, read, refusal, run, sleep,
  state, take, until,
} from "./lab.mjs";

const client = consumer();
const producer = new EventHubProducerClient(connectionString, patience);

async function propertiesOfHubAndPartition() {
  const hub = await client.getEventHubProperties();
  assert.equal(hub.name, "telemetry");
  assert.deepEqual(hub.partitionIds, (await state()).partitions.map((p) => p.id));
  assert.equal(hub.createdOn.getTime(), (await state()).created_ms);
  assert.deepEqual(await client.getPartitionIds(), hub.partitionIds);
  const empty = await client.getPartitionProperties("0");
  assert.equal(empty.isEmpty, true);
  assert.equal(empty.lastEnqueuedSequenceNumber, -1);
  await post("/send", { device: "d", partition: 0, raw: "1", count: 3 });
  const full = await client.getPartitionProperties("0");
  assert.equal(full.isEmpty, false);
  assert.equal(full.beginningSequenceNumber, 0);
  assert.equal(full.lastEnqueuedSequenceNumber, 2);
  assert.equal(typeof full.lastEnqueuedOffset, "string");
  assert.ok(full.lastEnqueuedOnUtc instanceof Date);
  await assert.rejects(client.getPartitionProperties("99"), { code: "MessagingEntityNotFoundError" });
}

async function telemetryFromTheBeginning() {
  await post("/generate", { preload: true, events: 4000, devices: 50, properties: 8 });
  const { last } = await partition(1);
  const reading = read(client, 1, {
    startPosition: earliestEventPosition,
    trackLastEnqueuedEventProperties: true,
  });
  await reading.until(last + 1);
  await reading.close();
  assert.deepEqual(numbers(reading.events), range(0, last));
  const [event] = reading.events;
  assert.match(event.systemProperties["iothub-connection-device-id"], /^device-/);
  assert.equal(event.systemProperties["iothub-message-source"], "Telemetry");
  assert.equal(event.contentType, "application/json");
  assert.equal(event.body.seq, 1);
  assert.ok(event.enqueuedTimeUtc instanceof Date);
  const end = reading.context.lastEnqueuedEventProperties;
  assert.equal(end.sequenceNumber, last);
  assert.equal(end.offset, reading.events.at(-1).offset);
}

async function everyKindOfPosition() {
  for (let i = 0; i < 10; i++) {
    await post("/send", { device: "d", partition: 2, raw: String(i) });
    await sleep(5);
  }
  const { begin, last } = await partition(2);
  const all = await take(client, 2, last - begin + 1, earliestEventPosition);
  const middle = all.at(-5);
  const at = middle.sequenceNumber;
  const positions = [
    [{ offset: middle.offset }, at + 1],
    [{ offset: middle.offset, isInclusive: true }, at],
    [{ sequenceNumber: at }, at + 1],
    [{ sequenceNumber: at, isInclusive: true }, at],
    [{ enqueuedOn: new Date(middle.enqueuedTimeUtc.getTime() - 1) }, at],
    [{ enqueuedOn: middle.enqueuedTimeUtc }, at + 1],
    [{ offset: "-1" }, begin],
  ];
  for (const [position, first] of positions) {
    const [event] = await take(client, 2, 1, position);
    assert.equal(event.sequenceNumber, first, JSON.stringify(position));
  }
  const latest = read(client, 2, { startPosition: latestEventPosition });
  await until(async () => (await partition(2)).receivers.length === 1, "a receiver");
  await post("/send", { device: "d", partition: 2, raw: "latest" });
  await latest.until(1);
  await latest.close();
  assert.deepEqual(numbers(latest.events), [last + 1]);
}

async function invalidOffsets() {
  const { last } = await partition(2);
  const byOffset = await refusal(client, 2, { startPosition: { offset: "999999999" } });
  assert.equal(byOffset.code, "ArgumentError");
  assert.match(byOffset.message, /The supplied offset '999999999' is invalid/);
  const byNumber = await refusal(client, 2, { startPosition: { sequenceNumber: last + 100 } });
  assert.match(byNumber.message, /The supplied sequence number '\d+' is invalid/);
}

async function batchesOfTheProducer() {
  const before = (await partition(3)).last;
  const batch = await producer.createBatch({ partitionId: "3" });
  assert.equal(batch.maxSizeInBytes, 1 << 20);
  for (let i = 0; i < 10; i++)
    assert.ok(batch.tryAdd({ body: { number: i }, properties: { colour: "blue" }, messageId: `m${i}` }));
  assert.equal(batch.tryAdd({ body: "x".repeat(1 << 20) }), false);
  await producer.sendBatch(batch);
  await producer.sendBatch([{ body: "alone" }], { partitionId: "3" });
  const events = await take(client, 3, 11, { sequenceNumber: before });
  assert.deepEqual(events.slice(0, 10).map((e) => e.body.number), range(0, 9));
  assert.equal(events[0].properties.colour, "blue");
  assert.equal(events[9].messageId, "m9");
  assert.equal(events[10].body, "alone");
  const small = await producer.createBatch({ partitionId: "3", maxSizeInBytes: 200 });
  assert.equal(small.tryAdd({ body: "x".repeat(300) }), false);
}

async function batchesWithAKey() {
  const counts = async () => (await state()).partitions.map((p) => p.last);
  const old = await counts();
  for (let i = 0; i < 3; i++) {
    const keyed = await producer.createBatch({ partitionKey: "some key" });
    keyed.tryAdd({ body: `keyed ${i}` });
    await producer.sendBatch(keyed);
  }
  const now = await counts();
  const chosen = now.findIndex((last, i) => last !== old[i]);
  assert.equal(now[chosen], old[chosen] + 3);
  const events = await take(client, chosen, 3, { sequenceNumber: old[chosen] });
  assert.deepEqual(events.map((e) => e.partitionKey), ["some key", "some key", "some key"]);
}

async function systemProperties() {
  const before = (await partition(0)).last;
  await post("/send", {
    device: "d", module: "m", partition: 0, body: { a: 1 }, properties: { k: "v" },
    system: { "message-id": "id", "correlation-id": "c", "dt-subject": "part", "content-type": "text/x" },
  });
  const [event] = await take(client, 0, 1, { sequenceNumber: before });
  assert.equal(event.messageId, "id");
  assert.equal(event.correlationId, "c");
  assert.equal(event.contentType, "text/x");
  assert.equal(event.systemProperties["dt-subject"], "part");
  assert.equal(event.systemProperties["iothub-connection-module-id"], "m");
  assert.deepEqual(event.properties, { k: "v" });
}

async function ownerLevels() {
  const startPosition = latestEventPosition;
  const low = read(client, 1, { startPosition, ownerLevel: 1 });
  await until(async () => (await partition(1)).receivers.length === 1, "the first owner");
  const other = consumer();
  const high = read(other, 1, { startPosition, ownerLevel: 2 });
  await until(() => low.errors.length > 0, "the end of the first owner");
  assert.equal(low.errors[0].code, "ReceiverDisconnectedError");
  assert.match(low.errors[0].message, /New receiver '.+' with higher epoch of '2' is created/);
  await low.close();
  const lower = await refusal(client, 1, { startPosition, ownerLevel: 1 });
  assert.equal(lower.code, "ReceiverDisconnectedError");
  assert.match(lower.message, /with a higher epoch of '2' already exists/);
  const without = await refusal(client, 1, { startPosition });
  assert.equal(without.code, "ReceiverDisconnectedError");
  assert.match(without.message, /non-epoch receiver is not allowed/);
  const same = read(client, 1, { startPosition, ownerLevel: 2 });
  await until(() => high.errors.length > 0, "an equal level taking over");
  await high.close();
  await same.close();
  assert.deepEqual(same.errors, []);
  await other.close();
  await until(async () => (await partition(1)).receivers.length === 0, "nobody attached");
  const forgotten = read(client, 1, { startPosition, ownerLevel: 0 });
  await until(async () => (await partition(1)).receivers.length === 1, "a level of 0");
  await forgotten.close();
  assert.deepEqual(forgotten.errors, []);
}

async function wrongKeys() {
  const wrong = [
    connectionString.replace(/SharedAccessKey=[^;]*/, "SharedAccessKey=d3Jvbmc="),
    connectionString.replace(/SharedAccessKeyName=[^;]*/, "SharedAccessKeyName=nobody"),
  ];
  for (const string of wrong) {
    const stranger = consumer(string, { retryOptions: { maxRetries: 0, timeoutInMs: 5000 } });
    await assert.rejects(stranger.getEventHubProperties(), (error) => {
      assert.equal(error.code, "UnauthorizedError");
      assert.match(error.message, /InvalidSignature/);
      return true;
    });
    await stranger.close();
  }
}

async function unknownHubs() {
  const lost = consumer(connectionString.replace("EntityPath=telemetry", "EntityPath=other"), {
    retryOptions: { maxRetries: 0, timeoutInMs: 5000 },
  });
  await assert.rejects(lost.getEventHubProperties(), /./);
  await lost.close();
}

// Whatever happens to its links and connections, the client reads on where it was.
async function faultsAreRiddenOut() {
  const before = (await partition(2)).last;
  const reading = read(client, 2, { startPosition: { sequenceNumber: before } });
  let sent = before;
  for (const fault of [
    { kind: "detach", partition: "2" },
    { kind: "throttle", seconds: 1, code: 50002 },
    { kind: "close" },
    { kind: "drop_connections" },
    { kind: "latency", ms: 20 },
    { kind: "latency", ms: 0 },
  ]) {
    await post("/send", { device: "d", partition: 2, raw: JSON.stringify(fault), count: 5 });
    sent += 5;
    await until(() => reading.events.length >= sent - before, `what came before ${fault.kind}`);
    await post("/fault", fault);
  }
  await post("/send", { device: "d", partition: 2, raw: "end" });
  await until(() => reading.events.length >= sent + 1 - before, "the last event");
  await reading.close();
  assert.deepEqual(numbers(reading.events), range(before + 1, sent + 1));
}

async function aHubThatIsMadeAnew() {
  const [event] = await take(client, 2, 1, earliestEventPosition);
  const created = (await client.getEventHubProperties()).createdOn;
  const { last } = await partition(2);
  await post("/recreate");
  assert.ok((await client.getEventHubProperties()).createdOn > created);
  const error = await refusal(client, 2, { startPosition: { sequenceNumber: last } });
  assert.equal(error.code, "ArgumentError");
  await post("/send", { device: "d", partition: 2, raw: "anew" });
  const [anew] = await take(client, 2, 1, earliestEventPosition);
  assert.equal(anew.sequenceNumber, 0);
  assert.equal(anew.offset, event.offset);
}

await run([
  propertiesOfHubAndPartition, telemetryFromTheBeginning, everyKindOfPosition, invalidOffsets,
  batchesOfTheProducer, batchesWithAKey, systemProperties, ownerLevels, wrongKeys, unknownHubs,
  faultsAreRiddenOut, aHubThatIsMadeAnew,
]);
