// A file from upload to corrected workbook: node demo.mjs FILE WORKBOOK, with MEDQ_URL, MEDQ_WEB_TOKEN and MEDQ_USER.
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { connect, Refused } from "./built/medq.js";

const [path, target] = process.argv.slice(2);
const medq = connect(process.env.MEDQ_URL, process.env.MEDQ_WEB_TOKEN, process.env.MEDQ_USER);

const file = new File([await openAsBlob(path)], basename(path));
const key = crypto.randomUUID();
const job = await medq.upload(file, key, { instructions: "Niveau DCEM2.", config: { batchSize: 3 } });
console.log("job", job.id, (await medq.upload(file, key, { instructions: "Niveau DCEM2.", config: { batchSize: 3 } })).id);

for await (const now of medq.follow(job.id)) console.log("progress", now.progress, now.status, now.message);

for await (const item of medq.openItems(job.id)) {
  const settled = await medq.decide(item, { action: "accept" });
  console.log("settled", item.question?.officialKey, settled.stored?.official, settled.isOpen);
  try {
    await medq.decide(item, { action: "keep" });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log("refused", error.status, error.message);
  }
}

const workbook = await medq.workbook(job.id);
await writeFile(target, workbook.body);
console.log("workbook", workbook.headers.get("content-disposition"));
