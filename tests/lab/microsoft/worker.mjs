// One event processor. Tells its parent what it owns and reads; ends in good order on "stop".
import { EventHubConsumerClient } from "@azure/event-hubs";
import { BlobCheckpointStore } from "@azure/eventhubs-checkpointstore-blob";
import { ContainerClient } from "@azure/storage-blob";

const container = new ContainerClient(process.env.LAB_BLOB, process.env.LAB_CONTAINER);
const client = new EventHubConsumerClient(
  "$Default",
  process.env.LAB_CONNECTION,
  new BlobCheckpointStore(container),
  {
    loadBalancingOptions: {
      strategy: "greedy",
      updateIntervalInMs: 1000,
      partitionOwnershipExpirationIntervalInMs: 4000,
    },
  },
);
const subscription = client.subscribe(
  {
    processInitialize: async (context) => process.send({ gained: context.partitionId }),
    processClose: async (reason, context) => process.send({ lost: context.partitionId, reason }),
    processEvents: async (events, context) => {
      if (events.length === 0) return;
      const numbers = events.map((event) => event.sequenceNumber);
      process.send({ partition: context.partitionId, numbers });
      // A stale owner must not write: what it still had in hand is read again by the next one.
      await context.updateCheckpoint(events.at(-1));
    },
    processError: async (error, context) =>
      process.send({ error: error.code ?? error.message, partition: context.partitionId }),
  },
  { startPosition: { offset: "-1" }, maxBatchSize: 50, maxWaitTimeInSeconds: 1 },
);
process.on("message", async (message) => {
  if (message !== "stop") return;
  await subscription.close();
  await client.close();
  process.send({ stopped: true }, () => process.exit(0));
});
process.on("disconnect", () => process.exit(1));
