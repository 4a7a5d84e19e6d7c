// A forwarder from Event Hubs to ThingWorx as a user would write it with Microsoft's client: the
// event processor shares the partitions, checkpoints lie in blobs, requests go over connections
// that are kept alive. Order per Thing is kept as Holdfast keeps it: a partition's batches go one
// after another, and no Thing has two requests on the wire.
import { readFileSync } from "node:fs";
import { EventHubConsumerClient } from "@azure/event-hubs";
import { BlobCheckpointStore } from "@azure/eventhubs-checkpointstore-blob";
import { ContainerClient } from "@azure/storage-blob";
import { Pool } from "undici";

const ROWS_PER_REQUEST = 1000; // as Holdfast's default
const BATCH_EVENTS = Number(process.env.PEER_BATCH ?? 500);
const CONNECTIONS = 16; // as Holdfast's default
const CHECKPOINT_MS = 250; // as Holdfast saves; after every batch would cost it far more

const name = process.env.PEER_NAME;
const bulk = process.env.PEER_WAY === "bulk";
const base = new URL(process.env.PEER_THINGWORX);
const pool = new Pool(base.origin, { connections: CONNECTIONS, pipelining: 1 });
const headers = {
  appkey: readFileSync(process.env.PEER_KEY_FILE, "utf8").trim(),
  accept: "application/json",
  "content-type": "application/json",
  "user-agent": name,
};

// What the benchmark reads: a line of JSON each.
function tell(what) {
  console.log(JSON.stringify(what));
}

function shape(fields) {
  const definitions = {};
  for (const [field, baseType] of Object.entries(fields))
    definitions[field] = { name: field, description: "", baseType, ordinal: 0, aspects: {} };
  return JSON.stringify({ fieldDefinitions: definitions });
}
const FIELDS = { name: "STRING", time: "DATETIME", value: "VARIANT", quality: "STRING" };
const BULK_SHAPE = shape({ thing: "THINGNAME", ...FIELDS });
const THING_SHAPE = shape(FIELDS);

function baseType(value) {
  if (typeof value === "number") return "NUMBER";
  if (typeof value === "boolean") return "BOOLEAN";
  if (typeof value === "string") return "STRING";
  return "JSON";
}

function addRows(rows, thing, event) {
  const time = event.enqueuedTimeUtc.getTime();
  for (const property in event.body) {
    const value = event.body[property];
    if (value === null) continue;
    const row = { name: property, time, quality: "GOOD", value: { value, baseType: baseType(value) } };
    if (thing !== null) row.thing = thing;
    rows.push(row);
  }
}

async function post(thing, service, dataShape, rows) {
  const path = `${base.pathname}/Things/${encodeURIComponent(thing)}/Services/${service}`;
  const body = `{"values":{"dataShape":${dataShape},"rows":${JSON.stringify(rows)}}}`;
  for (let wait = 100; ; wait = Math.min(wait * 2, 10000)) {
    try {
      const answer = await pool.request({ path, method: "POST", headers, body });
      const text = await answer.body.text();
      if (answer.statusCode === 200) return text;
      tell({ error: `${answer.statusCode} ${text.slice(0, 100)}` });
    } catch (error) {
      tell({ error: error.message });
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function deviceOf(event) {
  return event.systemProperties["iothub-connection-device-id"];
}

async function forwardBulk(events) {
  let rows = [];
  for (const event of events) {
    if (rows.length + Object.keys(event.body).length > ROWS_PER_REQUEST) {
      await post("Holdfast.Bulk", "UpdateValues", BULK_SHAPE, rows);
      rows = [];
    }
    addRows(rows, deviceOf(event), event);
  }
  if (rows.length > 0) await post("Holdfast.Bulk", "UpdateValues", BULK_SHAPE, rows);
}

async function forwardPerThing(events) {
  const things = new Map();
  for (const event of events) {
    const thing = deviceOf(event);
    if (!things.has(thing)) things.set(thing, []);
    addRows(things.get(thing), null, event);
  }
  await Promise.all(
    Array.from(things, ([thing, rows]) => post(thing, "UpdatePropertyValues", THING_SHAPE, rows)),
  );
}

const saved = new Map(); // partition -> when its checkpoint was saved last
const forward = bulk ? forwardBulk : forwardPerThing;

const container = new ContainerClient(process.env.PEER_BLOB, process.env.PEER_CONTAINER);
await container.createIfNotExists();
const store = new BlobCheckpointStore(container);
const client = new EventHubConsumerClient("$Default", process.env.PEER_CONNECTION, store, {
  loadBalancingOptions: {
    strategy: "greedy",
    updateIntervalInMs: 1000,
    partitionOwnershipExpirationIntervalInMs: 4000,
  },
});
client.subscribe(
  {
    processInitialize: async (context) => tell({ gained: context.partitionId }),
    processClose: async (reason, context) => tell({ lost: context.partitionId, reason }),
    processEvents: async (events, context) => {
      if (events.length === 0) return;
      await forward(events);
      const now = Date.now();
      if (now - (saved.get(context.partitionId) ?? 0) < CHECKPOINT_MS) return;
      saved.set(context.partitionId, now);
      await context.updateCheckpoint(events.at(-1));
    },
    processError: async (error) => tell({ error: error.code ?? error.message }),
  },
  {
    startPosition: { offset: process.env.PEER_START ?? "-1" },
    maxBatchSize: BATCH_EVENTS,
    prefetchCount: 2 * BATCH_EVENTS,
    maxWaitTimeInSeconds: 1,
  },
);
